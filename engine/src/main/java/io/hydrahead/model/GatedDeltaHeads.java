package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.conv.ShortConv.Activation;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.tensor.Tensor;

/**
 * The linear heads of one layer as Gated DeltaNet, from projections to outputs: optional short
 * convolution, per-head RMSNorm of q and k, rotary, L2 norm, decay and write strength, delta rule.
 * N = B·T rows, h linear heads, d head dim.
 */
final class GatedDeltaHeads extends LinearHeads {
  private static final float L2_EPS = 1e-6f;

  /** The short convolution of q, k or v; without one, the projection itself. */
  private final class Convolution {
    final Tensor in;
    final Tensor out;
    private final Tensor zeroHistory;

    Convolution(PassSpec spec, Buffers buffers, Tensor projected, long width) {
      in = projected;
      int taps = style.convKernel();
      out = taps > 0 ? buffers.elements(spec.rows(), width) : projected;
      zeroHistory = taps > 0 && !spec.cached() ? buffers.f32(batch, taps - 1, width) : null;
    }

    void forward(Tensor w, Tensor history) {
      if (w == null) {
        return;
      }
      if (history == null) {
        zeroHistory.fill(0f);
      }
      ops.conv().forward(batch, tokens, in, w, history == null ? zeroHistory : history, out);
    }

    void backward(Tensor w, Tensor dOut, Tensor dIn, Tensor dw) {
      if (w != null) {
        ops.conv().backward(batch, tokens, in, w, dOut, dIn, dw);
      }
    }
  }

  private final Ops ops;
  private final Style style;
  private final int batch;
  private final int tokens;
  private final GatedDeltaRule.Shape shape;
  private final HeadPrep.Shape prep;
  private final Convolution qs;
  private final Convolution ks;
  private final Convolution vs;
  private final Tensor q;
  private final Tensor k;
  private final Tensor qRstd;
  private final Tensor kRstd;
  private final Tensor qNorms;
  private final Tensor kNorms;
  private final Tensor g;
  private final Tensor beta;
  private final Tensor saved;

  /** Of a pass without caches: [B, h, d, d]. */
  private final Tensor state;

  private final GatedDeltaRule.Inputs mixed;
  private final Tensor outputs;

  GatedDeltaHeads(PassSpec spec, int layer, Buffers buffers, Inputs in) {
    super(spec.plan().linearHeads(layer), in);
    ops = spec.ops();
    ModelConfig config = spec.config();
    style = spec.style();
    batch = spec.batch();
    tokens = spec.tokens();
    int n = spec.rows();
    int d = config.headDim();
    int h = heads.length;
    long width = (long) h * d;
    boolean training = spec.training();
    shape = new GatedDeltaRule.Shape(batch, tokens, h, d, d);
    prep = new HeadPrep.Shape(tokens, h, d, config.rmsNormEps(), L2_EPS);
    qs = new Convolution(spec, buffers, in.q(), width);
    ks = new Convolution(spec, buffers, in.k(), width);
    vs = new Convolution(spec, buffers, in.v(), width);
    q = buffers.elements(n, width);
    k = buffers.elements(n, width);
    qRstd = training ? buffers.f32((long) n * h) : null;
    kRstd = training ? buffers.f32((long) n * h) : null;
    qNorms = training ? buffers.f32((long) n * h) : null;
    kNorms = training ? buffers.f32((long) n * h) : null;
    g = buffers.f32(n, h);
    beta = buffers.f32(n, h);
    saved = training ? buffers.f32(ops.deltaRule().savedFloats(shape)) : null;
    state = spec.cached() ? null : buffers.f32(batch, h, d, d);
    outputs = buffers.elements(n, width);
    mixed = new GatedDeltaRule.Inputs(q, k, vs.out, g, beta);
  }

  @Override
  Tensor out() {
    return outputs;
  }

  @Override
  void forward(Weights w, Position at, LayerCache cache) {
    PooledLayer pooled = cache == null ? null : cache.pooled;
    if (pooled == null) {
      qs.forward(w.qConv(), cache == null ? null : cache.qHistory);
      ks.forward(w.kConv(), cache == null ? null : cache.kHistory);
      vs.forward(w.vConv(), cache == null ? null : cache.vHistory);
    } else if (w.qConv() != null) {
      pooled.convolve(PooledLayer.Line.Q, qs.in, w.qConv(), Activation.NONE, qs.out);
      pooled.convolve(PooledLayer.Line.K, ks.in, w.kConv(), Activation.NONE, ks.out);
      pooled.convolve(PooledLayer.Line.V, vs.in, w.vConv(), Activation.NONE, vs.out);
    }
    ops.headPrep().forward(prep, qs.out, w.norms().q(), at.linear(), q, qRstd, qNorms);
    ops.headPrep().forward(prep, ks.out, w.norms().k(), at.linear(), k, kRstd, kNorms);
    if (pooled == null) {
      ops.decay().forward(in.a(), in.b(), w.aLog(), w.dtBias(), style.betaMax(), g, beta);
    } else {
      pooled.decay(in, w, style.betaMax(), g, beta);
    }
    if (cache == null) {
      state.fill(0f);
      ops.deltaRule().forward(shape, mixed, 0, state, outputs, saved);
    } else if (pooled != null) {
      pooled.advance(shape, mixed, outputs);
    } else if (tokens == 1 && !ops.deterministic()) {
      ops.deltaRule().step(shape, mixed, cache.state, outputs);
    } else {
      ops.deltaRule().forward(shape, mixed, at.start(), cache.state, outputs, null);
    }
  }

  @Override
  LinearHeads.Gradients gradients(Buffers b, Inputs in, Tensor dConcatenation) {
    return new Gradients(this, b, in);
  }

  private static final class Gradients extends LinearHeads.Gradients {
    private final Tensor dState;
    private final GatedDeltaRule.Inputs mixed;

    Gradients(GatedDeltaHeads l, Buffers b, Inputs in) {
      super(b.elements(l.outputs.shape()), in);
      dState = b.f32(l.state.shape());
      boolean conv = l.style.convKernel() > 0;
      long[] shape = l.outputs.shape();
      mixed =
          new GatedDeltaRule.Inputs(
              !conv && in.q().contiguous() ? in.q() : b.elements(shape),
              !conv && in.k().contiguous() ? in.k() : b.elements(shape),
              conv ? b.elements(shape) : in.v(),
              b.f32(l.g.shape()),
              b.f32(l.g.shape()));
    }
  }

  @Override
  void backward(Weights w, Weights dw, Position at, LinearHeads.Gradients gradients) {
    Gradients g = (Gradients) gradients;
    g.dState.fill(0f);
    ops.deltaRule().backward(shape, mixed, saved, g.dOut, g.dState, g.mixed);
    normed(
        qs, w.norms().q(), at, q, qRstd, qNorms, g.mixed.q(), w.qConv(), g.in.q(), dw.norms().q());
    normed(
        ks, w.norms().k(), at, k, kRstd, kNorms, g.mixed.k(), w.kConv(), g.in.k(), dw.norms().k());
    qs.backward(w.qConv(), g.mixed.q(), g.in.q(), dw.qConv());
    ks.backward(w.kConv(), g.mixed.k(), g.in.k(), dw.kConv());
    vs.backward(w.vConv(), g.mixed.v(), g.in.v(), dw.vConv());
    ops.decay()
        .backward(
            in.a(),
            in.b(),
            w.aLog(),
            w.dtBias(),
            style.betaMax(),
            g.mixed.g(),
            g.mixed.beta(),
            g.in.a(),
            g.in.b(),
            dw.aLog(),
            dw.dtBias());
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
