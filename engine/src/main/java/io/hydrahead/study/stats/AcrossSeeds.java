package io.hydrahead.study.stats;

import java.util.Collection;
import java.util.Optional;

/**
 * The mean of the training seeds' values with its 95% interval, each seed being one observation:
 * mean ± t(0.975, n − 1) · s / √n (Student, "The probable error of a mean", 1908). It speaks of
 * other training seeds, where {@link Bootstrap} speaks of other haystacks for the same models.
 *
 * @param mean of the seeds' values
 * @param low its end below
 * @param high its end above
 * @param seeds n, at least 2
 */
public record AcrossSeeds(double mean, double low, double high, int seeds) {
  /** t(0.975, f) for f = 1, 2, … degrees of freedom. */
  private static final double[] QUANTILES = {
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281, 2.2010, 2.1788,
    2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860
  };

  /** The normal distribution's quantile at 0.975. */
  private static final double NORMAL = 1.959964;

  /** Empty for fewer than two values: one tells nothing of others. */
  public static Optional<AcrossSeeds> of(Collection<Double> values) {
    int n = values.size();
    if (n < 2) {
      return Optional.empty();
    }
    double mean = values.stream().mapToDouble(v -> v).average().orElseThrow();
    double squares = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
    double half = quantile(n - 1) * Math.sqrt(squares / (n - 1) / n);
    return Optional.of(new AcrossSeeds(mean, mean - half, mean + half, n));
  }

  /** Whether the interval has {@code value} within it. */
  public boolean holds(double value) {
    return low <= value && value <= high;
  }

  /**
   * t(0.975, {@code freedom}): from a table up to 20, above by the first terms of its expansion
   * about the normal distribution's (Abramowitz and Stegun, 26.7.5), right to four digits.
   *
   * @throws IllegalArgumentException for less than one degree of freedom
   */
  public static double quantile(int freedom) {
    if (freedom < 1) {
      throw new IllegalArgumentException(freedom + " degrees of freedom; give at least 1");
    }
    if (freedom <= QUANTILES.length) {
      return QUANTILES[freedom - 1];
    }
    double z = NORMAL;
    double q = z * z;
    double f = freedom;
    double first = z * (q + 1) / 4;
    double second = z * ((5 * q + 16) * q + 3) / 96;
    double third = z * (((3 * q + 19) * q + 17) * q - 15) / 384;
    return z + (first + (second + third / f) / f) / f;
  }
}
