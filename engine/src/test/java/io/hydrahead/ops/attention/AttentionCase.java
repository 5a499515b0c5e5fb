package io.hydrahead.ops.attention;

import io.hydrahead.ops.Samples;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.attention.CausalAttention.Window;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.List;
import java.util.Random;

/** Inputs and the upstream gradient of one attention problem at offset 0. */
record AttentionCase(Shape shape, int[] kvOf, Tensor q, Tensor k, Tensor v, Tensor dO) {
  /** Output, log-sum-exp, and the gradients of q, k and v. */
  record Result(Tensor o, Tensor lse, List<Tensor> gradients) {}

  /** Normal inputs, scores of standard deviation {@code spread}. */
  static AttentionCase random(
      long seed, int batch, int tokens, int kvHeads, int d, double spread, int... kvOf) {
    Random r = new Random(seed);
    float scale = (float) (spread / Math.sqrt(d));
    return new AttentionCase(
        new Shape(batch, tokens, kvOf.length, kvHeads, d, scale),
        kvOf,
        Samples.normal(r, (long) batch * tokens, (long) kvOf.length * d),
        Samples.normal(r, (long) batch * tokens, (long) kvHeads * d),
        Samples.normal(r, (long) batch * tokens, (long) kvHeads * d),
        Samples.normal(r, (long) batch * tokens, (long) kvOf.length * d));
  }

  /** The same of queries that see a window. */
  AttentionCase seeing(int window, int sinks) {
    Shape s = shape;
    Window w = new Window(window, sinks);
    return new AttentionCase(
        new Shape(s.batch(), s.queries(), s.heads(), s.kvHeads(), s.headDim(), s.scale(), w),
        kvOf,
        q,
        k,
        v,
        dO);
  }

  /** The same with tensors that exist in {@code type}. */
  AttentionCase rounded(DType type) {
    return new AttentionCase(
        shape,
        kvOf,
        Samples.rounded(q, type),
        Samples.rounded(k, type),
        Samples.rounded(v, type),
        Samples.rounded(dO, type));
  }

  Result run(CausalAttention op) {
    Tensor o = Samples.unwritten(q.shape());
    Tensor lse = Samples.unwritten(shape.batch(), shape.heads(), shape.queries());
    op.forward(shape, kvOf, 0, q, k, v, o, lse);
    Tensor dq = Samples.unwritten(q.shape());
    Tensor dk = Samples.unwritten(k.shape());
    Tensor dv = Samples.unwritten(v.shape());
    op.backward(shape, kvOf, q, k, v, o, lse, dO, dq, dk, dv);
    return new Result(o, lse, List.of(dq, dk, dv));
  }

  /** ⟨o, dO⟩, whose gradients {@link #run} gives. */
  double loss(CausalAttention op) {
    Tensor o = Samples.unwritten(q.shape());
    op.forward(shape, kvOf, 0, q, k, v, o, null);
    return Samples.dot(o, dO);
  }
}
