package io.hydrahead.eval;

/** A 95% confidence interval. */
public record Interval(double low, double high) {
  private static final double Z = 1.959963984540054;

  /**
   * Wilson's score interval for a proportion (Wilson, "Probable inference", 1927).
   *
   * @param successes may be fractional where an example is scored in parts; the interval is then on
   *     the wide side
   * @param n examples, at least 1
   */
  public static Interval wilson(double successes, int n) {
    double p = successes / n;
    double zz = Z * Z / n;
    double middle = (p + zz / 2) / (1 + zz);
    double half = Z / (1 + zz) * Math.sqrt(p * (1 - p) / n + zz / (4.0 * n));
    return new Interval(Math.max(0, middle - half), Math.min(1, middle + half));
  }

  /** The mean's normal interval; all of [0, ∞) for a single value. */
  static Interval ofMean(double[] values) {
    double mean = mean(values);
    if (values.length < 2) {
      return new Interval(0, Double.POSITIVE_INFINITY);
    }
    double squares = 0;
    for (double v : values) {
      squares += (v - mean) * (v - mean);
    }
    double half = Z * Math.sqrt(squares / (values.length - 1) / values.length);
    return new Interval(Math.max(0, mean - half), mean + half);
  }

  static double mean(double[] values) {
    double sum = 0;
    for (double v : values) {
      sum += v;
    }
    return sum / values.length;
  }
}
