package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.headprep.HeadPrep;
import io.hydrahead.tensor.Tensor;

/**
 * What all heads with softmax attention of one kind and layer do, from projections to outputs:
 * per-head RMSNorm of queries and keys, rotary (or none), causal attention. N = B·T rows, h query
 * heads, g KV heads, d head dim.
 */
final class SoftmaxHeads {
  /**
   * How the heads attend.
   *
   * @param kvOf KV head of each query head
   * @param kvHeads g
   * @param window what of the past they see
   */
  record Kind(int[] kvOf, int kvHeads, CausalAttention.Window window) {}

  /** Projections of the normed input, or their gradients. */
  record Inputs(Tensor q, Tensor k, Tensor v) {}

  /** RMSNorm weights of queries and keys [d], or their gradients. */
  record Norms(Tensor q, Tensor k) {}

  private final Kind kind;
  private final Ops ops;
  private final CausalAttention.Shape shape;

  /** Of one sequence. */
  private final CausalAttention.Shape alone;

  private final HeadPrep.Shape queryPrep;
  private final HeadPrep.Shape keyPrep;
  private final Inputs in;
  private final Tensor qRstd;
  private final Tensor kRstd;
  private final Tensor lse;

  /** Queries [N, h·d] and keys [N, g·d] after norm and rotary. */
  final Tensor q;

  final Tensor k;

  /** Outputs [N, h·d]. */
  final Tensor out;

  /**
   * @param given where the outputs go, or null
   */
  SoftmaxHeads(PassSpec spec, Kind kind, Buffers buffers, Inputs in, Tensor given) {
    this.kind = kind;
    this.in = in;
    ops = spec.ops();
    ModelConfig config = spec.config();
    int tokens = spec.tokens();
    int n = spec.rows();
    int d = config.headDim();
    int h = kind.kvOf.length;
    int g = kind.kvHeads;
    float scale = (float) (1 / Math.sqrt(d));
    shape = new CausalAttention.Shape(spec.batch(), tokens, h, g, d, scale, kind.window);
    alone = new CausalAttention.Shape(1, tokens, h, g, d, scale, kind.window);
    queryPrep = new HeadPrep.Shape(tokens, h, d, config.rmsNormEps(), 0f);
    keyPrep = new HeadPrep.Shape(tokens, g, d, config.rmsNormEps(), 0f);
    q = buffers.elements(n, (long) h * d);
    k = buffers.elements(n, (long) g * d);
    boolean training = spec.training();
    qRstd = training ? buffers.f32((long) n * h) : null;
    kRstd = training ? buffers.f32((long) n * g) : null;
    lse = training ? buffers.f32(spec.batch(), h, tokens) : null;
    out = given != null ? given : buffers.elements(n, (long) h * d);
  }

  /** Values [N, g·d]. */
  Tensor v() {
    return in.v;
  }

  /** Fills {@link #q} and {@link #k}. */
  void prepare(Norms w, HeadPrep.Tables queries, HeadPrep.Tables keys) {
    ops.headPrep().forward(queryPrep, in.q, w.q, queries, q, qRstd, null);
    ops.headPrep().forward(keyPrep, in.k, w.k, keys, k, kRstd, null);
  }

  /** Fills {@link #out} of whole sequences. */
  void attend() {
    ops.attention().forward(shape, kind.kvOf, 0, q, k, in.v, out, lse);
  }

  /**
   * Fills {@link #out} of sequence {@code b} from keys and values of positions 0 … {@code offset} +
   * T − 1.
   */
  void attend(int b, int offset, Tensor keys, Tensor values) {
    ops.attention().forward(alone, kind.kvOf, offset, of(b, q), keys, values, of(b, out), null);
  }

  /** Fills {@link #out} of rows of several sequences, whose keys and values go into their pages. */
  void attend(PooledLayer cache) {
    cache.attend(kind, shape, new Inputs(q, k, in.v), out);
  }

  /**
   * Fills {@link #out} of rows of several sequences, each from its own window.
   *
   * @param keys room for the past that a window leaves and the piece; see {@link PooledLayer}
   */
  void attendWindows(PooledLayer cache, Tensor keys, Tensor values) {
    cache.attendWindows(kind, shape, new Inputs(q, k, in.v), out, keys, values);
  }

  /** Rows [T, …] of sequence {@code b}. */
  Tensor of(int b, Tensor rows) {
    return shape.batch() == 1 ? rows : rows.rows((long) b * shape.queries(), shape.queries());
  }

  /** Gradient buffers, which layers may share. */
  static final class Gradients {
    private final Inputs in;
    private final Tensor dq;
    private final Tensor dk;

    /** Gradient of the outputs, to be filled before {@link SoftmaxHeads#backward}. */
    final Tensor dOut;

    /**
     * @param in gradients of the projections
     * @param given where that of the outputs is, or null
     */
    Gradients(SoftmaxHeads s, Buffers b, Inputs in, Tensor given) {
      this.in = in;
      dOut = given != null ? given : b.elements(s.q.shape());
      dq = in.q.contiguous() ? in.q : b.elements(s.q.shape());
      dk = in.k.contiguous() ? in.k : b.elements(s.k.shape());
    }
  }

  /** From the gradient of {@link #out} to those of the projections and norms. */
  void backward(Norms w, Norms dw, HeadPrep.Tables queries, HeadPrep.Tables keys, Gradients g) {
    ops.attention().backward(shape, kind.kvOf, q, k, in.v, out, lse, g.dOut, g.dq, g.dk, g.in.v);
    ops.headPrep().backward(queryPrep, in.q, w.q, queries, q, qRstd, null, g.dq, g.in.q, dw.q);
    ops.headPrep().backward(keyPrep, in.k, w.k, keys, k, kRstd, null, g.dk, g.in.k, dw.k);
  }
}
