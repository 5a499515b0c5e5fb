package io.hydrahead.ops.gemm;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaModule;
import io.hydrahead.cuda.CudaRows;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;

/**
 * {@link Linear} on a GPU, in float32 or bf16 with float32 sums. Inputs, outputs and gradients may
 * be column slices. Products go through cuBLASLt; up to {@value #FEW_ROWS} bf16 rows read W once at
 * the speed of the memory ({@code gemv.cu}).
 *
 * <p>W is best of the type of x; another one is converted, block by block, at every call.
 */
public final class CudaLinear implements Linear {
  private static final int FEW_ROWS = 8;

  /** Rows of W that a block of {@code gemv.cu} takes. */
  private static final int TILE = 16;

  /** Elements of W that are converted at once. */
  private static final long CONVERTED = 1 << 24;

  /** Of {@code Shared} in {@code gemv_stream.cu}: the ring, the sums, the barriers. */
  private static final int STREAM_BYTES = 3 * 16 * (1024 + 32) * 2 + 2 * 8 * 128 * 4 + 2 * 3 * 8;

  /** Tiles a multiprocessor from which on plain loads are faster than streaming. */
  private static final int MANY_TILES = 16;

  /** Ways to multiply few rows. */
  private enum Gemv {
    /** {@code gemv.cu}; few blocks must each keep more loads on their way. */
    FEW(512, 0),
    MANY(256, 0),
    /** {@code gemv_stream.cu}. */
    STREAM(288, STREAM_BYTES),
    /**
     * The same, reading W before the kernel ahead has ended: in recorded steps, which do not write
     * the weights just before they use them.
     */
    STREAM_EARLY(288, STREAM_BYTES);

    final int threads;
    final int sharedBytes;

    Gemv(int threads, int sharedBytes) {
      this.threads = threads;
      this.sharedBytes = sharedBytes;
    }
  }

  private final CudaDevice device;

  /** By kind and output type. */
  private final LaunchArguments[] gemv = new LaunchArguments[2 * Gemv.values().length];

  private final CudaScratch scratch;

  /**
   * @param scratch for converted blocks of W
   */
  public CudaLinear(CudaDevice device, CudaScratch scratch) {
    this.device = device;
    this.scratch = scratch;
  }

  @Override
  public void forward(Tensor x, Tensor w, Tensor y, boolean accumulate) {
    LinearShape.checkMixed(x, w, y);
    if (empty(y, x.dim(1), accumulate)) {
      return;
    }
    if (x.dim(0) <= FEW_ROWS && streams(x, w)) {
      gemv(x, w, y, accumulate);
    } else if (w.dtype() == x.dtype()) {
      forwardBlock(x, w, y, accumulate);
    } else {
      long block = blockRows(w);
      for (long from = 0; from < w.dim(0); from += block) {
        long count = Math.min(block, w.dim(0) - from);
        Tensor part = converted(w.rows(from, count), x.dtype());
        forwardBlock(x, part, y.columns(from, count), accumulate);
      }
    }
  }

  private void forwardBlock(Tensor x, Tensor w, Tensor y, boolean accumulate) {
    product(false, true, x.size(0), w.size(0), x.size(1), x, w, y, accumulate);
  }

  @Override
  public void backwardInput(Tensor dy, Tensor w, Tensor dx, boolean accumulate) {
    LinearShape.checkMixedInput(dy, w, dx);
    if (empty(dx, w.dim(0), accumulate)) {
      return;
    }
    if (w.dtype() == dy.dtype()) {
      backwardBlock(dy, w, dx, accumulate);
    } else {
      long block = blockRows(w);
      for (long from = 0; from < w.dim(0); from += block) {
        long count = Math.min(block, w.dim(0) - from);
        Tensor part = converted(w.rows(from, count), dy.dtype());
        backwardBlock(dy.columns(from, count), part, dx, accumulate || from > 0);
      }
    }
  }

  private void backwardBlock(Tensor dy, Tensor w, Tensor dx, boolean accumulate) {
    product(false, false, dy.size(0), w.size(1), w.size(0), dy, w, dx, accumulate);
  }

  @Override
  public void backwardWeight(Tensor dy, Tensor x, Tensor dw) {
    LinearShape.checkMixedWeight(dy, x, dw);
    if (!empty(dw, x.dim(0), true)) {
      product(true, false, dw.size(0), dw.size(1), x.size(0), dy, x, dw, true);
    }
  }

  private void product(
      boolean transA,
      boolean transB,
      int m,
      int n,
      int k,
      Tensor a,
      Tensor b,
      Tensor c,
      boolean accumulate) {
    onDevice(a);
    onDevice(b);
    onDevice(c);
    device
        .blas()
        .multiply(
            transA,
            transB,
            m,
            n,
            k,
            a.dtype(),
            a.segment(),
            a.rowStride(),
            b.segment(),
            b.rowStride(),
            c.dtype(),
            c.segment(),
            c.rowStride(),
            accumulate);
  }

  private void onDevice(Tensor t) {
    if (t.memory().host()) {
      throw new IllegalArgumentException(t + " lies in " + t.memory() + ", not on " + device);
    }
  }

  /** Whether nothing is left to do because the output has no elements or the sums no terms. */
  private boolean empty(Tensor out, long terms, boolean accumulate) {
    if (out.size() == 0) {
      return true;
    }
    if (terms == 0 && !accumulate) {
      out.fill(0f);
    }
    return terms == 0;
  }

  /** Whether {@code gemv.cu} can read the operands: bf16, every row aligned to 16 bytes. */
  private static boolean streams(Tensor x, Tensor w) {
    return x.dtype() == DType.BF16 && w.dtype() == DType.BF16 && aligned(x) && aligned(w);
  }

  private static boolean aligned(Tensor t) {
    return t.dim(1) % 8 == 0 && CudaRows.alignedRows(t);
  }

  private void gemv(Tensor x, Tensor w, Tensor y, boolean accumulate) {
    int tiles = Math.ceilDiv(w.size(0), TILE);
    int multiprocessors = device.multiprocessors();
    Gemv kind;
    if (device.capability() >= 90 && tiles <= MANY_TILES * multiprocessors) {
      kind = device.capturing() ? Gemv.STREAM_EARLY : Gemv.STREAM;
    } else {
      kind = tiles >= 2 * multiprocessors ? Gemv.MANY : Gemv.FEW;
    }
    LaunchArguments arguments = arguments(kind, y.dtype());
    arguments
        .begin()
        .pointer(x)
        .wide(x.rowStride())
        .pointer(w)
        .wide(w.rowStride())
        .pointer(y)
        .wide(y.rowStride())
        .integer(x.size(0))
        .integer(w.size(0))
        .integer(x.size(1))
        .integer(accumulate ? 1 : 0);
    int blocks = kind.sharedBytes == 0 ? tiles : Math.min(tiles, multiprocessors);
    arguments.launch(blocks, kind.threads, kind.sharedBytes);
  }

  private LaunchArguments arguments(Gemv kind, DType out) {
    int at = 2 * kind.ordinal() + (out == DType.BF16 ? 0 : 1);
    if (gemv[at] == null) {
      String type = "-DOUT_BF16=" + (out == DType.BF16 ? 1 : 0);
      CudaModule module =
          kind.sharedBytes == 0
              ? device.module(CudaLinear.class, "gemv.cu", "-DWARPS=" + kind.threads / 32, type)
              : device.module(CudaLinear.class, "gemv_stream.cu", type);
      gemv[at] = module.kernel(kind.sharedBytes == 0 ? "gemv" : "gemv_stream").arguments();
      if (kind == Gemv.STREAM_EARLY) {
        gemv[at].overlapPrevious();
      }
    }
    return gemv[at];
  }

  /** Rows of W that the scratch takes at once. */
  private static long blockRows(Tensor w) {
    return Math.max(1, CONVERTED / Math.max(1, w.dim(1)));
  }

  /** A copy of {@code part} as {@code type} in the scratch. */
  private Tensor converted(Tensor part, DType type) {
    long bytes = part.size() * type.bytes();
    MemorySegment block = MemorySegment.ofAddress(scratch.bytes(bytes)).reinterpret(bytes);
    Tensor out = Tensor.of(device.memory(), block, type, part.shape());
    device.convert().copy(part, out);
    return out;
  }
}
