package io.hydrahead.study.stats;

import io.hydrahead.data.Dice;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Percentile bootstrap over haystacks within seeds (Efron, "Bootstrap methods: another look at the
 * jackknife", 1979): the haystacks of every cell of every seed are drawn anew with replacement, the
 * cells and the seeds stay. The intervals speak of other haystacks for these very models, not of
 * other training seeds; hence every seed's own value beside them, and {@link AcrossSeeds}.
 */
public final class Bootstrap {
  private static final double TAIL = 0.025;

  private final int replicates;
  private final long seed;

  /**
   * @param replicates 10,000 give an end of an interval to about a fiftieth of its width
   */
  public Bootstrap(int replicates, long seed) {
    this.replicates = replicates;
    this.seed = seed;
  }

  /**
   * The scores of a cell's haystacks, or their differences.
   *
   * @param weight of their mean in the seed's value; negative in a difference of unpaired cells
   */
  public record Part(double weight, double[] values) {
    /** Weight times the values' mean: what it adds to its seed's value. */
    public double mean() {
      return weight * Arrays.stream(values).average().orElseThrow();
    }

    double drawn(Dice dice) {
      double sum = 0;
      for (int i = 0; i < values.length; i++) {
        sum += values[dice.below(values.length)];
      }
      return weight * sum / values.length;
    }
  }

  /**
   * A value with its 95% interval.
   *
   * @param bySeed each seed's own value
   * @param haystacks that it is made of; of a ratio, those of the numerator
   * @param draws the bootstrap's values, ascending
   */
  public record Estimate(
      double value,
      double low,
      double high,
      Map<Integer, Double> bySeed,
      int haystacks,
      double[] draws) {

    /** One-sided p-value against "the true value is at most {@code bound}". */
    public double pAtMost(double bound) {
      int below = 0;
      while (below < draws.length && draws[below] <= bound) {
        below++;
      }
      return (below + 1.0) / (draws.length + 1.0);
    }
  }

  /**
   * Mean over seeds of Σ weight · mean(values).
   *
   * @param seeds the parts of each seed
   */
  public Estimate mean(Map<Integer, List<Part>> seeds) {
    require(seeds);
    Map<Integer, Double> bySeed = new TreeMap<>();
    seeds.forEach((s, parts) -> bySeed.put(s, value(parts)));
    double[] draws = draws(seeds, new Dice(seed, 1));
    return estimate(average(bySeed), bySeed, haystacks(seeds), draws);
  }

  /** Each seed's own value, with an interval over its own haystacks alone. */
  public Map<Integer, Estimate> each(Map<Integer, List<Part>> seeds) {
    Map<Integer, Estimate> out = new TreeMap<>();
    seeds.forEach((s, parts) -> out.put(s, mean(Map.of(s, parts))));
    return out;
  }

  /**
   * Ratio of two such means, over haystacks that have nothing to do with each other; NaN where the
   * denominator is 0.
   */
  public Estimate ratio(Map<Integer, List<Part>> above, Map<Integer, List<Part>> below) {
    require(above);
    require(below);
    Map<Integer, Double> bySeed = new TreeMap<>();
    above.forEach((s, parts) -> {
      if (below.containsKey(s)) {
        bySeed.put(s, value(parts) / value(below.get(s)));
      }
    });
    double[] draws = draws(above, new Dice(seed, 1));
    double[] others = draws(below, new Dice(seed, 2));
    for (int i = 0; i < draws.length; i++) {
      draws[i] /= others[i];
    }
    double value = average(values(above)) / average(values(below));
    return estimate(value, bySeed, haystacks(above), draws);
  }

  private static Map<Integer, Double> values(Map<Integer, List<Part>> seeds) {
    Map<Integer, Double> out = new TreeMap<>();
    seeds.forEach((s, parts) -> out.put(s, value(parts)));
    return out;
  }

  private static void require(Map<Integer, List<Part>> seeds) {
    if (seeds.isEmpty() || seeds.values().stream().anyMatch(List::isEmpty)) {
      throw new IllegalArgumentException("nothing to estimate from: " + seeds.keySet());
    }
  }

  private static double value(List<Part> parts) {
    return parts.stream().mapToDouble(Part::mean).sum();
  }

  private static double average(Map<Integer, Double> bySeed) {
    return bySeed.values().stream().mapToDouble(v -> v).average().orElseThrow();
  }

  private static int haystacks(Map<Integer, List<Part>> seeds) {
    return seeds.values().stream()
        .flatMap(List::stream)
        .filter(p -> p.weight > 0)
        .mapToInt(p -> p.values.length)
        .sum();
  }

  /** In the order in which they are drawn. */
  private double[] draws(Map<Integer, List<Part>> seeds, Dice dice) {
    List<List<Part>> parts = List.copyOf(new TreeMap<>(seeds).values());
    double[] out = new double[replicates];
    for (int r = 0; r < replicates; r++) {
      double sum = 0;
      for (List<Part> ofSeed : parts) {
        for (Part p : ofSeed) {
          sum += p.drawn(dice);
        }
      }
      out[r] = sum / parts.size();
    }
    return out;
  }

  private static Estimate estimate(
      double value, Map<Integer, Double> bySeed, int haystacks, double[] draws) {
    double[] sorted = draws.clone();
    Arrays.sort(sorted);
    return new Estimate(
        value, quantile(sorted, TAIL), quantile(sorted, 1 - TAIL), bySeed, haystacks, sorted);
  }

  /** Between the two draws that {@code share} lies between. */
  private static double quantile(double[] sorted, double share) {
    double at = share * (sorted.length - 1);
    int i = (int) at;
    int j = Math.min(i + 1, sorted.length - 1);
    return sorted[i] + (at - i) * (sorted[j] - sorted[i]);
  }
}
