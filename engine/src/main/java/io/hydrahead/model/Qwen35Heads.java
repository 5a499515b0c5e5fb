package io.hydrahead.model;

import io.hydrahead.ops.Ops;
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
final class Qwen35Heads extends LinearHeads {
  private static final float L2_EPS = 1e-6f;
  private static final float BETA_MAX = 1f;

  /** A projection behind its short convolution. */
  private final class Convolution {
    final Tensor in;
    final Tensor out;
    private final Tensor zeroHistory;

    Convolution(PassSpec spec, Buffers buffers, Tensor projected) {
      in = projected;
      long width = in.dim(1);
      int taps = spec.config().deltaNet().convKernel();
      out = buffers.elements(spec.rows(), width);
      zeroHistory = spec.cached() ? null : buffers.f32(batch, taps - 1, width);
    }

    void forward(Tensor w, Tensor history) {
      Tensor past = history;
      if (past == null) {
        zeroHistory.fill(0f);
        past = zeroHistory;
      }
      ops.conv().forward(batch, tokens, in, w, Activation.SILU, past, out);
    }

    void backward(Tensor w, Tensor dOut, Tensor dIn, Tensor dw) {
      ops.conv().backward(batch, tokens, in, w, Activation.SILU, dOut, dIn, dw);
    }
  }

  private final Ops ops;
  private final float eps;
  private final int batch;
  private final int tokens;
  private final GatedDeltaRule.Shape shape;
  private final Convolution qs;
  private final Convolution ks;
  private final Convolution vs;
  private final Tensor q;
  private final Tensor k;
  private final Tensor qNorms;
  private final Tensor kNorms;
  private final Tensor g;
  private final Tensor beta;
  private final Tensor saved;

  /** Of a pass without caches: [B, h, K, V]. */
  private final Tensor state;

  private final GatedDeltaRule.Inputs mixed;

  /** Outputs of the delta rule, [N, h·V]. */
  private final Tensor raw;

  private final Tensor rawRstd;
  private final Tensor normed;
  private final Tensor outputs;

  /**
   * @param concatenation where the outputs go, [N, h·V]
   */
  Qwen35Heads(PassSpec spec, int layer, Buffers buffers, Inputs in, Tensor concatenation) {
    super(spec.plan().linearHeads(layer), in);
    ops = spec.ops();
    eps = spec.config().rmsNormEps();
    batch = spec.batch();
    tokens = spec.tokens();
    DeltaNetConfig c = spec.config().deltaNet();
    int n = spec.rows();
    int h = c.valueHeads();
    boolean training = spec.training();
    shape = new GatedDeltaRule.Shape(batch, tokens, h, c.keyDim(), c.valueDim());
    qs = new Convolution(spec, buffers, in.q());
    ks = new Convolution(spec, buffers, in.k());
    vs = new Convolution(spec, buffers, in.v());
    q = buffers.elements(n, (long) h * c.keyDim());
    k = buffers.elements(n, (long) h * c.keyDim());
    qNorms = training ? buffers.f32((long) n * c.keyHeads()) : null;
    kNorms = training ? buffers.f32((long) n * c.keyHeads()) : null;
    g = buffers.f32(n, h);
    beta = buffers.f32(n, h);
    saved = training ? buffers.f32(ops.deltaRule().savedFloats(shape)) : null;
    state = spec.cached() ? null : buffers.f32(batch, h, c.keyDim(), c.valueDim());
    raw = buffers.elements(n, c.valueWidth());
    rawRstd = training ? buffers.f32((long) n * h) : null;
    normed = buffers.elements(n, c.valueWidth());
    outputs = concatenation;
    mixed = new GatedDeltaRule.Inputs(q, k, vs.out, g, beta);
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
    PooledLayer pooled = cache == null ? null : cache.pooled;
    if (pooled == null) {
      qs.forward(w.qConv(), cache == null ? null : cache.qHistory);
      ks.forward(w.kConv(), cache == null ? null : cache.kHistory);
      vs.forward(w.vConv(), cache == null ? null : cache.vHistory);
    } else {
      pooled.convolve(PooledLayer.Line.Q, qs.in, w.qConv(), Activation.SILU, qs.out);
      pooled.convolve(PooledLayer.Line.K, ks.in, w.kConv(), Activation.SILU, ks.out);
      pooled.convolve(PooledLayer.Line.V, vs.in, w.vConv(), Activation.SILU, vs.out);
    }
    int d = shape.keyDim();
    ops.l2Norm().forward(each(qs.out, d), L2_EPS, each(q, d), qNorms);
    ops.l2Norm().forward(each(ks.out, d), L2_EPS, each(k, d), kNorms);
    if (pooled == null) {
      ops.decay().forward(in.a(), in.b(), w.aLog(), w.dtBias(), BETA_MAX, g, beta);
    } else {
      pooled.decay(in, w, BETA_MAX, g, beta);
    }
    if (cache == null) {
      state.fill(0f);
      ops.deltaRule().forward(shape, mixed, 0, state, raw, saved);
    } else if (pooled != null) {
      pooled.advance(shape, mixed, raw);
    } else if (tokens == 1 && !ops.deterministic()) {
      ops.deltaRule().step(shape, mixed, cache.state, raw);
    } else {
      ops.deltaRule().forward(shape, mixed, at.start(), cache.state, raw, null);
    }
    int v = shape.valueDim();
    ops.rmsNorm().forward(each(raw, v), w.outNorm(), eps, each(normed, v), rawRstd);
    ops.swiGlu().forward(in.z(), normed, outputs);
  }

  @Override
  LinearHeads.Gradients gradients(Buffers b, Inputs in, Tensor dConcatenation) {
    return new Gradients(this, b, in, dConcatenation);
  }

  private static final class Gradients extends LinearHeads.Gradients {
    private final Tensor dNormed;
    private final Tensor dRaw;
    private final Tensor dState;
    private final Tensor dq;
    private final Tensor dk;
    private final GatedDeltaRule.Inputs mixed;

    Gradients(Qwen35Heads l, Buffers b, Inputs in, Tensor dConcatenation) {
      super(dConcatenation, in);
      dNormed = b.elements(l.normed.shape());
      dRaw = b.elements(l.raw.shape());
      dState = b.f32(l.state.shape());
      dq = b.elements(l.qs.out.shape());
      dk = b.elements(l.ks.out.shape());
      mixed =
          new GatedDeltaRule.Inputs(
              b.elements(l.q.shape()),
              b.elements(l.k.shape()),
              b.elements(l.vs.out.shape()),
              b.f32(l.g.shape()),
              b.f32(l.g.shape()));
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
    g.dState.fill(0f);
    ops.deltaRule().backward(shape, mixed, saved, g.dRaw, g.dState, g.mixed);
    int d = shape.keyDim();
    ops.l2Norm().backward(each(q, d), qNorms, each(g.mixed.q(), d), each(g.dq, d));
    ops.l2Norm().backward(each(k, d), kNorms, each(g.mixed.k(), d), each(g.dk, d));
    qs.backward(w.qConv(), g.dq, g.in.q(), dw.qConv());
    ks.backward(w.kConv(), g.dk, g.in.k(), dw.kConv());
    vs.backward(w.vConv(), g.mixed.v(), g.in.v(), dw.vConv());
    ops.decay()
        .backward(
            in.a(),
            in.b(),
            w.aLog(),
            w.dtBias(),
            BETA_MAX,
            g.mixed.g(),
            g.mixed.beta(),
            g.in.a(),
            g.in.b(),
            dw.aLog(),
            dw.dtBias());
  }
}
