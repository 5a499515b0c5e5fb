package io.hydrahead.probe;

import io.hydrahead.tensor.Tensor;

/**
 * m = (1/Z) Σ_j λ^j (z_j[a⁺_j] − z_j[a⁻_j]) over the answer's tokens, Z = Σ λ^j: how much the
 * logits prefer the true answer to the counterfactual one.
 */
final class Readout {
  static final double LAMBDA = 0.9;

  private Readout() {}

  /** From logits [R, V] whose rows {@code from} … are the answer's. */
  static double of(CounterfactualPair pair, Tensor logits, int from) {
    long vocabulary = logits.dim(1);
    double sum = 0;
    double z = 0;
    double weight = 1;
    for (int j = 0; j < pair.answerTokens(); j++) {
      long row = (from + j) * vocabulary;
      sum +=
          weight * (logits.get(row + pair.truth()[j]) - logits.get(row + pair.counterfactual()[j]));
      z += weight;
      weight *= LAMBDA;
    }
    return sum / z;
  }

  /** Whether the most likely token of every answer row is the true one. */
  static boolean correct(CounterfactualPair pair, Tensor logits, int from) {
    long vocabulary = logits.dim(1);
    for (int j = 0; j < pair.answerTokens(); j++) {
      long row = (from + j) * vocabulary;
      float best = logits.get(row + pair.truth()[j]);
      for (long v = 0; v < vocabulary; v++) {
        if (logits.get(row + v) > best) {
          return false;
        }
      }
    }
    return true;
  }
}
