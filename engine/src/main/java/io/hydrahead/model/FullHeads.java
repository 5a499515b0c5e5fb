package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.tensor.Tensor;

/**
 * The full-attention heads of one layer: projections, per-head RMSNorm, rotary (or none), causal
 * attention. N = B·T rows, h full heads, g kept KV heads, d head dim, D width.
 */
final class FullHeads {
  /** Parameters, or their gradients; z and zBias are null without a gate. */
  record Weights(Tensor q, Tensor k, Tensor v, Tensor qNorm, Tensor kNorm, Tensor z, Tensor zBias) {

    static Weights of(ParameterStore s, int layer, boolean gate) {
      String p = ParameterShapes.attention(layer);
      return new Weights(
          s.get(p + "q_proj.weight"),
          s.get(p + "k_proj.weight"),
          s.get(p + "v_proj.weight"),
          s.get(p + "q_norm.weight"),
          s.get(p + "k_norm.weight"),
          gate ? s.get(p + "z_proj.weight") : null,
          gate ? s.get(p + "z_proj.bias") : null);
    }
  }

  final int[] heads;
  final int[] keptKvHeads;
  private final int[] kvOf;
  private final Ops ops;
  private final ModelConfig config;
  private final Style style;
  private final int tokens;
  private final CausalAttention.Shape shape;

  private final Tensor qRaw;
  private final Tensor kRaw;
  private final Tensor v;
  private final Tensor q;
  private final Tensor k;
  private final Tensor qRstd;
  private final Tensor kRstd;
  private final Tensor lse;

  /** Gate pre-activations [N, h·d], or null. */
  final Tensor z;

  /** Outputs [N, h·d]: given, or the layer's concatenation when nothing follows but W_o. */
  final Tensor out;

  private final Tensor qHeads;
  private final Tensor kHeads;
  private final Tensor qRawHeads;
  private final Tensor kRawHeads;

  FullHeads(PassSpec spec, int layer, Buffers buffers, Tensor concatenation) {
    ops = spec.ops();
    config = spec.config();
    style = spec.style();
    tokens = spec.tokens();
    heads = spec.plan().fullHeads(layer);
    keptKvHeads = spec.plan().keptKvHeads(layer, config.kvHeads());
    kvOf = new int[heads.length];
    for (int i = 0; i < heads.length; i++) {
      kvOf[i] = java.util.Arrays.binarySearch(keptKvHeads, heads[i] / config.group());
    }
    int n = spec.rows();
    int d = config.headDim();
    int h = heads.length;
    int g = keptKvHeads.length;
    shape = new CausalAttention.Shape(spec.batch(), tokens, h, g, d, (float) (1 / Math.sqrt(d)));
    qRaw = buffers.f32(n, (long) h * d);
    kRaw = buffers.f32(n, (long) g * d);
    v = buffers.f32(n, (long) g * d);
    q = buffers.f32(n, (long) h * d);
    k = buffers.f32(n, (long) g * d);
    boolean training = spec.training();
    qRstd = training ? buffers.f32((long) n * h) : null;
    kRstd = training ? buffers.f32((long) n * g) : null;
    lse = training ? buffers.f32(spec.batch(), h, tokens) : null;
    z = style.gate() ? buffers.f32(n, (long) h * d) : null;
    out = concatenation != null ? concatenation : buffers.f32(n, (long) h * d);
    qHeads = q.view((long) n * h, d);
    kHeads = k.view((long) n * g, d);
    qRawHeads = qRaw.view((long) n * h, d);
    kRawHeads = kRaw.view((long) n * g, d);
  }

  /** Fills {@link #out} and {@link #z} from the normed input x [N, D]. */
  void forward(Tensor x, Weights w, Position at, LayerCache cache, HeadTap tap, int layer) {
    ops.linear().forward(x, w.q, qRaw, false);
    ops.linear().forward(x, w.k, kRaw, false);
    ops.linear().forward(x, w.v, v, false);
    ops.rmsNorm().forward(qRawHeads, w.qNorm, config.rmsNormEps(), qHeads, qRstd);
    ops.rmsNorm().forward(kRawHeads, w.kNorm, config.rmsNormEps(), kHeads, kRstd);
    if (style.fullRotary()) {
      ops.rotary().apply(q, tokens, heads.length, config.headDim(), at.cos(), at.sin(), false);
      ops.rotary()
          .apply(k, tokens, keptKvHeads.length, config.headDim(), at.cos(), at.sin(), false);
    }
    tap.queriesAndKeys(layer, q, k);
    if (cache == null) {
      ops.attention().forward(shape, kvOf, 0, q, k, v, out, lse);
    } else {
      if (style.lengthScale() == Style.LengthScale.LOG) {
        scaleByLength(at.start());
      }
      cache.append(k, v, at.start(), tokens);
      ops.attention().forward(shape, kvOf, at.start(), q, cache.keys, cache.values, out, null);
    }
    if (z != null) {
      ops.linear().forward(x, w.z, z, false);
    }
  }

  /** q_t ← s_t q_t with s_t = log_a(t + a), t absolute and 1-based (HypeNet, arXiv:2601.22156). */
  private void scaleByLength(int start) {
    long row = q.dim(1);
    for (int t = 0; t < tokens; t++) {
      float s =
          (float) (Math.log(start + t + 1 + style.logScaleBase()) / Math.log(style.logScaleBase()));
      for (long i = t * row; i < (t + 1) * row; i++) {
        q.set(i, q.get(i) * s);
      }
    }
  }

  /** Gradient buffers, which layers may share. */
  static final class Gradients {
    final Tensor dOut;
    final Tensor dZ;
    private final Tensor dq;
    private final Tensor dk;
    private final Tensor dv;
    private final Tensor dqRaw;
    private final Tensor dkRaw;

    Gradients(FullHeads f, Buffers b, Tensor concatenation) {
      dOut = concatenation != null ? concatenation : b.f32(f.q.shape());
      dZ = f.z != null ? b.f32(f.q.shape()) : null;
      dq = b.f32(f.q.shape());
      dk = b.f32(f.k.shape());
      dv = b.f32(f.k.shape());
      dqRaw = b.f32(f.q.shape());
      dkRaw = b.f32(f.k.shape());
    }
  }

  /** From gradients of out and z to those of the parameters and (assigned, unless null) of x. */
  void backward(Tensor x, Weights w, Weights dw, Position at, Gradients g, Tensor dx) {
    int d = config.headDim();
    ops.attention().backward(shape, kvOf, q, k, v, out, lse, g.dOut, g.dq, g.dk, g.dv);
    if (style.fullRotary()) {
      ops.rotary().apply(g.dq, tokens, heads.length, d, at.cos(), at.sin(), true);
      ops.rotary().apply(g.dk, tokens, keptKvHeads.length, d, at.cos(), at.sin(), true);
    }
    ops.rmsNorm()
        .backward(
            qRawHeads,
            w.qNorm,
            qRstd,
            g.dq.view(qHeads.shape()),
            g.dqRaw.view(qHeads.shape()),
            false,
            dw.qNorm);
    ops.rmsNorm()
        .backward(
            kRawHeads,
            w.kNorm,
            kRstd,
            g.dk.view(kHeads.shape()),
            g.dkRaw.view(kHeads.shape()),
            false,
            dw.kNorm);
    project(g.dqRaw, x, w.q, dw.q, dx, false);
    project(g.dkRaw, x, w.k, dw.k, dx, true);
    project(g.dv, x, w.v, dw.v, dx, true);
    if (z != null) {
      project(g.dZ, x, w.z, dw.z, dx, true);
    }
  }

  private void project(Tensor dy, Tensor x, Tensor w, Tensor dw, Tensor dx, boolean accumulate) {
    ops.linear().backwardWeight(dy, x, dw);
    if (dx != null) {
      ops.linear().backwardInput(dy, w, dx, accumulate);
    }
  }
}
