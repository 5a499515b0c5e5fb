package io.hydrahead.model;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * Several continuations of one session's text in one pass: B texts of at most T tokens behind the
 * same caches. Recurrent states are copied for each; keys and values of the common text are read by
 * all, and those of a continuation stand behind them while its heads attend.
 *
 * <p>Shorter texts are filled up at their end, which nothing before it can see. N = B·T rows, D
 * width, V vocabulary.
 */
final class Branches {
  /** Texts are filled up to a multiple of it, so that few passes serve all lengths. */
  static final int STEP = 16;

  private final HybridTransformer model;
  private final Workspace memory;
  private final Buffers.Overlay buffers;
  private final Map<Integer, LayerCache[]> caches = new HashMap<>();
  private final Map<Size, Pass> passes = new HashMap<>();

  /** The rows that are asked for and their logits. */
  private final Buffers.Overlay head;

  private Tensor host = Tensor.allocate(Arena.ofAuto(), 0);

  private record Size(int branches, int tokens) {}

  /**
   * @param memory owns the states of the branches
   * @param buffers what the session's own passes take turns in
   */
  Branches(HybridTransformer model, Workspace memory, Buffers.Overlay buffers) {
    this.model = model;
    this.memory = memory;
    this.buffers = buffers;
    head = new Buffers.Overlay(memory, model.ops().activations());
  }

  /** T of {@code texts}. */
  static int tokens(int[][] texts) {
    int longest = 0;
    for (int[] text : texts) {
      if (text.length == 0) {
        throw new IllegalArgumentException("a continuation is empty: give at least one token");
      }
      longest = Math.max(longest, text.length);
    }
    return Math.ceilDiv(longest, STEP) * STEP;
  }

  /** The whole model at B × T. */
  private final class Pass {
    final PassSpec spec;
    final Tensor tokenIds;
    final Position at;
    final Tensor x;
    final Tensor normed;
    final LayerPass[] layers;

    Pass(Size size) {
      ModelConfig c = model.config();
      spec = PassSpec.of(model, size.branches, size.tokens, PassSpec.Phase.CACHED);
      buffers.restart();
      tokenIds = buffers.allocate(DType.I32, spec.rows());
      at = new Position(spec, buffers, memory);
      x = buffers.elements(spec.rows(), c.hiddenSize());
      layers = LayerPass.turns(spec, buffers);
      normed = buffers.elements(spec.rows(), c.hiddenSize());
    }

    /** Fills {@link #normed}, the output of the final norm. */
    void run(int[] ids, int position, LayerCache[] own) {
      at.forget();
      at.moveTo(position);
      tokenIds.copyFrom(ids, 0, ids.length);
      spec.ops().embedding().forward(tokenIds, model.embedding(), x);
      for (int l = 0; l < layers.length; l++) {
        LayerPass before = l == 0 ? null : layers[l - 1];
        layers[l].forward(x, before, model.weights(l), at, own[l], HeadTap.NONE);
      }
      layers[layers.length - 1].next(x, model.finalNorm(), normed, null);
    }
  }

  /** {@link Session#branch} behind the {@code position} tokens that {@code trunk} remembers. */
  Tensor logits(LayerCache[] trunk, int position, int[][] texts, int[] from) {
    Size size = new Size(texts.length, tokens(texts));
    int[] ids = new int[size.branches * size.tokens];
    int wanted = 0;
    for (int b = 0; b < texts.length; b++) {
      int[] text = texts[b];
      if (from[b] < 0 || from[b] > text.length) {
        throw new IllegalArgumentException("logits from token " + from[b] + " of " + text.length);
      }
      model.requireIds(text, 0, text.length);
      int start = b * size.tokens;
      System.arraycopy(text, 0, ids, start, text.length);
      Arrays.fill(ids, start + text.length, start + size.tokens, text[text.length - 1]);
      wanted += text.length - from[b];
    }
    LayerCache[] own = caches.computeIfAbsent(size.branches, b -> caches(trunk, b));
    for (int l = 0; l < own.length; l++) {
      own[l].branchOff(trunk[l]);
    }
    Pass pass = passes.computeIfAbsent(size, Pass::new);
    pass.run(ids, position, own);
    return logits(pass, size, texts, from, wanted);
  }

  private LayerCache[] caches(LayerCache[] trunk, int branches) {
    LayerCache[] own = new LayerCache[trunk.length];
    for (int l = 0; l < own.length; l++) {
      own[l] = new LayerCache(trunk[l], branches, memory);
    }
    return own;
  }

  private Tensor logits(Pass pass, Size size, int[][] texts, int[] from, int wanted) {
    ModelConfig c = model.config();
    head.restart();
    // Few different numbers of rows, for the products' sake; what the last ones hold is not read.
    int filled = Math.ceilDiv(wanted, STEP) * STEP;
    Tensor rows = head.elements(filled, c.hiddenSize());
    int row = 0;
    for (int b = 0; b < texts.length; b++) {
      int n = texts[b].length - from[b];
      if (n > 0) {
        rows.rows(row, n).copyFrom(pass.normed.rows((long) b * size.tokens + from[b], n));
        row += n;
      }
    }
    Tensor all = head.f32(filled, c.vocabSize());
    model.ops().linear().forward(rows, model.lmHead(), all, false);
    Tensor out = all.rows(0, wanted);
    if (host.size() < out.size()) {
      host = Tensor.allocate(Arena.ofAuto(), out.size());
    }
    Tensor there = host.rows(0, out.size()).view(wanted, c.vocabSize());
    there.copyFrom(out);
    return there;
  }
}
