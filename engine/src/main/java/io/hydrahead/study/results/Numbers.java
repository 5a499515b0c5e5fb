package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.stats.AcrossSeeds;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Numbers as the document writes them; what was not measured is a dash. */
final class Numbers {
  static final String NONE = "–";

  private Numbers() {}

  static String format(String format, double v) {
    return Double.isFinite(v) ? String.format(Locale.ROOT, format, v) : NONE;
  }

  /** A share in percent without its sign: 97.1. */
  static String percent(double share) {
    return format("%.1f", 100 * share);
  }

  /** 97.1 [95.8, 98.2]. */
  static String percent(Estimate e) {
    return percent(e.value()) + " [" + percent(e.low()) + ", " + percent(e.high()) + "]";
  }

  /** A difference in points with its sign: +2.1. */
  static String points(double difference) {
    return format("%+.1f", 100 * difference).replace("-0.0", "0.0").replace("+0.0", "0.0");
  }

  /** +2.1 [+0.9, +3.4]. */
  static String points(Estimate e) {
    return points(e.value(), e.low(), e.high());
  }

  /** +2.1 [-7.9, +12.1]. */
  static String points(AcrossSeeds a) {
    return points(a.mean(), a.low(), a.high());
  }

  private static String points(double value, double low, double high) {
    return points(value) + " [" + points(low) + ", " + points(high) + "]";
  }

  /** Each seed's value in points, by ascending seed. */
  static String seeds(Estimate e) {
    return e.bySeed().values().stream().map(Numbers::points).collect(Collectors.joining(", "));
  }

  /** Each of {@code seeds}' value in points, a cell of a table each. */
  static List<String> seeds(Estimate e, Collection<Integer> seeds) {
    return seeds.stream()
        .map(s -> e.bySeed().containsKey(s) ? points(e.bySeed().get(s)) : NONE)
        .toList();
  }

  /** 0, 1, 2. */
  static String list(Collection<?> items) {
    return items.stream().map(Object::toString).collect(Collectors.joining(", "));
  }

  /** "a", "a and b", "a, b and c". */
  static String words(List<String> items) {
    int last = items.size() - 1;
    return last < 1
        ? String.join("", items)
        : String.join(", ", items.subList(0, last)) + " and " + items.get(last);
  }

  /** "seed 0" or "seeds 0, 1". */
  static String seedWords(Collection<Integer> seeds) {
    return (seeds.size() == 1 ? "seed " : "seeds ") + list(seeds);
  }

  /**
   * "4K" or "4K–32K"; each of them, "4K, 16K, 32K", where one in between is missing.
   *
   * @param all lengths that there are in the study
   */
  static String span(Collection<Integer> lengths, Collection<Integer> all) {
    int first = Collections.min(lengths);
    int last = Collections.max(lengths);
    if (all.stream().anyMatch(l -> l > first && l < last && !lengths.contains(l))) {
      return list(lengths.stream().distinct().sorted().map(Lengths::format).toList());
    }
    return Lengths.format(first) + (first == last ? "" : "–" + Lengths.format(last));
  }

  /** "1 family", "9 families". */
  static String families(int n) {
    return n + (n == 1 ? " family" : " families");
  }

  /** " (1)" behind a number that is of fewer seeds than its row, else nothing. */
  static String fewer(int seeds, int ofRow) {
    return seeds < ofRow ? " (" + seeds + ")" : "";
  }

  static String p(double p) {
    return p < 0.001 ? "< 0.001" : format("%.3f", p);
  }

  /** 24.4M, in powers of 1000. */
  static String count(double n) {
    String[] units = {"", "K", "M", "G", "T", "P"};
    double v = n;
    int unit = 0;
    while (v >= 999.5 && unit < units.length - 1) {
      v /= 1000;
      unit++;
    }
    return format(unit == 0 || v >= 99.95 ? "%.0f" : "%.1f", v) + units[unit];
  }

  /** In MiB. */
  static String mebibytes(double bytes) {
    double v = bytes / (1 << 20);
    return format(v >= 99.95 ? "%.0f" : v >= 9.995 ? "%.1f" : "%.2f", v);
  }

  static String hours(double seconds) {
    return format("%.2f", seconds / 3600);
  }
}
