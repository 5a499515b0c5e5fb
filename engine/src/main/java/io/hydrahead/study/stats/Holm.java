package io.hydrahead.study.stats;

import java.util.Arrays;
import java.util.Comparator;

/**
 * Holm's step-down adjustment ("A simple sequentially rejective multiple test procedure", 1979).
 */
public final class Holm {
  private Holm() {}

  /**
   * Adjusted p-values, in the order of {@code p}: those at most α are what the procedure rejects at
   * level α, whatever is true of the others.
   */
  public static double[] adjust(double[] p) {
    Integer[] order = new Integer[p.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, Comparator.comparingDouble(i -> p[i]));
    double[] out = new double[p.length];
    double most = 0;
    for (int k = 0; k < p.length; k++) {
      most = Math.max(most, Math.min(1, (p.length - k) * p[order[k]]));
      out[order[k]] = most;
    }
    return out;
  }
}
