package io.hydrahead.data;

import java.util.Arrays;

/** A growing list of token ids, each with its weight in the loss. */
public final class WeightedTokens {
  private int[] ids = new int[256];
  private float[] weights = new float[256];
  private int size;

  /** Appends {@code added} with one weight. */
  public WeightedTokens add(int[] added, float weight) {
    return add(added, added.length, weight);
  }

  WeightedTokens add(int[] added, int count, float weight) {
    reserve(count);
    System.arraycopy(added, 0, ids, size, count);
    Arrays.fill(weights, size, size + count, weight);
    size += count;
    return this;
  }

  WeightedTokens add(WeightedTokens other) {
    reserve(other.size);
    System.arraycopy(other.ids, 0, ids, size, other.size);
    System.arraycopy(other.weights, 0, weights, size, other.size);
    size += other.size;
    return this;
  }

  private void reserve(int count) {
    if (size + count > ids.length) {
      int capacity = Math.max(2 * ids.length, size + count);
      ids = Arrays.copyOf(ids, capacity);
      weights = Arrays.copyOf(weights, capacity);
    }
  }

  /** Number of tokens. */
  public int size() {
    return size;
  }

  /** A copy of the ids. */
  public int[] ids() {
    return Arrays.copyOf(ids, size);
  }

  /** A copy of the weights. */
  public float[] weights() {
    return Arrays.copyOf(weights, size);
  }
}
