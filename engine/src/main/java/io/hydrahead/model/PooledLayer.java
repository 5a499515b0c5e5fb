package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.attention.CausalAttention;
import io.hydrahead.ops.attention.KvPages;
import io.hydrahead.ops.conv.ShortConv.Activation;
import io.hydrahead.ops.deltarule.GatedDeltaRule;
import io.hydrahead.tensor.Tensor;

/**
 * What one layer remembers of several sequences: its part of a {@link CachePool}'s blocks and
 * slots, and what its heads do with the rows of a {@link BatchStep}.
 *
 * <p>Rows 0 … p − 1 are a piece of one sequence's prompt, rows p … p + n − 1 one token each of n
 * others.
 */
final class PooledLayer {
  /** Which short convolution. */
  enum Line {
    Q,
    K,
    V
  }

  private final Ops ops;

  /** The layer's keys and values, with a table of no sequence; null without full heads. */
  private final KvPages pages;

  /** [slots, h·d·d], or null without linear heads. */
  private final Tensor states;

  /** [slots, (k − 1)·h·d] by line, or null without convolutions. */
  private final Tensor[] histories;

  /** Null without windowed heads. */
  private final Windows windows;

  private BatchRows rows;

  /**
   * What windows leave of the texts.
   *
   * @param width h·d
   * @param keys [slots, entries·h·d]
   * @param values likewise
   */
  record Windows(Style style, long width, Tensor keys, Tensor values) {
    private WindowCache of(int slot) {
      return new WindowCache(style, entries(keys, slot), entries(values, slot));
    }

    private Tensor entries(Tensor all, int slot) {
      return all.rows(slot, 1).view(all.dim(1) / width, width);
    }
  }

  PooledLayer(Ops ops, KvPages pages, Tensor states, Tensor[] histories, Windows windows) {
    this.windows = windows;
    this.ops = ops;
    this.pages = pages;
    this.states = states;
    this.histories = histories;
  }

  /** What the next pass's rows are. */
  void rows(BatchRows next) {
    rows = next;
  }

  /** Softmax attention of all rows; {@code whole} is the shape of all as one sequence. */
  void attend(
      SoftmaxHeads.Kind kind, CausalAttention.Shape whole, SoftmaxHeads.Inputs in, Tensor out) {
    CausalAttention attention = ops.attention();
    int p = rows.piece();
    int n = rows.decodes();
    attention.store(pages, rows.places(), in.k(), in.v());
    if (p > 0) {
      attention.forwardPaged(
          shape(whole, 1, p),
          kind.kvOf(),
          pages.with(rows.pieceTable()),
          rows.start(),
          in.q().rows(0, p),
          out.rows(0, p));
    }
    if (n > 0) {
      attention.decodePaged(
          shape(whole, n, 1),
          kind.kvOf(),
          pages.with(rows.tables()),
          rows.positions(),
          in.q().rows(p, n),
          out.rows(p, n));
    }
  }

  /**
   * Attention of all rows over the windows of their texts, one text after the other; what they
   * leave of the rows is kept.
   *
   * @param keys room for what a window leaves of the past and the piece itself, as of a single
   *     text; null if no row needs it
   * @param values likewise
   */
  void attendWindows(
      SoftmaxHeads.Kind kind,
      CausalAttention.Shape whole,
      SoftmaxHeads.Inputs in,
      Tensor out,
      Tensor keys,
      Tensor values) {
    int p = rows.piece();
    for (int r = 0, n; r < p + rows.decodes(); r += n) {
      n = r < p ? p : 1;
      int start = r < p ? rows.start() : rows.position(r - p);
      WindowCache ring = windows.of(r < p ? rows.pieceSlot() : rows.slot(r - p));
      Tensor q = in.q().rows(r, n);
      Tensor k = in.k().rows(r, n);
      Tensor v = in.v().rows(r, n);
      Tensor o = out.rows(r, n);
      if (n == 1 && !ops.deterministic()) { // as it lies in the ring
        ring.append(k, v, start, 1);
        int before = ring.filled(start + 1) - 1;
        ops.attention()
            .forward(shape(whole, 1, 1), kind.kvOf(), before, q, ring.keys, ring.values, o, null);
        continue;
      }
      int before = ring.before(start, keys, values);
      WindowCache.copy(k, 0, keys, before, n);
      WindowCache.copy(v, 0, values, before, n);
      CausalAttention.Shape windowed =
          new CausalAttention.Shape(
              1, n, whole.heads(), whole.kvHeads(), whole.headDim(), whole.scale(), kind.window());
      ops.attention().forward(windowed, kind.kvOf(), before, q, keys, values, o, null);
      ring.append(k, v, start, n);
    }
  }

  private static CausalAttention.Shape shape(CausalAttention.Shape s, int batch, int queries) {
    return new CausalAttention.Shape(
        batch, queries, s.heads(), s.kvHeads(), s.headDim(), s.scale());
  }

  /** The short convolution of q, k or v. */
  void convolve(Line line, Tensor in, Tensor w, Activation f, Tensor out) {
    Tensor history = histories[line.ordinal()];
    int p = rows.piece();
    int n = rows.decodes();
    if (p > 0) {
      Tensor own = history.rows(rows.pieceSlot(), 1).view(1, w.dim(1) - 1, w.dim(0));
      ops.conv().forward(1, p, in.rows(0, p), w, f, own, out.rows(0, p));
    }
    if (n > 0) {
      ops.conv().step(in.rows(p, n), w, f, rows.slots(), history, out.rows(p, n));
    }
  }

  /**
   * Decays and write strengths of all rows. They are elementwise over several rows at once, so that
   * their last bits depend on a row's neighbours: in deterministic mode each text has its own call.
   */
  void decay(LinearHeads.Inputs in, LinearHeads.Weights w, float betaMax, Tensor g, Tensor beta) {
    if (!ops.deterministic()) {
      ops.decay().forward(in.a(), in.b(), w.aLog(), w.dtBias(), betaMax, g, beta);
      return;
    }
    int p = rows.piece();
    for (int r = 0, n; r < p + rows.decodes(); r += n) {
      n = r < p ? p : 1;
      ops.decay()
          .forward(
              in.a().rows(r, n),
              in.b().rows(r, n),
              w.aLog(),
              w.dtBias(),
              betaMax,
              g.rows(r, n),
              beta.rows(r, n));
    }
  }

  /** The delta rule of all rows; {@code whole} is the shape of all as one sequence. */
  void advance(GatedDeltaRule.Shape whole, GatedDeltaRule.Inputs in, Tensor out) {
    GatedDeltaRule rule = ops.deltaRule();
    int p = rows.piece();
    int n = rows.decodes();
    if (p > 0) {
      Tensor state = state(whole, rows.pieceSlot());
      rule.forward(shape(whole, 1, p), in.rows(0, p), rows.start(), state, out.rows(0, p), null);
    }
    if (n > 0 && !ops.deterministic()) {
      rule.step(shape(whole, n, 1), in.rows(p, n), rows.slots(), states, out.rows(p, n));
      return;
    }
    for (int i = 0; i < n; i++) { // by the kernel, and on the grid, of longer pieces
      int r = p + i;
      Tensor state = state(whole, rows.slot(i));
      int at = rows.position(i);
      rule.forward(shape(whole, 1, 1), in.rows(r, 1), at, state, out.rows(r, 1), null);
    }
  }

  private Tensor state(GatedDeltaRule.Shape s, int slot) {
    return states.rows(slot, 1).view(1, s.heads(), s.keyDim(), s.valueDim());
  }

  private static GatedDeltaRule.Shape shape(GatedDeltaRule.Shape s, int batch, int tokens) {
    return new GatedDeltaRule.Shape(batch, tokens, s.heads(), s.keyDim(), s.valueDim());
  }
}
