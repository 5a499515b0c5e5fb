package io.hydrahead.model;

import io.hydrahead.ops.conv.ShortConv.Activation;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.tensor.Tensor;

/**
 * A linear layer of Qwen3.5 (transformers' {@code Qwen3_5GatedDeltaNet}), from projections to what
 * W_o takes: short convolution with SiLU of q, k and v, L2 norm of q and k, which are then those of
 * all value heads that share them, decay and write strength, delta rule, RMSNorm · w of each head's
 * output, times SiLU of the gate. N = B·T rows, h value heads, K key dim, V value dim.
 *
 * <p>In bf16 the gradients of q, k and v, and so of all before them, can be far from float32's. The
 * RMSNorm divides by the size of a head's output. Where that nearly cancels (a head that has just
 * forgotten holds little but k vᵀ, and reads nothing where k·q is close to 0), the last bits of
 * what q and k are made from decide what it is and, many times enlarged, what gradient goes back.
 * In the small golden model, rounding nothing but the parameters so moves the gradient of one
 * token's q by several times its size, while rounding all gradients that pass from operation to
 * operation moves no parameter's gradient by more than 1.2e-2: keeping those in float32 would not
 * help.
 */
final class Qwen35Heads extends DeltaHeads {
  private static final float BETA_MAX = 1f;

  private final float eps;

  /** Outputs of the delta rule, [N, h·V]. */
  private final Tensor raw;

  private final Tensor rawRstd;
  private final Tensor normed;
  private final Tensor outputs;

  /**
   * @param concatenation where the outputs go, [N, h·V]
   */
  Qwen35Heads(PassSpec spec, int layer, Buffers buffers, Inputs in, Tensor concatenation) {
    super(
        spec,
        layer,
        buffers,
        in,
        shape(spec),
        spec.config().deltaNet().convKernel(),
        Activation.SILU,
        spec.config().deltaNet().keyHeads(),
        BETA_MAX);
    eps = spec.config().rmsNormEps();
    long n = spec.rows();
    long width = spec.config().deltaNet().valueWidth();
    raw = buffers.elements(n, width);
    rawRstd = spec.training() ? buffers.f32(n * shape.heads()) : null;
    normed = buffers.elements(n, width);
    outputs = concatenation;
  }

  private static GatedDeltaRule.Shape shape(PassSpec spec) {
    DeltaNetConfig c = spec.config().deltaNet();
    return new GatedDeltaRule.Shape(
        spec.batch(), spec.tokens(), c.valueHeads(), c.keyDim(), c.valueDim());
  }

  @Override
  Tensor out() {
    return outputs;
  }

  /** Rows [N, h·d] as [N·h, d]. */
  private static Tensor each(Tensor rows, int dim) {
    return rows.view(rows.size() / dim, dim);
  }

  @Override
  void forward(Weights w, Position at, LayerCache cache) {
    convolve(w, cache);
    int d = shape.keyDim();
    ops.l2Norm().forward(each(qs.out, d), L2_EPS, each(q, d), qNorms);
    ops.l2Norm().forward(each(ks.out, d), L2_EPS, each(k, d), kNorms);
    mix(w, at, cache, raw);
    int v = shape.valueDim();
    ops.rmsNorm().forward(each(raw, v), w.outNorm(), eps, each(normed, v), rawRstd);
    ops.swiGlu().forward(in.z(), normed, outputs);
  }

  @Override
  LinearHeads.Gradients gradients(Buffers b, Inputs in, Tensor dConcatenation) {
    return new Gradients(this, b, in, dConcatenation);
  }

  private static final class Gradients extends DeltaHeads.Gradients {
    private final Tensor dNormed;
    private final Tensor dRaw;
    private final Tensor dq;
    private final Tensor dk;

    Gradients(Qwen35Heads l, Buffers b, Inputs in, Tensor dConcatenation) {
      super(
          l,
          b,
          dConcatenation,
          in,
          b.elements(l.q.shape()),
          b.elements(l.k.shape()),
          b.elements(l.vs.out.shape()));
      dNormed = b.elements(l.normed.shape());
      dRaw = b.elements(l.raw.shape());
      dq = b.elements(l.qs.out.shape());
      dk = b.elements(l.ks.out.shape());
    }
  }

  @Override
  void backward(Weights w, Weights dw, Position at, LinearHeads.Gradients gradients) {
    Gradients g = (Gradients) gradients;
    int v = shape.valueDim();
    ops.swiGlu().backward(in.z(), normed, g.dOut, g.in.z(), g.dNormed);
    ops.rmsNorm()
        .backward(
            each(raw, v),
            w.outNorm(),
            rawRstd,
            each(g.dNormed, v),
            each(g.dRaw, v),
            false,
            dw.outNorm());
    mixBackward(g, g.dRaw);
    int d = shape.keyDim();
    ops.l2Norm().backward(each(q, d), qNorms, each(g.mixed.q(), d), each(g.dq, d));
    ops.l2Norm().backward(each(k, d), kNorms, each(g.mixed.k(), d), each(g.dk, d));
    convolveBackward(w, dw, g, g.dq, g.dk, g.mixed.v());
    decayBackward(w, dw, g);
  }
}
