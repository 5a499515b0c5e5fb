package io.hydrahead.ops.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.cuda.TensorMap;
import io.hydrahead.cuda.TensorMap.Swizzle;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.attention.CausalAttention.Window;
import io.hydrahead.ops.attention.CudaHeadLists.HeadList;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** {@code attention_forward_hopper.cu}: bf16, head dims 16, 32, 64, 96, 128, 192 and 256. */
final class CudaHopperForward implements AutoCloseable {
  private final CudaDevice device;
  private final CudaScratch scratch;
  private final CudaScratch counters;
  private final Variant[] variants = new Variant[CudaAttentionLayout.MOST_DIM + 1];
  private final Variant[] windowed = new Variant[CudaAttentionLayout.MOST_DIM + 1];

  CudaHopperForward(CudaDevice device, CudaScratch scratch) {
    this.device = device;
    this.scratch = scratch;
    counters = CudaScratch.counters(device);
  }

  static boolean has(int d) {
    return switch (d) {
      case 16, 32, 64, 96, 128, 192, 256 -> true;
      default -> false;
    };
  }

  void run(Shape s, HeadList list, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    int d = s.headDim();
    boolean window = s.windowed(offset);
    Variant[] byDim = window ? windowed : variants;
    if (byDim[d] == null) {
      byDim[d] = new Variant(d, window);
    }
    byDim[d].run(s, list, offset, q, k, v, o, lse);
  }

  private record Planned(int heads, int queries, int offset, Window window, CudaForwardPlan plan) {}

  /** The kernel for one head dim, with or without a window. */
  private final class Variant {
    final int d;
    final boolean windowed;
    final int warpgroups;
    final int bm;
    final int bn;
    final int sharedBytes;
    final TensorMap qMap;
    final TensorMap kMap;
    final TensorMap vMap;
    final TensorMap oMap;
    final LaunchArguments kernel;

    /** {@code struct Sizes}. */
    final MemorySegment sizes;

    /** {@code struct Workspace}. */
    final MemorySegment workspace = Arena.ofAuto().allocate(32, 8);

    /** Plans of the last calls: layers of a model have different numbers of heads. */
    final Planned[] recent = new Planned[16];

    int oldest;

    Variant(int d, boolean windowed) {
      this.d = d;
      this.windowed = windowed;
      sizes = Arena.ofAuto().allocate(windowed ? 40 : 32, 8);
      warpgroups = d > 64 ? 2 : 3;
      bm = 64 * warpgroups;
      bn = d > 128 ? 64 : 128;
      int columns = d % 64 == 0 ? 64 : d % 32 == 0 ? 32 : 16;
      Swizzle swizzle =
          columns == 64 ? Swizzle.BYTES_128 : columns == 32 ? Swizzle.BYTES_64 : Swizzle.BYTES_32;
      int query = 2 * bm * d;
      int stage = 4 * bn * d;
      sharedBytes = query + (d > 128 ? 1024 : query) + 2 * stage + 1024;
      qMap = new TensorMap(device, DType.BF16, swizzle, columns, bm, 1, 1);
      oMap = new TensorMap(device, DType.BF16, swizzle, columns, 64, 1, 1);
      kMap = new TensorMap(device, DType.BF16, swizzle, columns, bn, 1, 1);
      vMap = new TensorMap(device, DType.BF16, swizzle, columns, bn, 1, 1);
      kernel =
          device
              .module(
                  CudaHopperForward.class,
                  "attention_forward_hopper.cu",
                  "-DHEAD_DIM=" + d,
                  "-DWINDOW=" + (windowed ? 1 : 0))
              .kernel("attention_forward_hopper")
              .arguments();
    }

    void run(
        Shape s, HeadList list, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
      int heads = s.batch() * s.heads();
      CudaForwardPlan plan = plan(heads, s.queries(), offset, windowed ? s.window() : Window.ALL);
      int tiles = Math.ceilDiv(s.queries(), bm);
      int items = Math.toIntExact((long) heads * tiles * plan.chunks());
      sizes.set(JAVA_INT, 0, s.batch());
      sizes.set(JAVA_INT, 4, s.queries());
      sizes.set(JAVA_INT, 8, s.heads());
      sizes.set(JAVA_INT, 12, offset);
      sizes.set(JAVA_INT, 16, plan.chunk());
      sizes.set(JAVA_INT, 20, plan.chunks());
      sizes.set(JAVA_INT, 24, section(s, list, offset));
      sizes.set(JAVA_FLOAT, 28, s.scale());
      if (windowed) {
        sizes.set(JAVA_INT, 32, s.window().size());
        sizes.set(JAVA_INT, 36, s.window().sinks());
      }
      // Two counters of the blocks, then one for each consumer of a query tile.
      long zeros = counters.bytes(8 + 4L * heads * tiles * warpgroups);
      long parts = 0;
      long results = 0;
      if (plan.chunks() > 1) {
        results = 4L * items * bm * d;
        parts = scratch.bytes(results + 4L * items * bm);
      }
      workspace.set(JAVA_LONG, 0, parts);
      workspace.set(JAVA_LONG, 8, parts + results);
      workspace.set(JAVA_LONG, 16, zeros + 8);
      workspace.set(JAVA_LONG, 24, zeros);
      kernel
          .begin()
          .map(queries(qMap, q, s))
          .map(keys(kMap, k, s, offset))
          .map(keys(vMap, v, s, offset))
          .map(queries(oMap, o, s))
          .struct(list.heads)
          .struct(sizes)
          .struct(workspace)
          .pointerOrNull(lse)
          .integer(items)
          .launch(Math.min(items, device.multiprocessors()), 128 * (warpgroups + 1), sharedBytes);
    }

    private CudaForwardPlan plan(int heads, int queries, int offset, Window window) {
      for (Planned p : recent) {
        if (p != null
            && p.heads == heads
            && p.queries == queries
            && p.offset == offset
            && p.window.equals(window)) {
          return p.plan;
        }
      }
      CudaForwardPlan plan =
          CudaForwardPlan.of(
              heads,
              new CudaForwardPlan.Tiles(queries, offset, bm, bn, window),
              4L * bm * (d + 1),
              device.multiprocessors());
      recent[oldest] = new Planned(heads, queries, offset, window, plan);
      oldest = (oldest + 1) % recent.length;
      return plan;
    }

    /**
     * Heads whose keys and values fit into the L2 cache together; at least those of one KV head.
     */
    private int section(Shape s, HeadList list, int offset) {
      long perKvHead = 4L * d * (offset + s.queries());
      long fit = Math.max(1, device.l2Bytes() * 3 / 5 / perKvHead);
      long heads = fit * s.heads() / list.distinct();
      return (int) Math.clamp(heads, 1, (long) s.batch() * s.heads());
    }

    private static TensorMap queries(TensorMap map, Tensor t, Shape s) {
      return CudaAttentionLayout.encode(map, t, t.rowStride(), s.heads(), s);
    }

    private TensorMap keys(TensorMap map, Tensor t, Shape s, int offset) {
      long row = AttentionShape.tokenStride(t);
      long batch = s.batch() == 1 ? row : AttentionShape.batchStride(t, s);
      return map.encode(
          t.segment(),
          d,
          offset + s.queries(),
          row,
          s.kvHeads(),
          AttentionShape.headStride(t, s),
          s.batch(),
          batch);
    }
  }

  @Override
  public void close() {
    counters.close();
  }
}
