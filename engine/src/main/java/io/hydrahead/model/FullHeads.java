package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;

/**
 * The full-attention heads of one layer: per-head RMSNorm, rotary (or none), causal attention, from
 * projections to outputs. N = B·T rows, h full heads, g kept KV heads, d head dim.
 */
final class FullHeads {
  /** Parameters besides the projections, or their gradients; zBias is null without a gate. */
  record Weights(Tensor qNorm, Tensor kNorm, Tensor zBias) {
    static Weights of(ParameterStore s, int layer, boolean gate) {
      String p = ParameterShapes.attention(layer);
      return new Weights(
          s.get(p + "q_norm.weight"),
          s.get(p + "k_norm.weight"),
          gate ? s.get(p + "z_proj.bias") : null);
    }
  }

  /** Projections of the normed input, or their gradients; z is null without a gate. */
  record Inputs(Tensor q, Tensor k, Tensor v, Tensor z) {}

  final int[] heads;
  private final int[] kvOf;
  private final Ops ops;
  private final int tokens;
  private final CausalAttention.Shape shape;
  private final HeadPrep.Shape queryPrep;
  private final HeadPrep.Shape keyPrep;

  private final Inputs in;
  private final Tensor q;
  private final Tensor k;
  private final Tensor qRstd;
  private final Tensor kRstd;
  private final Tensor lse;

  /** Outputs [N, h·d]: given, or the layer's concatenation when nothing follows but W_o. */
  final Tensor out;

  FullHeads(PassSpec spec, int layer, Buffers buffers, Inputs in, Tensor concatenation) {
    this.in = in;
    ops = spec.ops();
    ModelConfig config = spec.config();
    tokens = spec.tokens();
    heads = spec.plan().fullHeads(layer);
    int[] kept = spec.plan().keptKvHeads(layer, config.kvHeads());
    kvOf = new int[heads.length];
    for (int i = 0; i < heads.length; i++) {
      kvOf[i] = Arrays.binarySearch(kept, heads[i] / config.group());
    }
    int n = spec.rows();
    int d = config.headDim();
    int h = heads.length;
    int g = kept.length;
    shape = new CausalAttention.Shape(spec.batch(), tokens, h, g, d, (float) (1 / Math.sqrt(d)));
    queryPrep = new HeadPrep.Shape(tokens, h, d, config.rmsNormEps(), 0f);
    keyPrep = new HeadPrep.Shape(tokens, g, d, config.rmsNormEps(), 0f);
    q = buffers.elements(n, (long) h * d);
    k = buffers.elements(n, (long) g * d);
    boolean training = spec.training();
    qRstd = training ? buffers.f32((long) n * h) : null;
    kRstd = training ? buffers.f32((long) n * g) : null;
    lse = training ? buffers.f32(spec.batch(), h, tokens) : null;
    out = concatenation != null ? concatenation : buffers.elements(n, (long) h * d);
  }

  /** Gate pre-activations [N, h·d], or null. */
  Tensor z() {
    return in.z;
  }

  /** Fills {@link #out}. */
  void forward(Weights w, Position at, LayerCache cache, HeadTap tap, int layer) {
    ops.headPrep().forward(queryPrep, in.q, w.qNorm, at.fullQueries(), q, qRstd, null);
    ops.headPrep().forward(keyPrep, in.k, w.kNorm, at.fullKeys(), k, kRstd, null);
    tap.queriesAndKeys(layer, q, k);
    if (cache == null) {
      ops.attention().forward(shape, kvOf, 0, q, k, in.v, out, lse);
    } else if (shape.batch() == 1) {
      cache.append(k, in.v, at.start(), tokens);
      ops.attention().forward(shape, kvOf, at.start(), q, cache.keys, cache.values, out, null);
    } else {
      branches(at, cache);
    }
  }

  /** Each sequence in turn writes its keys behind the common text, over those of the one before. */
  private void branches(Position at, LayerCache cache) {
    CausalAttention.Shape one =
        new CausalAttention.Shape(
            1, tokens, shape.heads(), shape.kvHeads(), shape.headDim(), shape.scale());
    for (int b = 0; b < shape.batch(); b++) {
      long row = (long) b * tokens;
      cache.append(k.rows(row, tokens), in.v.rows(row, tokens), at.start(), tokens);
      ops.attention()
          .forward(
              one,
              kvOf,
              at.start(),
              q.rows(row, tokens),
              cache.keys,
              cache.values,
              out.rows(row, tokens),
              null);
    }
  }

  /** Gradient buffers, which layers may share. */
  static final class Gradients {
    private final Inputs in;
    private final Tensor dq;
    private final Tensor dk;

    /** Gradient of the outputs, to be filled before {@link FullHeads#backward}. */
    final Tensor dOut;

    Gradients(FullHeads f, Buffers b, Inputs in, Tensor concatenation) {
      this.in = in;
      dOut = concatenation != null ? concatenation : b.elements(f.q.shape());
      dq = in.q.contiguous() ? in.q : b.elements(f.q.shape());
      dk = in.k.contiguous() ? in.k : b.elements(f.k.shape());
    }

    /** Gradient of the gate, to be filled before the projections' backward pass; or null. */
    Tensor dZ() {
      return in.z;
    }
  }

  /** From the gradient of {@link #out} to those of the projections and parameters. */
  void backward(Weights w, Weights dw, Position at, Gradients g) {
    ops.attention().backward(shape, kvOf, q, k, in.v, out, lse, g.dOut, g.dq, g.dk, g.in.v);
    ops.headPrep()
        .backward(
            queryPrep, in.q, w.qNorm, at.fullQueries(), q, qRstd, null, g.dq, g.in.q, dw.qNorm);
    ops.headPrep()
        .backward(keyPrep, in.k, w.kNorm, at.fullKeys(), k, kRstd, null, g.dk, g.in.k, dw.kNorm);
  }
}
