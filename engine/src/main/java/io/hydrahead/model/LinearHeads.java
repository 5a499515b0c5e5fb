package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.tensor.Tensor;

/**
 * The linear-attention heads of one layer (Gated DeltaNet): projections, optional short
 * convolution, per-head RMSNorm of q and k, rotary, L2 norm, decay and write strength, delta rule.
 * N = B·T rows, h linear heads, d head dim, D width.
 */
final class LinearHeads {
  private static final float L2_EPS = 1e-6f;

  /**
   * Parameters, or their gradients; z is null without a gate, the convolutions when they are off.
   */
  record Weights(
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor qConv,
      Tensor kConv,
      Tensor vConv,
      Tensor qNorm,
      Tensor kNorm,
      Tensor z,
      Tensor a,
      Tensor b,
      Tensor aLog,
      Tensor dtBias) {

    static Weights of(ParameterStore s, int layer, Style style) {
      String p = ParameterShapes.attention(layer) + "linear_";
      boolean conv = style.convKernel() > 0;
      return new Weights(
          s.get(p + "q_proj.weight"),
          s.get(p + "k_proj.weight"),
          s.get(p + "v_proj.weight"),
          conv ? s.get(p + "q_conv.weight") : null,
          conv ? s.get(p + "k_conv.weight") : null,
          conv ? s.get(p + "v_conv.weight") : null,
          s.get(p + "q_norm.weight"),
          s.get(p + "k_norm.weight"),
          style.gate() ? s.get(p + "z_proj.weight") : null,
          s.get(p + "a_proj.weight"),
          s.get(p + "b_proj.weight"),
          s.get(p + "A_log"),
          s.get(p + "dt_bias"));
    }
  }

  /** One of q, k and v on its way from the projection: before and after the convolution. */
  private static final class Stream {
    final Tensor projected;
    final Tensor raw;
    final Tensor zeroHistory;

    Stream(PassSpec spec, Buffers buffers, long width) {
      projected = buffers.f32(spec.rows(), width);
      boolean conv = spec.style().convKernel() > 0;
      raw = conv ? buffers.f32(spec.rows(), width) : projected;
      zeroHistory =
          conv && spec.training()
              ? buffers.f32(spec.batch(), spec.style().convKernel() - 1, width)
              : null;
    }
  }

  final int[] heads;
  private final Ops ops;
  private final ModelConfig config;
  private final Style style;
  private final int batch;
  private final int tokens;
  private final GatedDeltaRule.Shape shape;
  private final Stream qs;
  private final Stream ks;
  private final Stream vs;
  private final Tensor q;
  private final Tensor k;
  private final Tensor qRstd;
  private final Tensor kRstd;
  private final Tensor qNorms;
  private final Tensor kNorms;
  private final Tensor a;
  private final Tensor b;
  private final Tensor g;
  private final Tensor beta;
  private final Tensor saved;
  private final Tensor trainingState;
  private final GatedDeltaRule.Inputs inputs;

  /** Gate pre-activations [N, h·d], or null. */
  final Tensor z;

  /** Outputs [N, h·d]. */
  final Tensor out;

  private final Tensor qHeads;
  private final Tensor kHeads;
  private final Tensor qRawHeads;
  private final Tensor kRawHeads;

  LinearHeads(PassSpec spec, int layer, Buffers buffers) {
    ops = spec.ops();
    config = spec.config();
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
    qs = new Stream(spec, buffers, width);
    ks = new Stream(spec, buffers, width);
    vs = new Stream(spec, buffers, width);
    q = buffers.f32(n, width);
    k = buffers.f32(n, width);
    qRstd = training ? buffers.f32((long) n * h) : null;
    kRstd = training ? buffers.f32((long) n * h) : null;
    qNorms = training ? buffers.f32((long) n * h) : null;
    kNorms = training ? buffers.f32((long) n * h) : null;
    a = buffers.f32(n, h);
    b = buffers.f32(n, h);
    g = buffers.f32(n, h);
    beta = buffers.f32(n, h);
    saved = training ? buffers.f32(ops.deltaRule().savedFloats(shape)) : null;
    trainingState = training ? buffers.f32(batch, h, d, d) : null;
    z = style.gate() ? buffers.f32(n, width) : null;
    out = buffers.f32(n, width);
    inputs = new GatedDeltaRule.Inputs(q, k, vs.raw, g, beta);
    qHeads = q.view((long) n * h, d);
    kHeads = k.view((long) n * h, d);
    qRawHeads = qs.raw.view((long) n * h, d);
    kRawHeads = ks.raw.view((long) n * h, d);
  }

  /** Fills {@link #out} and {@link #z} from the normed input x [N, D]. */
  void forward(Tensor x, Weights w, Position at, LayerCache cache) {
    project(x, w.q, w.qConv, qs, cache == null ? null : cache.qHistory);
    project(x, w.k, w.kConv, ks, cache == null ? null : cache.kHistory);
    project(x, w.v, w.vConv, vs, cache == null ? null : cache.vHistory);
    ops.rmsNorm().forward(qRawHeads, w.qNorm, config.rmsNormEps(), qHeads, qRstd);
    ops.rmsNorm().forward(kRawHeads, w.kNorm, config.rmsNormEps(), kHeads, kRstd);
    if (style.linearRotary()) {
      ops.rotary().apply(q, tokens, heads.length, config.headDim(), at.cos(), at.sin(), false);
      ops.rotary().apply(k, tokens, heads.length, config.headDim(), at.cos(), at.sin(), false);
    }
    ops.l2Norm().forward(qHeads, L2_EPS, qHeads, qNorms);
    ops.l2Norm().forward(kHeads, L2_EPS, kHeads, kNorms);
    ops.linear().forward(x, w.a, a, false);
    ops.linear().forward(x, w.b, b, false);
    ops.decay().forward(a, b, w.aLog, w.dtBias, style.betaMax(), g, beta);
    if (cache == null) {
      trainingState.fill(0f);
      ops.deltaRule().forward(shape, inputs, 0, trainingState, out, saved);
    } else if (tokens == 1 && !ops.deterministic()) {
      ops.deltaRule().step(shape, inputs, cache.state, out);
    } else {
      ops.deltaRule().forward(shape, inputs, at.start(), cache.state, out, null);
    }
    if (z != null) {
      ops.linear().forward(x, w.z, z, false);
    }
  }

  private void project(Tensor x, Tensor w, Tensor conv, Stream s, Tensor history) {
    ops.linear().forward(x, w, s.projected, false);
    if (conv != null) {
      Tensor state = history;
      if (state == null) {
        state = s.zeroHistory;
        state.fill(0f);
      }
      ops.conv().forward(batch, tokens, s.projected, conv, state, s.raw);
    }
  }

  /** Gradient buffers, which layers may share. */
  static final class Gradients {
    final Tensor dOut;
    final Tensor dZ;
    private final Tensor dq;
    private final Tensor dk;
    private final Tensor dv;
    private final Tensor dRaw;
    private final Tensor dProjected;
    private final Tensor dg;
    private final Tensor dBeta;
    private final Tensor da;
    private final Tensor db;
    private final Tensor dState;
    private final GatedDeltaRule.Inputs inputs;

    Gradients(LinearHeads l, Buffers buffers) {
      dOut = buffers.f32(l.out.shape());
      dZ = l.z != null ? buffers.f32(l.out.shape()) : null;
      dq = buffers.f32(l.out.shape());
      dk = buffers.f32(l.out.shape());
      dv = buffers.f32(l.out.shape());
      dRaw = buffers.f32(l.out.shape());
      dProjected = l.style.convKernel() > 0 ? buffers.f32(l.out.shape()) : null;
      dg = buffers.f32(l.g.shape());
      dBeta = buffers.f32(l.g.shape());
      da = buffers.f32(l.g.shape());
      db = buffers.f32(l.g.shape());
      dState = buffers.f32(l.trainingState.shape());
      inputs = new GatedDeltaRule.Inputs(dq, dk, dv, dg, dBeta);
    }
  }

  /**
   * From gradients of out and z to those of the parameters and, unless dx is null, of x: assigned,
   * or added to when {@code accumulate}.
   */
  void backward(
      Tensor x, Weights w, Weights dw, Position at, Gradients g, Tensor dx, boolean accumulate) {
    g.dState.fill(0f);
    ops.deltaRule().backward(shape, inputs, saved, g.dOut, g.dState, g.inputs);
    normed(g.dq, g.dRaw, qHeads, qRawHeads, qNorms, qRstd, w.qNorm, dw.qNorm, at);
    unproject(g, g.dRaw, x, qs, w.q, dw.q, w.qConv, dw.qConv, dx, accumulate);
    normed(g.dk, g.dRaw, kHeads, kRawHeads, kNorms, kRstd, w.kNorm, dw.kNorm, at);
    unproject(g, g.dRaw, x, ks, w.k, dw.k, w.kConv, dw.kConv, dx, true);
    unproject(g, g.dv, x, vs, w.v, dw.v, w.vConv, dw.vConv, dx, true);
    ops.decay()
        .backward(
            a, b, w.aLog, w.dtBias, style.betaMax(), g.dg, g.dBeta, g.da, g.db, dw.aLog, dw.dtBias);
    linear(g.da, x, w.a, dw.a, dx, true);
    linear(g.db, x, w.b, dw.b, dx, true);
    if (z != null) {
      linear(g.dZ, x, w.z, dw.z, dx, true);
    }
  }

  private void normed(
      Tensor dy,
      Tensor dRaw,
      Tensor y,
      Tensor raw,
      Tensor norms,
      Tensor rstd,
      Tensor w,
      Tensor dw,
      Position at) {
    Tensor dHeads = dy.view(y.shape());
    ops.l2Norm().backward(y, norms, dHeads, dHeads);
    if (style.linearRotary()) {
      ops.rotary().apply(dy, tokens, heads.length, config.headDim(), at.cos(), at.sin(), true);
    }
    ops.rmsNorm().backward(raw, w, rstd, dHeads, dRaw.view(y.shape()), false, dw);
  }

  private void unproject(
      Gradients g,
      Tensor dRaw,
      Tensor x,
      Stream s,
      Tensor w,
      Tensor dw,
      Tensor conv,
      Tensor dConv,
      Tensor dx,
      boolean accumulate) {
    Tensor dy = dRaw;
    if (conv != null) {
      ops.conv().backward(batch, tokens, s.projected, conv, dRaw, g.dProjected, dConv);
      dy = g.dProjected;
    }
    linear(dy, x, w, dw, dx, accumulate);
  }

  private void linear(Tensor dy, Tensor x, Tensor w, Tensor dw, Tensor dx, boolean accumulate) {
    ops.linear().backwardWeight(dy, x, dw);
    if (dx != null) {
      ops.linear().backwardInput(dy, w, dx, accumulate);
    }
  }
}
