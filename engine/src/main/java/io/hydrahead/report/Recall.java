package io.hydrahead.report;

import io.hydrahead.report.ReportInput.Cell;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** Accuracy cells, put together by task family and over all tasks. */
final class Recall {
  private final List<Cell> cells;
  private final List<String> models;

  /**
   * Several cells as one.
   *
   * @param accuracy mean over samples
   * @param low end of the 95% Wilson interval over all samples
   */
  record Pool(double accuracy, double low, double high, int samples) {}

  Recall(ReportInput input) {
    cells = input.cells().stream().filter(Cell::isAccuracy).toList();
    Set<String> measured = new HashSet<>();
    cells.forEach(c -> measured.add(c.model()));
    models = input.modelNames().stream().filter(measured::contains).toList();
  }

  boolean isEmpty() {
    return cells.isEmpty();
  }

  /** Models with results. */
  List<String> models() {
    return models;
  }

  List<Integer> lengths() {
    Set<Integer> out = new TreeSet<>();
    cells.forEach(c -> out.add(c.length()));
    return List.copyOf(out);
  }

  /** Tasks by family, in order of appearance. */
  Map<String, List<String>> families() {
    Map<String, List<String>> out = new LinkedHashMap<>();
    for (Cell c : cells) {
      List<String> tasks = out.computeIfAbsent(family(c.task()), f -> new ArrayList<>());
      if (!tasks.contains(c.task())) {
        tasks.add(c.task());
      }
    }
    return out;
  }

  /** The family that a task's name tells. */
  static String family(String task) {
    String t = task.toLowerCase(java.util.Locale.ROOT).replace('-', '_');
    if (t.contains("multikey")) {
      return "Needle among many keys";
    }
    if (t.contains("multivalue") || t.contains("multiquery")) {
      return "Several needles at once";
    }
    if (t.contains("niah") || t.contains("needle") || t.contains("single")) {
      return "Single needle";
    }
    if (t.equals("vt") || t.contains("variable")) {
      return "Variable tracking";
    }
    if (t.equals("cwe") || t.equals("fwe") || t.contains("words")) {
      return "Word counting";
    }
    if (t.contains("mqar") || t.contains("phonebook") || t.contains("key_value")) {
      return "Associative recall";
    }
    return task;
  }

  /**
   * Pools the given tasks at each length at which every model has the same ones of them: what is
   * compared is then alike.
   */
  Map<String, Map<Integer, Pool>> pooled(List<String> tasks) {
    Map<String, Map<Integer, Pool>> out = new LinkedHashMap<>();
    models.forEach(m -> out.put(m, new TreeMap<>()));
    for (int length : lengths()) {
      Set<String> common = new HashSet<>(tasks);
      for (String model : models) {
        Set<String> has = new HashSet<>();
        of(model, length, tasks).forEach(c -> has.add(c.task()));
        if (!has.isEmpty()) {
          common.retainAll(has);
        }
      }
      for (String model : models) {
        pool(of(model, length, List.copyOf(common))).ifPresent(p -> out.get(model).put(length, p));
      }
    }
    return out;
  }

  /** All tasks of all families. */
  List<String> tasks() {
    return families().values().stream().flatMap(List::stream).toList();
  }

  private List<Cell> of(String model, int length, List<String> tasks) {
    return cells.stream()
        .filter(c -> c.model().equals(model) && c.length() == length && tasks.contains(c.task()))
        .toList();
  }

  /** Cells as one, weighted by their samples. */
  static Optional<Pool> pool(List<Cell> some) {
    if (some.isEmpty()) {
      return Optional.empty();
    }
    if (some.size() == 1) {
      Cell c = some.getFirst();
      return Optional.of(new Pool(c.value(), c.low(), c.high(), c.samples()));
    }
    int n = some.stream().mapToInt(Cell::samples).sum();
    if (n == 0) {
      double mean = some.stream().mapToDouble(Cell::value).average().orElseThrow();
      return Optional.of(new Pool(mean, mean, mean, 0));
    }
    double p = some.stream().mapToDouble(c -> c.value() * c.samples()).sum() / n;
    return Optional.of(wilson(p, n));
  }

  /** Wilson's 95% score interval of a share {@code p} of {@code n} samples. */
  static Pool wilson(double p, int n) {
    double z = 1.959963985;
    double z2 = z * z / n;
    double centre = (p + z2 / 2) / (1 + z2);
    double half = z * Math.sqrt(p * (1 - p) / n + z2 / (4 * n)) / (1 + z2);
    double low = p == 0 ? 0 : Math.max(0, centre - half);
    double high = p == 1 ? 1 : Math.min(1, centre + half);
    return new Pool(p, low, high, n);
  }
}
