package io.hydrahead.cli;

import java.util.Arrays;

/**
 * Which way a quantity goes, whatever single values do: the median of the slopes between all pairs
 * of points (Theil 1950), with its 95% interval from the variance of Kendall's S (Sen 1968).
 *
 * @param level median of the values
 * @param slope in values a unit of time
 * @param low end of the interval
 * @param high end of the interval
 */
record Trend(double level, double slope, double low, double high) {
  /** Points that are looked at; of more, evenly spread ones. */
  private static final int MOST = 600;

  private static final double NORMAL_95 = 1.959964;

  /**
   * @param at times, ascending
   * @throws IllegalArgumentException if there are not two points with different times
   */
  static Trend of(double[] at, double[] values) {
    int n = Math.min(values.length, MOST);
    double[] t = new double[n];
    double[] v = new double[n];
    for (int i = 0; i < n; i++) {
      int from = (int) ((long) i * values.length / n);
      t[i] = at[from];
      v[i] = values[from];
    }
    double[] slopes = new double[n * Math.max(0, n - 1) / 2];
    int count = 0;
    for (int i = 0; i < n; i++) {
      for (int j = 0; j < i; j++) {
        if (t[i] != t[j]) {
          slopes[count++] = (v[i] - v[j]) / (t[i] - t[j]);
        }
      }
    }
    if (count == 0) {
      throw new IllegalArgumentException("a trend needs two points in time");
    }
    Arrays.sort(slopes, 0, count);
    double half = NORMAL_95 * Math.sqrt(variance(v)) / 2;
    int low = (int) Math.floor(count / 2.0 - half);
    int high = (int) Math.ceil(count / 2.0 + half);
    return new Trend(
        middle(v.clone(), n),
        middle(slopes, count),
        slopes[Math.clamp(low, 0, count - 1)],
        slopes[Math.clamp(high, 0, count - 1)]);
  }

  /** Of the number of rising pairs less that of falling ones, were there no trend. */
  private static double variance(double[] values) {
    double[] v = values.clone();
    Arrays.sort(v);
    double sum = term(v.length);
    for (int i = 0, same; i < v.length; i += same) {
      same = 1;
      while (i + same < v.length && v[i + same] == v[i]) {
        same++;
      }
      sum -= term(same);
    }
    return Math.max(0, sum) / 18;
  }

  private static double term(double n) {
    return n * (n - 1) * (2 * n + 5);
  }

  private static double middle(double[] v, int n) {
    Arrays.sort(v, 0, n);
    return (v[(n - 1) / 2] + v[n / 2]) / 2;
  }

  /** Slope against the level, or 0 where the level is. */
  double relative() {
    return level == 0 ? 0 : slope / level;
  }
}
