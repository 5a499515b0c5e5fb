package io.hydrahead.ops.attention;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.lang.ref.Reference;

/** {@link CausalAttention} with the Vector API; one call at a time. */
final class VectorCausalAttention implements CausalAttention {
  private final boolean oneKernel;
  private final AttentionCall call = new AttentionCall();
  private final AttentionForward forward;
  private final AttentionDecode decode;
  private final AttentionBackward backward;

  VectorCausalAttention(ComputePool pool, boolean oneKernel) {
    this.oneKernel = oneKernel;
    forward = new AttentionForward(pool, call);
    decode = new AttentionDecode(pool, call);
    backward = new AttentionBackward(pool, call);
  }

  @Override
  public void forward(
      Shape s, int[] kvOf, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    call.set(s, kvOf, offset, q, k, v, o, lse);
    if (s.queries() == 1 && !oneKernel && !call.windowed) {
      decode.run();
    } else {
      forward.run();
    }
    keep(q, k, v, o);
    Reference.reachabilityFence(lse);
  }

  @Override
  public void forwardPaged(Shape s, int[] kvOf, KvPages pages, int offset, Tensor q, Tensor o) {
    call.setPaged(s, kvOf, pages, offset, null, q, o);
    forward.run();
    keep(q, pages.keys(), pages.values(), o);
    Reference.reachabilityFence(pages);
  }

  @Override
  public void decodePaged(
      Shape s, int[] kvOf, KvPages pages, Tensor positions, Tensor q, Tensor o) {
    call.setPaged(s, kvOf, pages, 0, positions, q, o);
    if (oneKernel) {
      forward.run();
    } else {
      decode.run();
    }
    keep(q, positions, pages.values(), o);
    Reference.reachabilityFence(pages);
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
    AttentionShape.check(s, kvOf, 0, dq, dk, dv, dO, lse);
    call.set(s, kvOf, 0, q, k, v, o, lse);
    backward.run(dO, dq, dk, dv);
    keep(q, k, v, o);
    keep(dO, dq, dk, dv);
    Reference.reachabilityFence(lse);
  }

  /** Native memory on an automatic arena must outlive the work on its address. */
  private static void keep(Tensor a, Tensor b, Tensor c, Tensor d) {
    Reference.reachabilityFence(a);
    Reference.reachabilityFence(b);
    Reference.reachabilityFence(c);
    Reference.reachabilityFence(d);
  }
}
