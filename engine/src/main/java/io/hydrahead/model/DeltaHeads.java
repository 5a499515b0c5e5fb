package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.conv.ShortConv.Activation;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.tensor.Tensor;

/**
 * What all heads of the gated delta rule have in common: short convolutions before, decay and write
 * strength, the rule itself and its states. How q and k are made from the convolutions, and what
 * becomes of the outputs, is the kind's own.
 */
abstract class DeltaHeads extends LinearHeads {
  static final float L2_EPS = 1e-6f;

  /** The short convolution of q, k or v; without one, the projection itself. */
  final class Convolution {
    final Tensor in;
    final Tensor out;
    private final PooledLayer.Line line;
    private final Activation activation;
    private final Tensor zeroHistory;

    Convolution(
        PassSpec spec,
        Buffers buffers,
        PooledLayer.Line line,
        Tensor projected,
        int taps,
        Activation activation) {
      in = projected;
      this.line = line;
      this.activation = activation;
      long width = projected.dim(1);
      out = taps > 0 ? buffers.elements(spec.rows(), width) : projected;
      zeroHistory = taps > 0 && !spec.cached() ? buffers.f32(batch, taps - 1, width) : null;
    }

    void forward(Tensor w, LayerCache cache) {
      if (w == null) {
        return;
      }
      if (cache != null && cache.pooled != null) {
        cache.pooled.convolve(line, in, w, activation, out);
        return;
      }
      Tensor history = cache == null ? zeroHistory : cache.history(line);
      if (cache == null) {
        history.fill(0f);
      }
      ops.conv().forward(batch, tokens, in, w, activation, history, out);
    }

    void backward(Tensor w, Tensor dOut, Tensor dIn, Tensor dw) {
      if (w != null) {
        ops.conv().backward(batch, tokens, in, w, activation, dOut, dIn, dw);
      }
    }
  }

  final Ops ops;
  final GatedDeltaRule.Shape shape;
  final Convolution qs;
  final Convolution ks;
  final Convolution vs;

  /** What the delta rule takes, [N, h·K]. */
  final Tensor q;

  final Tensor k;

  /** Of the L2 norm of q and k, for training. */
  final Tensor qNorms;

  final Tensor kNorms;
  final Tensor g;

  /** Of a pass without caches: [B, h, K, V]. */
  final Tensor state;

  private final int batch;
  private final int tokens;
  private final float betaMax;
  private final Tensor saved;
  private final GatedDeltaRule.Inputs mixed;

  /**
   * @param taps of the short convolutions, or 0
   * @param normedHeads heads whose q, and as many whose k, a row normalises
   */
  DeltaHeads(
      PassSpec spec,
      int layer,
      Buffers buffers,
      Inputs in,
      GatedDeltaRule.Shape shape,
      int taps,
      Activation activation,
      int normedHeads,
      float betaMax) {
    super(spec.plan().linearHeads(layer), in);
    ops = spec.ops();
    batch = spec.batch();
    tokens = spec.tokens();
    this.shape = shape;
    this.betaMax = betaMax;
    int n = spec.rows();
    int h = shape.heads();
    boolean training = spec.training();
    qs = new Convolution(spec, buffers, PooledLayer.Line.Q, in.q(), taps, activation);
    ks = new Convolution(spec, buffers, PooledLayer.Line.K, in.k(), taps, activation);
    vs = new Convolution(spec, buffers, PooledLayer.Line.V, in.v(), taps, activation);
    q = buffers.elements(n, (long) h * shape.keyDim());
    k = buffers.elements(n, (long) h * shape.keyDim());
    qNorms = training ? buffers.f32((long) n * normedHeads) : null;
    kNorms = training ? buffers.f32((long) n * normedHeads) : null;
    g = buffers.f32(n, h);
    Tensor beta = buffers.f32(n, h);
    saved = training ? buffers.f32(ops.deltaRule().savedFloats(shape)) : null;
    state = spec.cached() ? null : buffers.f32(batch, h, shape.keyDim(), shape.valueDim());
    mixed = new GatedDeltaRule.Inputs(q, k, vs.out, g, beta);
  }

  /** The convolutions of q, k and v, where there are any. */
  final void convolve(Weights w, LayerCache cache) {
    qs.forward(w.qConv(), cache);
    ks.forward(w.kConv(), cache);
    vs.forward(w.vConv(), cache);
  }

  /** Decay, write strength and delta rule of {@link #q}, {@link #k} and the convolved v. */
  final void mix(Weights w, Position at, LayerCache cache, Tensor outputs) {
    PooledLayer pooled = cache == null ? null : cache.pooled;
    if (pooled == null) {
      ops.decay().forward(in.a(), in.b(), w.aLog(), w.dtBias(), betaMax, g, mixed.beta());
    } else {
      pooled.decay(in, w, betaMax, g, mixed.beta());
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

  /** Gradient buffers of any heads of the delta rule. */
  abstract static class Gradients extends LinearHeads.Gradients {
    /** Of what the delta rule takes. */
    final GatedDeltaRule.Inputs mixed;

    private final Tensor dState;

    Gradients(DeltaHeads l, Buffers b, Tensor dOut, Inputs in, Tensor dq, Tensor dk, Tensor dv) {
      super(dOut, in);
      dState = b.f32(l.state.shape());
      mixed = new GatedDeltaRule.Inputs(dq, dk, dv, b.f32(l.g.shape()), b.f32(l.g.shape()));
    }
  }

  /** Back through the delta rule, from {@code dOutputs} to {@code to.mixed}. */
  final void mixBackward(Gradients to, Tensor dOutputs) {
    to.dState.fill(0f);
    ops.deltaRule().backward(shape, mixed, saved, dOutputs, to.dState, to.mixed);
  }

  /** Back through the convolutions, from what follows them to the projections. */
  final void convolveBackward(
      Weights w, Weights dw, Gradients to, Tensor dq, Tensor dk, Tensor dv) {
    qs.backward(w.qConv(), dq, to.in.q(), dw.qConv());
    ks.backward(w.kConv(), dk, to.in.k(), dw.kConv());
    vs.backward(w.vConv(), dv, to.in.v(), dw.vConv());
  }

  /** Back through decay and write strength, to their projections and parameters. */
  final void decayBackward(Weights w, Weights dw, Gradients to) {
    ops.decay()
        .backward(
            in.a(),
            in.b(),
            w.aLog(),
            w.dtBias(),
            betaMax,
            to.mixed.g(),
            to.mixed.beta(),
            to.in.a(),
            to.in.b(),
            dw.aLog(),
            dw.dtBias());
  }
}
