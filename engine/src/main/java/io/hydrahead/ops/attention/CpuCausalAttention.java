package io.hydrahead.ops.attention;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;

/**
 * {@link CausalAttention} on the cores of a team; without the Vector API, in scalar Java.
 *
 * <p>An output row is the same bits however the sequence was cut into pieces, whatever the other
 * rows and however many threads. Single queries (T = 1) from which no window hides anything take
 * another road, which streams the cache and sums in another order, unless {@code oneKernel}.
 */
public final class CpuCausalAttention implements CausalAttention {
  private final CausalAttention backend;

  public CpuCausalAttention(ComputePool pool) {
    this(pool, false);
  }

  /**
   * @param oneKernel whether single queries too take the kernel of longer pieces: slower, but then
   *     a decoded token's row has the bits that it has in a prefill
   */
  public CpuCausalAttention(ComputePool pool, boolean oneKernel) {
    backend =
        Simd.available()
            ? new VectorCausalAttention(pool, oneKernel)
            : new ReferenceCausalAttention();
  }

  @Override
  public void forward(
      Shape s, int[] kvOf, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    backend.forward(s, kvOf, offset, q, k, v, o, lse);
  }

  @Override
  public void forwardPaged(Shape s, int[] kvOf, KvPages pages, int offset, Tensor q, Tensor o) {
    backend.forwardPaged(s, kvOf, pages, offset, q, o);
  }

  @Override
  public void decodePaged(
      Shape s, int[] kvOf, KvPages pages, Tensor positions, Tensor q, Tensor o) {
    backend.decodePaged(s, kvOf, pages, positions, q, o);
  }

  @Override
  public void backward(
      Shape s,
      int[] kvOf,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    backend.backward(s, kvOf, q, k, v, o, lse, dO, dq, dk, dv);
  }
}
