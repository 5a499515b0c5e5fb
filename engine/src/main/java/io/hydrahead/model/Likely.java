package io.hydrahead.model;

import io.hydrahead.ops.loss.LikelyTokens;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;

/**
 * The likeliest tokens after a text, the likeliest first and of equal ones the smaller id: what a
 * {@link Sampler} mostly needs of the logits.
 */
final class Likely {
  final int count;
  final float max;

  /** Σ e^((logit − max) / temperature) over the whole vocabulary. */
  final double total;

  private final long[] sorted;

  private Likely(int count, float max, double total, long[] sorted) {
    this.count = count;
    this.max = max;
    this.total = total;
    this.sorted = sorted;
  }

  /** Row {@code row}, on the host; null where the tokens were too many to be told apart. */
  static Likely of(LikelyTokens all, int row) {
    int count = all.counts().getInt(row);
    if (count < 0) {
      return null;
    }
    long from = (long) row * LikelyTokens.MOST;
    long[] keys = new long[count];
    for (int i = 0; i < count; i++) {
      keys[i] = Sampler.key(all.values().get(from + i), all.ids().getInt(from + i));
    }
    Arrays.sort(keys);
    return new Likely(count, all.stats().get(2L * row), all.stats().get(2L * row + 1), keys);
  }

  int id(int i) {
    return (int) sorted[i];
  }

  /** e^((logit − max) / temperature). */
  double weight(int i, double temperature) {
    return Math.exp(((double) Sampler.logit(sorted[i]) - max) / temperature);
  }

  /** Whether the token is one of these. */
  boolean has(Tensor logits, int id) {
    return Arrays.binarySearch(sorted, Sampler.key(logits.get(id), id)) >= 0;
  }
}
