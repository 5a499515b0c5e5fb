package io.hydrahead.train;

/**
 * A micro-batch: B sequences of T tokens, N = B·T, with what follows each token and what predicting
 * it counts.
 */
public final class Batch {
  private final int rows;
  private final int context;
  private final int[] ids;
  private final int[] targets;
  private final float[] weights;

  public Batch(int rows, int context) {
    this.rows = rows;
    this.context = context;
    int n = Math.multiplyExact(rows, context);
    ids = new int[n];
    targets = new int[n];
    weights = new float[n];
  }

  /** Takes the next rows of {@code source}. */
  void fill(RowsAhead source) {
    for (int b = 0; b < rows; b++) {
      RowsAhead.Row row = source.take();
      int at = b * context;
      System.arraycopy(row.ids(), 0, ids, at, context);
      System.arraycopy(row.ids(), 1, targets, at, context);
      System.arraycopy(row.weights(), 1, weights, at, context);
    }
  }

  /** B. */
  public int rows() {
    return rows;
  }

  /** T. */
  public int context() {
    return context;
  }

  /** [N]; not a copy. */
  public int[] ids() {
    return ids;
  }

  /** The token after each, [N]; not a copy. */
  public int[] targets() {
    return targets;
  }

  /** Weight of each target in the loss, [N]; not a copy. */
  public float[] weights() {
    return weights;
  }

  /** Σ weights. */
  public double totalWeight() {
    double sum = 0;
    for (float w : weights) {
      sum += w;
    }
    return sum;
  }
}
