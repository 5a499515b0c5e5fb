package io.hydrahead.cli;

import java.util.Arrays;

/** The middle of what was measured, the upper one of an even number. */
final class Median {
  private Median() {}

  /** Of the first {@code n} values, which stay as they are. */
  static double of(double[] values, int n) {
    double[] sorted = Arrays.copyOf(values, n);
    Arrays.sort(sorted);
    return sorted[n / 2];
  }

  /** The least of the first {@code n} values. */
  static double least(double[] values, int n) {
    return Arrays.stream(values, 0, n).min().orElseThrow();
  }
}
