package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.tensor.Tensor;

/**
 * The linear-attention heads of one layer (Gated DeltaNet), from projections to outputs: optional
 * short convolution, per-head RMSNorm of q and k, rotary, L2 norm, decay and write strength, delta
 * rule. N = B·T rows, h linear heads, d head dim.
 */
final class LinearHeads {
  private static final float L2_EPS = 1e-6f;

  /** Parameters besides the projections, or their gradients; convolutions may be null. */
  record Weights(
      Tensor qConv,
      Tensor kConv,
      Tensor vConv,
      Tensor qNorm,
      Tensor kNorm,
      Tensor aLog,
      Tensor dtBias) {

    static Weights of(ParameterStore s, int layer, Style style) {
      String p = ParameterShapes.attention(layer) + "linear_";
      boolean conv = style.convKernel() > 0;
      return new Weights(
          conv ? s.get(p + "q_conv.weight") : null,
          conv ? s.get(p + "k_conv.weight") : null,
          conv ? s.get(p + "v_conv.weight") : null,
          s.get(p + "q_norm.weight"),
          s.get(p + "k_norm.weight"),
          s.get(p + "A_log"),
          s.get(p + "dt_bias"));
    }
  }

  /** Projections of the normed input, or their gradients; z is null without a gate. */
  record Inputs(Tensor q, Tensor k, Tensor v, Tensor z, Tensor a, Tensor b) {}

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

  final int[] heads;
  private final Ops ops;
  private final Style style;
  private final int batch;
  private final int tokens;
  private final GatedDeltaRule.Shape shape;
  private final HeadPrep.Shape prep;
  private final Inputs in;
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

  /** Outputs [N, h·d]. */
  final Tensor out;

  LinearHeads(PassSpec spec, int layer, Buffers buffers, Inputs in) {
    this.in = in;
    ops = spec.ops();
    ModelConfig config = spec.config();
    style = spec.style();
    batch = spec.batch();
    tokens = spec.tokens();
    heads = spec.plan().linearHeads(layer);
    int n = spec.rows();
    int d = config.headDim();
    int h = heads.length;
    long width = (long) h * d;
    boolean training = spec.training();
    shape = new GatedDeltaRule.Shape(batch, tokens, h, d, d);
    prep = new HeadPrep.Shape(tokens, h, d, config.rmsNormEps(), L2_EPS);
    qs = new Convolution(spec, buffers, in.q, width);
    ks = new Convolution(spec, buffers, in.k, width);
    vs = new Convolution(spec, buffers, in.v, width);
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
    out = buffers.elements(n, width);
    mixed = new GatedDeltaRule.Inputs(q, k, vs.out, g, beta);
  }

  /** Gate pre-activations [N, h·d], or null. */
  Tensor z() {
    return in.z;
  }

  /** Fills {@link #out}. */
  void forward(Weights w, Position at, LayerCache cache) {
    qs.forward(w.qConv, cache == null ? null : cache.qHistory);
    ks.forward(w.kConv, cache == null ? null : cache.kHistory);
    vs.forward(w.vConv, cache == null ? null : cache.vHistory);
    ops.headPrep().forward(prep, qs.out, w.qNorm, at.linear(), q, qRstd, qNorms);
    ops.headPrep().forward(prep, ks.out, w.kNorm, at.linear(), k, kRstd, kNorms);
    ops.decay().forward(in.a, in.b, w.aLog, w.dtBias, style.betaMax(), g, beta);
    if (cache == null) {
      state.fill(0f);
      ops.deltaRule().forward(shape, mixed, 0, state, out, saved);
    } else if (tokens == 1 && !ops.deterministic()) {
      ops.deltaRule().step(shape, mixed, cache.state, out);
    } else {
      ops.deltaRule().forward(shape, mixed, at.start(), cache.state, out, null);
    }
  }

  /** Gradient buffers, which layers may share. */
  static final class Gradients {
    private final Inputs in;
    private final Tensor dState;
    private final GatedDeltaRule.Inputs mixed;

    /** Gradient of the outputs, to be filled before {@link LinearHeads#backward}. */
    final Tensor dOut;

    Gradients(LinearHeads l, Buffers b, Inputs in) {
      this.in = in;
      dOut = b.elements(l.out.shape());
      dState = b.f32(l.state.shape());
      boolean conv = l.style.convKernel() > 0;
      mixed =
          new GatedDeltaRule.Inputs(
              !conv && in.q.contiguous() ? in.q : b.elements(l.out.shape()),
              !conv && in.k.contiguous() ? in.k : b.elements(l.out.shape()),
              conv ? b.elements(l.out.shape()) : in.v,
              b.f32(l.g.shape()),
              b.f32(l.g.shape()));
    }

    /** Gradient of the gate, to be filled before the projections' backward pass; or null. */
    Tensor dZ() {
      return in.z;
    }
  }

  /** From the gradient of {@link #out} to those of the projections and parameters. */
  void backward(Weights w, Weights dw, Position at, Gradients g) {
    g.dState.fill(0f);
    ops.deltaRule().backward(shape, mixed, saved, g.dOut, g.dState, g.mixed);
    normed(qs, w.qNorm, at, q, qRstd, qNorms, g.mixed.q(), w.qConv, g.in.q, dw.qNorm);
    normed(ks, w.kNorm, at, k, kRstd, kNorms, g.mixed.k(), w.kConv, g.in.k, dw.kNorm);
    qs.backward(w.qConv, g.mixed.q(), g.in.q, dw.qConv);
    ks.backward(w.kConv, g.mixed.k(), g.in.k, dw.kConv);
    vs.backward(w.vConv, g.mixed.v(), g.in.v, dw.vConv);
    ops.decay()
        .backward(
            in.a,
            in.b,
            w.aLog,
            w.dtBias,
            style.betaMax(),
            g.mixed.g(),
            g.mixed.beta(),
            g.in.a,
            g.in.b,
            dw.aLog,
            dw.dtBias);
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
