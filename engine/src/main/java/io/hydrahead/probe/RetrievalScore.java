package io.hydrahead.probe;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.IntStream;

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
    float[] keys = k.toFloats();
    for (int j = 0; j < pair.answerTokens(); j++) {
      int row = pair.row(j);
      int copied = pair.needleStart() + j;
      float[] queries = q.rows(row, 1).toFloats();
      IntStream.range(0, heads.length)
          .parallel()
          .forEach(i -> {
            int g = Arrays.binarySearch(kept, heads[i] / model.config().group());
            if (top(queries, i * d, keys, g * d, kept.length * d, row, d) == copied) {
              scores[heads[i]] += 1.0 / pair.answerTokens();
            }
          });
    }
  }

  /** Position of the greatest q·k among 0 … row; the key at t begins at {@code at + t·stride}. */
  private static int top(
      float[] queries, int from, float[] keys, int at, int stride, int row, int d) {
    int best = -1;
    double most = Double.NEGATIVE_INFINITY;
    for (int t = 0; t <= row; t++) {
      double dot = 0;
      for (int c = 0; c < d; c++) {
        dot += queries[from + c] * keys[at + t * stride + c];
      }
      if (dot > most) {
        most = dot;
        best = t;
      }
    }
    return best;
  }
}
