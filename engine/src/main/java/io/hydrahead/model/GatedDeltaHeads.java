package io.hydrahead.model;

import io.hydrahead.ops.conv.ShortConv.Activation;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.tensor.Tensor;

/**
 * The linear heads of one layer as Gated DeltaNet, from projections to outputs: optional short
 * convolution, per-head RMSNorm of q and k, rotary, L2 norm, decay and write strength, delta rule.
 * N = B·T rows, h linear heads, d head dim.
 */
final class GatedDeltaHeads extends DeltaHeads {
  private final boolean convolved;
  private final HeadPrep.Shape prep;
  private final Tensor qRstd;
  private final Tensor kRstd;
  private final Tensor outputs;

  GatedDeltaHeads(PassSpec spec, int layer, Buffers buffers, Inputs in) {
    super(
        spec,
        layer,
        buffers,
        in,
        shape(spec, layer),
        spec.style().convKernel(),
        Activation.NONE,
        spec.plan().linearHeads(layer).length,
        spec.style().betaMax());
    convolved = spec.style().convKernel() > 0;
    int h = shape.heads();
    int d = shape.keyDim();
    prep = new HeadPrep.Shape(spec.tokens(), h, d, spec.config().rmsNormEps(), L2_EPS);
    long n = spec.rows();
    qRstd = spec.training() ? buffers.f32(n * h) : null;
    kRstd = spec.training() ? buffers.f32(n * h) : null;
    outputs = buffers.elements(n, (long) h * d);
  }

  private static GatedDeltaRule.Shape shape(PassSpec spec, int layer) {
    int d = spec.config().headDim();
    return new GatedDeltaRule.Shape(
        spec.batch(), spec.tokens(), spec.plan().linearHeads(layer).length, d, d);
  }

  @Override
  Tensor out() {
    return outputs;
  }

  @Override
  void forward(Weights w, Position at, LayerCache cache) {
    convolve(w, cache);
    ops.headPrep().forward(prep, qs.out, w.norms().q(), at.linear(), q, qRstd, qNorms);
    ops.headPrep().forward(prep, ks.out, w.norms().k(), at.linear(), k, kRstd, kNorms);
    mix(w, at, cache, outputs);
  }

  @Override
  LinearHeads.Gradients gradients(Buffers b, Inputs in, Tensor dConcatenation) {
    return new Gradients(this, b, in);
  }

  private static final class Gradients extends DeltaHeads.Gradients {
    Gradients(GatedDeltaHeads l, Buffers b, Inputs in) {
      super(
          l,
          b,
          b.elements(l.outputs.shape()),
          in,
          l.into(in.q(), b),
          l.into(in.k(), b),
          l.convolved ? b.elements(l.outputs.shape()) : in.v());
    }
  }

  /**
   * The projection's gradient itself, where nothing stands between and the kernels can write it.
   */
  private Tensor into(Tensor projection, Buffers b) {
    return !convolved && projection.contiguous() ? projection : b.elements(outputs.shape());
  }

  @Override
  void backward(Weights w, Weights dw, Position at, LinearHeads.Gradients gradients) {
    Gradients g = (Gradients) gradients;
    mixBackward(g, g.dOut);
    normed(
        qs, w.norms().q(), at, q, qRstd, qNorms, g.mixed.q(), w.qConv(), g.in.q(), dw.norms().q());
    normed(
        ks, w.norms().k(), at, k, kRstd, kNorms, g.mixed.k(), w.kConv(), g.in.k(), dw.norms().k());
    convolveBackward(w, dw, g, g.mixed.q(), g.mixed.k(), g.mixed.v());
    decayBackward(w, dw, g);
  }

  /** Back through norms and rotary: into the projection's gradient, or in place before a conv. */
  private void normed(
      Convolution c,
      Tensor w,
      Position at,
      Tensor y,
      Tensor rstd,
      Tensor norms,
      Tensor dy,
      Tensor conv,
      Tensor dIn,
      Tensor dw) {
    Tensor dx = conv == null ? dIn : dy;
    ops.headPrep().backward(prep, c.out, w, at.linear(), y, rstd, norms, dy, dx, dw);
  }
}
