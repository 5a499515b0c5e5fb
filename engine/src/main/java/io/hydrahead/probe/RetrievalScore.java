package io.hydrahead.probe;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.tensor.Tensor;

/**
 * The attention-score baseline (Wu et al., "Retrieval Head Mechanistically Explains Long-Context
 * Factuality", arXiv:2404.15574): the share of copied tokens whose top-1 attention is on the needle
 * token that is being copied.
 */
final class RetrievalScore {
  private RetrievalScore() {}

  /**
   * Adds each full head's share for one pair to {@code scores} [H].
   *
   * @param q queries [T, h·d] and {@code k} keys [T, g·d] of the layer's full heads
   */
  static void score(
      HybridTransformer model,
      CounterfactualPair pair,
      int layer,
      Tensor q,
      Tensor k,
      double[] scores) {
    int d = model.config().headDim();
    int[] heads = model.plan().fullHeads(layer);
    int[] kept = model.plan().keptKvHeads(layer, model.config().kvHeads());
    for (int i = 0; i < heads.length; i++) {
      int g = java.util.Arrays.binarySearch(kept, heads[i] / model.config().group());
      int hits = 0;
      for (int j = 0; j < pair.answerTokens(); j++) {
        if (top(q, k, pair.row(j), i, heads.length, g, kept.length, d) == pair.needleStart() + j) {
          hits++;
        }
      }
      scores[heads[i]] += hits / (double) pair.answerTokens();
    }
  }

  /** Position of the greatest q·k among 0 … row. */
  private static int top(
      Tensor q, Tensor k, int row, int head, int heads, int kvHead, int kvHeads, int d) {
    int best = -1;
    double most = Double.NEGATIVE_INFINITY;
    float[] query = new float[d];
    for (int c = 0; c < d; c++) {
      query[c] = q.get(((long) row * heads + head) * d + c);
    }
    for (int t = 0; t <= row; t++) {
      double dot = 0;
      for (int c = 0; c < d; c++) {
        dot += query[c] * k.get(((long) t * kvHeads + kvHead) * d + c);
      }
      if (dot > most) {
        most = dot;
        best = t;
      }
    }
    return best;
  }
}
