package io.hydrahead.ops.deltarule;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.Map;

/**
 * Gradients of the gated delta rule on a GPU. q, k, v, dOut and their gradients are float32 or
 * bf16, all of one type, possibly column slices; g, β, states and the gradients of these are
 * float32.
 *
 * <p>Four kernels: the decays of all chunks; V′ and the scores of all chunks; the gradient of the
 * state from the last chunk to the first, value columns side by side; the other gradients of all
 * chunks. bf16 with K = V in 16, 32, 64, 128 runs on tensor cores ({@code delta_backward.cu},
 * {@code delta_gradients.cu}), the rest in float32 arithmetic ({@code delta_backward_simt.cu}).
 * Sums have a fixed order.
 *
 * <p>The scratch is kept from call to call and grows with the largest shape, see {@link
 * #scratchBytes}.
 */
final class CudaDeltaRuleBackward implements AutoCloseable {
  private static final int CHUNK = GatedDeltaRule.CHUNK;

  /** Floats of decays a chunk. */
  private static final int GATES = 5 * CHUNK;

  /** Sequences times heads from which on wider column blocks fill the chip. */
  private static final int MANY_HEADS = 128;

  private static final int STAGES = 3;
  private static final int SIMT_THREADS = 256;
  private static final int SIMT_COLUMNS = 64;

  private final CudaDevice device;
  private final Map<String, Kernels> variants = new HashMap<>();
  private Arena arena;
  private MemorySegment scratch;

  /** The launch sites of one compiled variant. */
  private record Kernels(
      int headDim,
      int columns,
      LaunchArguments gates,
      LaunchArguments prepare,
      LaunchArguments scan,
      LaunchArguments gradients,
      int gradientBlocks) {
    boolean simt() {
      return headDim == 0;
    }
  }

  CudaDeltaRuleBackward(CudaDevice device) {
    this.device = device;
  }

  /** Bytes of scratch that a call of this shape works in. */
  static long scratchBytes(Shape s, DType type) {
    return Scratch.of(s, type).bytes;
  }

  /** Where the parts of the scratch start, in bytes. */
  private record Scratch(long gates, long states, long writes, long scores, long bytes) {
    static Scratch of(Shape s, DType type) {
      long chunks = (long) s.batch() * s.heads() * chunks(s);
      long states = aligned(chunks * GATES * Float.BYTES);
      long writes = states + aligned(chunks * s.keyDim() * s.valueDim() * type.bytes());
      long rows = (long) s.batch() * s.tokens() * s.heads();
      long scores = writes + aligned(rows * s.valueDim() * type.bytes());
      return new Scratch(
          0, states, writes, scores, scores + aligned(chunks * CHUNK * CHUNK * type.bytes()));
    }
  }

  private static long aligned(long bytes) {
    return (bytes + 255) / 256 * 256;
  }

  private static int chunks(Shape s) {
    return (s.tokens() + CHUNK - 1) / CHUNK;
  }

  /**
   * Assigns all gradients.
   *
   * @param states of the forward pass: the state before each chunk [B, H, chunks, K, V], of the
   *     inputs' type
   * @param inverses Γ ⊙ (I + strictLower(β K Kᵀ))⁻¹ of each chunk [B, H, chunks, 64, 64], of the
   *     inputs' type; β clamped to 2⁻⁴⁰
   * @param dState [B, H, K, V], gradient of the final state, overwritten with that of the first
   */
  void run(
      Shape s,
      Inputs in,
      MemorySegment states,
      MemorySegment inverses,
      Tensor dOut,
      Tensor dState,
      Inputs grads) {
    DType type = in.q().dtype();
    if (s.batch() == 0 || s.tokens() == 0 || s.heads() == 0) {
      return;
    }
    Kernels kernels = kernels(s, in, dOut, grads);
    Scratch at = Scratch.of(s, type);
    reserve(at.bytes);
    long gates = scratch.address() + at.gates;
    long dStates = scratch.address() + at.states;
    long writes = scratch.address() + at.writes;
    long scores = scratch.address() + at.scores;
    int heads = s.heads();
    int tokens = s.tokens();
    int chunks = chunks(s);
    int all = s.batch() * heads;
    int total = Math.multiplyExact(all, chunks);

    kernels
        .gates
        .begin()
        .pointer(in.g())
        .pointer(in.beta())
        .address(gates)
        .integer(heads)
        .integer(tokens)
        .integer(chunks)
        .integer(total)
        .launch((total + 3) / 4, 128, 0);

    int dim = kernels.headDim;
    LaunchArguments prepare =
        kernels
            .prepare
            .begin()
            .pointer(in.q())
            .pointer(in.k())
            .pointer(in.v())
            .wide(stride(in.q(), s, s.keyDim()))
            .wide(stride(in.k(), s, s.keyDim()))
            .wide(stride(in.v(), s, s.valueDim()))
            .address(gates)
            .pointer(states)
            .pointer(inverses)
            .address(writes)
            .address(scores)
            .integer(heads)
            .integer(tokens)
            .integer(chunks);
    if (kernels.simt()) {
      prepare.integer(s.keyDim()).integer(s.valueDim()).launch(chunks, all, 1, SIMT_THREADS, 0);
    } else {
      prepare.launch(chunks, all, 1, prepareThreads(dim), prepareShared(dim));
    }

    LaunchArguments scan =
        kernels
            .scan
            .begin()
            .pointer(in.q())
            .pointer(in.k())
            .pointer(dOut)
            .wide(stride(in.q(), s, s.keyDim()))
            .wide(stride(in.k(), s, s.keyDim()))
            .wide(stride(dOut, s, s.valueDim()))
            .address(gates)
            .pointer(inverses)
            .address(scores)
            .pointer(grads.v())
            .wide(stride(grads.v(), s, s.valueDim()))
            .address(dStates)
            .pointer(dState)
            .integer(heads)
            .integer(tokens)
            .integer(chunks);
    if (kernels.simt()) {
      int blocks = (s.valueDim() + SIMT_COLUMNS - 1) / SIMT_COLUMNS;
      scan.integer(s.keyDim()).integer(s.valueDim()).launch(blocks, all, 1, SIMT_THREADS, 0);
    } else {
      int columns = kernels.columns;
      scan.launch(dim / columns, all, 1, scanThreads(columns), scanShared(dim, columns));
    }

    LaunchArguments gradients =
        kernels
            .gradients
            .begin()
            .pointer(in.q())
            .pointer(in.k())
            .pointer(dOut)
            .wide(stride(in.q(), s, s.keyDim()))
            .wide(stride(in.k(), s, s.keyDim()))
            .wide(stride(dOut, s, s.valueDim()))
            .address(gates)
            .pointer(states)
            .address(dStates)
            .address(writes)
            .pointer(grads.v())
            .wide(stride(grads.v(), s, s.valueDim()))
            .pointer(grads.q())
            .pointer(grads.k())
            .wide(stride(grads.q(), s, s.keyDim()))
            .wide(stride(grads.k(), s, s.keyDim()))
            .pointer(grads.g())
            .pointer(grads.beta())
            .integer(heads)
            .integer(tokens)
            .integer(chunks);
    if (kernels.simt()) {
      gradients.integer(s.keyDim()).integer(s.valueDim()).launch(chunks, all, 1, SIMT_THREADS, 0);
    } else {
      gradients
          .integer(total)
          .launch(
              Math.min(total, kernels.gradientBlocks), gradientThreads(dim), gradientShared(dim));
    }
  }

  /** Elements from one token's row to the next. */
  private static long stride(Tensor t, Shape s, int dim) {
    return t.contiguous() ? (long) s.heads() * dim : t.rowStride();
  }

  // ------------------------------------------------------------------- variants and their sizes

  private Kernels kernels(Shape s, Inputs in, Tensor dOut, Inputs grads) {
    boolean bf16 = in.q().dtype() == DType.BF16;
    int dim = s.keyDim();
    boolean square = dim == s.valueDim() && (dim == 16 || dim == 32 || dim == 64 || dim == 128);
    int columns = Math.min(dim, s.batch() * s.heads() >= MANY_HEADS ? 64 : 32);
    if (!bf16
        || !square
        || gradientShared(dim) > device.maxSharedBytes()
        || scanShared(dim, columns) > device.maxSharedBytes()
        || !aligned(in.q(), in.k(), in.v(), dOut, grads.q(), grads.k(), grads.v())) {
      return variants.computeIfAbsent(bf16 ? "simt bf16" : "simt", key -> simt(bf16));
    }
    return variants.computeIfAbsent(dim + " " + columns, key -> tensorCores(dim, columns));
  }

  /** Whether rows can be read 16 bytes at a time. */
  private static boolean aligned(Tensor... tensors) {
    for (Tensor t : tensors) {
      if (t.segment().address() % 16 != 0 || t.rowStride() % 8 != 0) {
        return false;
      }
    }
    return true;
  }

  private Kernels simt(boolean bf16) {
    var module =
        device.module(
            CudaDeltaRuleBackward.class, "delta_backward_simt.cu", "-DBF16=" + (bf16 ? 1 : 0));
    return new Kernels(
        0,
        SIMT_COLUMNS,
        module.kernel("delta_gates").arguments(),
        module.kernel("delta_prepare").arguments(),
        module.kernel("delta_scan").arguments(),
        module.kernel("delta_gradients").arguments(),
        0);
  }

  private Kernels tensorCores(int dim, int columns) {
    String head = "-DHEAD_DIM=" + dim;
    var scan =
        device.module(
            CudaDeltaRuleBackward.class,
            "delta_backward.cu",
            "-DBF16=1",
            head,
            "-DVALUE_BLOCK=" + columns,
            "-DSTAGES=" + STAGES);
    var gradients =
        device
            .module(CudaDeltaRuleBackward.class, "delta_gradients.cu", "-DBF16=1", head)
            .kernel("delta_gradients");
    int blocks = gradients.blocksPerMultiprocessor(gradientThreads(dim), gradientShared(dim));
    return new Kernels(
        dim,
        columns,
        scan.kernel("delta_gates").arguments(),
        scan.kernel("delta_prepare").arguments(),
        scan.kernel("delta_scan").arguments(),
        gradients.arguments(),
        blocks * device.multiprocessors());
  }

  // The kernels' own sums, see their sources.

  private static int prepareThreads(int dim) {
    return dim >= 32 ? 256 : 128;
  }

  private static int prepareShared(int dim) {
    return 2 * (3 * CHUNK * dim + dim * dim + 2 * CHUNK * CHUNK) + 4 * GATES;
  }

  private static int scanThreads(int columns) {
    return 128 * (columns / (columns >= 64 ? 32 : 16));
  }

  private static int scanShared(int dim, int columns) {
    int stage = 2 * (2 * CHUNK * dim + 2 * CHUNK * CHUNK + CHUNK * columns) + 4 * GATES;
    return STAGES * stage + 2 * (dim + 3 * CHUNK) * columns;
  }

  private static int gradientThreads(int dim) {
    return dim >= 64 ? 256 : 128;
  }

  private static int gradientShared(int dim) {
    return 2 * (8 * CHUNK * dim + 2 * dim * dim + 2 * CHUNK * CHUNK) + 8 * GATES + 2048;
  }

  // ------------------------------------------------------------------- scratch

  private void reserve(long bytes) {
    if (scratch == null || scratch.byteSize() < bytes) {
      close();
      arena = device.memory().arena();
      scratch = arena.allocate(bytes, 256);
    }
  }

  /** Frees the scratch; the next call takes another. */
  @Override
  public void close() {
    if (arena != null) {
      arena.close();
      arena = null;
      scratch = null;
    }
  }
}
