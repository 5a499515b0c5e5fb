package io.hydrahead.data;

import java.util.List;

/**
 * Seeded random numbers whose sequence is part of the data's definition: the same on every machine
 * and JDK. SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
 * 2014).
 */
public final class Dice {
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  private final long origin;
  private long state;

  /** Dice that depend on every one of {@code parts} and on their order. */
  public Dice(long... parts) {
    long s = GOLDEN;
    for (long p : parts) {
      s = mix(s ^ mix(p + GOLDEN)) + GOLDEN;
    }
    origin = s;
    state = s;
  }

  /**
   * Independent dice number {@code i}: a function of this one's seed, not of what it has thrown.
   */
  public Dice fork(long i) {
    return new Dice(origin, i);
  }

  /** The next 64 bits. */
  public long next() {
    state += GOLDEN;
    return mix(state);
  }

  /** Uniform in [0, n). */
  public int below(int n) {
    if (n <= 0) {
      throw new IllegalArgumentException("a die with " + n + " sides");
    }
    return (int) Math.unsignedMultiplyHigh(next(), n);
  }

  /** Uniform in [low, high], both included. */
  public int range(int low, int high) {
    return low + below(high - low + 1);
  }

  /** Uniform in [0, 1). */
  public double unit() {
    return (next() >>> 11) * 0x1p-53;
  }

  /** Whether an event of probability {@code p} happens. */
  public boolean chance(double p) {
    return unit() < p;
  }

  /** Whole number in [low, high] whose logarithm is uniform. */
  public int logRange(int low, int high) {
    if (low >= high) {
      return high;
    }
    double x = low * Math.exp(unit() * Math.log((high + 1.0) / low));
    return Math.clamp((int) x, low, high);
  }

  /** One of {@code list}. */
  public <T> T pick(List<T> list) {
    return list.get(below(list.size()));
  }

  /** Index i with probability weights[i] / Σ weights. */
  public int weighted(double[] weights) {
    double sum = 0;
    for (double w : weights) {
      sum += w;
    }
    double x = unit() * sum;
    for (int i = 0; i < weights.length; i++) {
      x -= weights[i];
      if (x < 0 && weights[i] > 0) {
        return i;
      }
    }
    for (int i = weights.length - 1; i >= 0; i--) {
      if (weights[i] > 0) {
        return i;
      }
    }
    throw new IllegalArgumentException("no weight is above 0");
  }

  /** Shuffles in place (Fisher and Yates). */
  public void shuffle(List<?> list) {
    for (int i = list.size() - 1; i > 0; i--) {
      java.util.Collections.swap(list, i, below(i + 1));
    }
  }

  /** A bijection of 64 bits that scatters them. */
  static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
