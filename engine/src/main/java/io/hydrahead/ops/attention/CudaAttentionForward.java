package io.hydrahead.ops.attention;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.LaunchArguments;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.attention.CudaHeadLists.HeadList;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * The forward pass over many queries: on Hopper in bf16 {@link CudaHopperForward} for the head dims
 * that it has, else {@code attention_forward.cu}. The same bits in every run.
 */
final class CudaAttentionForward implements AutoCloseable {
  private static final int BM = 64;

  private final CudaDevice device;
  private final CudaHeadLists lists;
  private final CudaHopperForward hopper;

  /**
   * By head dim: bf16, float32 aligned to 16 bytes, float32 otherwise; then the same with a window.
   */
  private final LaunchArguments[][] kernels =
      new LaunchArguments[6][CudaAttentionLayout.MOST_DIM + 1];

  /** {@code struct Arguments}, with a window. */
  private final MemorySegment arguments = Arena.ofAuto().allocate(128, 8);

  private final MemorySegment unwindowed = arguments.asSlice(0, 120);

  CudaAttentionForward(CudaDevice device, CudaScratch scratch, CudaHeadLists lists) {
    this.device = device;
    this.lists = lists;
    hopper = device.hopper() ? new CudaHopperForward(device, scratch) : null;
  }

  void run(Shape s, int[] kvOf, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    HeadList list = lists.of(kvOf);
    if (q.dtype() == DType.BF16 && hopper != null && CudaHopperForward.has(s.headDim())) {
      hopper.run(s, list, offset, q, k, v, o, lse);
    } else {
      portable(s, list, offset, q, k, v, o, lse);
    }
  }

  private void portable(
      Shape s, HeadList list, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    boolean bf16 = q.dtype() == DType.BF16;
    MemorySegment a = arguments;
    CudaAttentionLayout.keys(a, 0, k, s);
    CudaAttentionLayout.keys(a, 32, v, s);
    a.set(JAVA_LONG, 64, CudaAttentionLayout.address(q));
    a.set(JAVA_LONG, 72, CudaAttentionLayout.address(o));
    a.set(JAVA_LONG, 80, lse == null ? 0 : CudaAttentionLayout.address(lse));
    a.set(JAVA_LONG, 88, q.rowStride());
    a.set(JAVA_LONG, 96, o.rowStride());
    a.set(JAVA_INT, 104, s.queries());
    a.set(JAVA_INT, 108, s.heads());
    a.set(JAVA_INT, 112, offset);
    a.set(JAVA_FLOAT, 116, s.scale());
    a.set(JAVA_INT, 120, s.window().size());
    a.set(JAVA_INT, 124, s.window().sinks());
    int d = Math.ceilDiv(s.headDim(), 16) * 16;
    boolean windowed = s.windowed(offset);
    int bn = d <= 64 || bf16 && d <= 128 ? 64 : 32;
    kernel(s.headDim(), bf16, CudaAttentionLayout.aligned(s, q, k, v, o), windowed)
        .begin()
        .struct(windowed ? a : unwindowed)
        .struct(list.heads)
        .launch(
            s.batch() * s.heads(),
            Math.ceilDiv(s.queries(), BM),
            1,
            bf16 ? 128 : 256,
            bf16 ? 8 * bn * d : 4 * (BM * (d + bn + 8) + bn * (2 * d + 4)));
  }

  private LaunchArguments kernel(int d, boolean bf16, boolean aligned, boolean windowed) {
    LaunchArguments[] byDim = kernels[(bf16 ? 0 : aligned ? 1 : 2) + (windowed ? 3 : 0)];
    if (byDim[d] == null) {
      byDim[d] =
          device
              .module(
                  CudaAttentionForward.class,
                  "attention_forward.cu",
                  "-DHEAD_DIM=" + d,
                  "-DBF16=" + (bf16 ? 1 : 0),
                  "-DALIGNED=" + (aligned ? 1 : 0),
                  "-DWINDOW=" + (windowed ? 1 : 0))
              .kernel("attention_forward")
              .arguments();
    }
    return byDim[d];
  }

  @Override
  public void close() {
    if (hopper != null) {
      hopper.close();
    }
  }
}
