package io.hydrahead.ops.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.attention.CudaHeadLists.Groups;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Attention of up to {@value #MOST_QUERIES} queries a sequence, {@code attention_decode.cu}: the
 * keys are split over the whole device. The position may be read on the device. Allocates nothing
 * after the first call.
 */
final class CudaAttentionDecode implements AutoCloseable {
  static final int MOST_QUERIES = 16;

  private static final int MOST_SPLITS = 256;

  /** Rows of the kernel of the matrix units. */
  private static final int BF16_ROWS = 16;

  private static final int VARIANTS = 11;

  private final CudaDevice device;
  private final CudaHeadLists lists;
  private final CudaScratch scratch;
  private final CudaScratch counters;

  /** By variant and head dim: bf16, then float32 by aligned and log2 of the rows; then paged. */
  private final LaunchArguments[][] kernels =
      new LaunchArguments[2 * VARIANTS][CudaAttentionLayout.MOST_DIM + 1];

  /** {@code struct Arguments}, paged. */
  private final MemorySegment arguments = Arena.ofAuto().allocate(176, 8);

  private final MemorySegment unpaged = arguments.asSlice(0, 160);

  CudaAttentionDecode(CudaDevice device, CudaScratch scratch, CudaHeadLists lists) {
    this.device = device;
    this.lists = lists;
    this.scratch = scratch;
    counters = CudaScratch.counters(device);
  }

  /**
   * @param position added to {@code offset}, [1] I32 on the device, or null
   * @param keys the most that there can be
   */
  void run(
      Shape s,
      int[] kvOf,
      int offset,
      Tensor position,
      long keys,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse) {
    CudaAttentionLayout.keys(arguments, 0, k, s);
    CudaAttentionLayout.keys(arguments, 32, v, s);
    boolean aligned = CudaAttentionLayout.aligned(s, q, k, v, o);
    launch(s, kvOf, offset, position, keys, aligned, q, o, lse, false);
  }

  /**
   * One query of each sequence over its pages.
   *
   * @param positions of each, on the device
   */
  void run(Shape s, int[] kvOf, KvPages pages, Tensor positions, Tensor q, Tensor o) {
    MemorySegment a = arguments;
    CudaAttentionLayout.pages(a, 0, pages.keys(), pages);
    CudaAttentionLayout.pages(a, 32, pages.values(), pages);
    a.set(JAVA_LONG, 160, CudaAttentionLayout.address(pages.table()));
    a.set(JAVA_LONG, 168, pages.table().dim(1));
    boolean aligned = CudaAttentionLayout.aligned(s, q, pages.keys(), pages.values(), o);
    launch(s, kvOf, 0, positions, pages.capacity(), aligned, q, o, null, true);
  }

  private void launch(
      Shape s,
      int[] kvOf,
      int offset,
      Tensor position,
      long keys,
      boolean aligned,
      Tensor q,
      Tensor o,
      Tensor lse,
      boolean paged) {
    boolean bf16 = q.dtype() == DType.BF16;
    int most = BF16_ROWS / s.queries();
    Groups groups = lists.of(kvOf).groups(most);
    int rows = bf16 ? BF16_ROWS : roomFor(groups.largest * s.queries());
    int d = Math.ceilDiv(s.headDim(), 16) * 16;
    int warps = d > (bf16 ? 128 : 32) ? 4 : 8;
    int warpKeys = bf16 ? d >= 128 ? 16 : d >= 64 ? 32 : 64 : d > 128 ? 8 : d > 64 ? 16 : 32;
    long blockKeys = (long) warps * warpKeys;
    int count = s.batch() * groups.count;
    int splits =
        (int)
            Math.clamp(
                Math.min(device.multiprocessors(), MOST_SPLITS) / count,
                1,
                Math.ceilDiv(keys, blockKeys));
    long slots = (long) count * splits * rows;
    MemorySegment a = arguments;
    a.set(JAVA_LONG, 64, CudaAttentionLayout.address(q));
    a.set(JAVA_LONG, 72, CudaAttentionLayout.address(o));
    a.set(JAVA_LONG, 80, lse == null ? 0 : CudaAttentionLayout.address(lse));
    long parts = splits == 1 ? 0 : scratch.bytes(4 * slots * (d + 1));
    a.set(JAVA_LONG, 88, parts);
    a.set(JAVA_LONG, 96, parts + 4 * slots * d);
    a.set(JAVA_LONG, 104, counters.bytes(8L * count));
    a.set(JAVA_LONG, 112, position == null ? 0 : CudaAttentionLayout.address(position));
    a.set(JAVA_LONG, 120, q.rowStride());
    a.set(JAVA_LONG, 128, o.rowStride());
    a.set(JAVA_INT, 136, offset);
    a.set(JAVA_INT, 140, s.queries());
    a.set(JAVA_INT, 144, s.heads());
    a.set(JAVA_INT, 148, groups.count);
    a.set(JAVA_FLOAT, 152, s.scale());
    int elementBytes = q.dtype().bytes();
    int shared =
        Math.max(
            warps * 3 * 2 * warpKeys * d * elementBytes,
            Math.max(4 * warps * rows * d, 4 * rows * splits + 16 * 32 * warps + 16));
    kernel(s.headDim(), bf16, aligned, rows, paged)
        .begin()
        .struct(paged ? a : unpaged)
        .struct(groups.struct)
        .launch(splits, groups.count, s.batch(), 32 * warps, shared);
  }

  /** The kernel of float32 comes for 2, 8 and 16 rows. */
  private static int roomFor(int rows) {
    return rows <= 2 ? 2 : rows <= 8 ? 8 : 16;
  }

  private LaunchArguments kernel(int d, boolean bf16, boolean aligned, int rows, boolean paged) {
    int variant = bf16 ? 0 : 1 + (aligned ? 0 : 5) + Integer.numberOfTrailingZeros(rows);
    variant += paged ? VARIANTS : 0;
    if (kernels[variant][d] == null) {
      kernels[variant][d] =
          device
              .module(
                  CudaAttentionDecode.class,
                  "attention_decode.cu",
                  "-DHEAD_DIM=" + d,
                  "-DBF16=" + (bf16 ? 1 : 0),
                  "-DALIGNED=" + (aligned ? 1 : 0),
                  "-DROWS=" + rows,
                  "-DPAGED=" + (paged ? 1 : 0))
              .kernel("attention_decode")
              .arguments()
              .overlapInSteps();
    }
    return kernels[variant][d];
  }

  @Override
  public void close() {
    counters.close();
  }
}
