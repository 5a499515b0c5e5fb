package io.hydrahead.study.stats;

import io.hydrahead.data.Split;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.eval.CellSpec;
import io.hydrahead.study.stats.Bootstrap.Part;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** All finished cells of a study's test split, by arm, seed, task and length. */
public final class StudyCells {
  private final List<CellResult> all;
  private final Map<Key, CellResult> byKey = new HashMap<>();

  private record Key(String arm, int seed, String task, int length) {}

  public StudyCells(Collection<CellResult> cells) {
    all = cells.stream().filter(c -> c.spec().split() == Split.TEST).toList();
    for (CellResult c : all) {
      byKey.put(new Key(c.arm(), c.seed(), c.spec().task(), c.spec().length()), c);
    }
  }

  public List<CellResult> all() {
    return all;
  }

  /** Arms with any cell, in order of appearance. */
  public Set<String> arms() {
    Set<String> out = new LinkedHashSet<>();
    all.forEach(c -> out.add(c.arm()));
    return out;
  }

  /** Seeds of an arm, ascending. */
  public Set<Integer> seeds(String arm) {
    Set<Integer> out = new TreeSet<>();
    all.stream().filter(c -> c.arm().equals(arm)).forEach(c -> out.add(c.seed()));
    return out;
  }

  /** Recall tasks, in order of appearance. */
  public Set<String> tasks() {
    Set<String> out = new LinkedHashSet<>();
    all.stream().filter(c -> c.spec().isRecall()).forEach(c -> out.add(c.spec().task()));
    return out;
  }

  /** Lengths of recall tasks of any arm, ascending. */
  public Set<Integer> lengths() {
    Set<Integer> out = new TreeSet<>();
    all.stream().filter(c -> c.spec().isRecall()).forEach(c -> out.add(c.spec().length()));
    return out;
  }

  /** Lengths at which {@code arm} has {@code task}, ascending. */
  public Set<Integer> lengths(String arm, String task) {
    Set<Integer> out = new TreeSet<>();
    for (CellResult c : all) {
      if (c.arm().equals(arm) && c.spec().task().equals(task)) {
        out.add(c.spec().length());
      }
    }
    return out;
  }

  public Optional<CellResult> cell(String arm, int seed, String task, int length) {
    return Optional.ofNullable(byKey.get(new Key(arm, seed, task, length)));
  }

  /** A task at a length. */
  public record Place(String task, int length) {
    /** The tasks of {@code places}, each once. */
    public static Set<String> tasks(Collection<Place> places) {
      return places.stream().map(Place::task).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** The lengths of {@code places}, each once. */
    public static Set<Integer> lengths(Collection<Place> places) {
      return places.stream()
          .map(Place::length)
          .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /**
     * Whether {@code places}, each once, has every one of its tasks at every one of its lengths.
     */
    public static boolean even(Collection<Place> places) {
      return places.size() == tasks(places).size() * lengths(places).size();
    }
  }

  /** The places of {@code tasks} × {@code lengths} that every one of {@code arms} has. */
  public List<Place> common(
      Collection<String> arms, Collection<String> tasks, Collection<Integer> lengths) {
    List<Place> out = new ArrayList<>();
    for (String task : tasks) {
      for (int length : lengths) {
        if (arms.stream().allMatch(a -> lengths(a, task).contains(length))) {
          out.add(new Place(task, length));
        }
      }
    }
    return out;
  }

  /**
   * Those of {@code places} that all of {@code arms} have on as many seeds as on any other place: a
   * length that was measured on one seed alone does not leave the other seeds out.
   */
  public List<Place> onMostSeeds(Collection<String> arms, List<Place> places) {
    Map<Place, Long> seeds = new HashMap<>();
    for (Place p : places) {
      seeds.put(
          p,
          seeds(arms.iterator().next()).stream()
              .filter(s -> arms.stream().allMatch(a -> cell(a, s, p.task, p.length).isPresent()))
              .count());
    }
    long most = seeds.values().stream().mapToLong(n -> n).max().orElse(0);
    return places.stream().filter(p -> seeds.get(p) == most).toList();
  }

  /**
   * The cells of an arm at {@code places}, a seed's cells weighted alike; seeds with all of them.
   */
  public Map<Integer, List<Part>> parts(String arm, List<Place> places) {
    Map<Integer, List<Part>> out = new TreeMap<>();
    for (int seed : seeds(arm)) {
      List<Part> parts = new ArrayList<>();
      for (Place p : places) {
        cell(arm, seed, p.task, p.length)
            .ifPresent(c -> parts.add(new Part(1.0 / places.size(), c.scores())));
      }
      if (!places.isEmpty() && parts.size() == places.size()) {
        out.put(seed, parts);
      }
    }
    return out;
  }

  /**
   * Differences {@code arm} − mean of {@code others} at {@code places}, by seed: paired, haystack
   * by haystack, where all saw the same ones, else as differences of means. Seeds that lack a cell
   * are left out.
   */
  public Map<Integer, List<Part>> differences(
      String arm, Collection<String> others, List<Place> places) {
    Map<Integer, List<Part>> out = new TreeMap<>();
    for (int seed : seeds(arm)) {
      List<Part> parts = new ArrayList<>();
      boolean all = !places.isEmpty() && !others.isEmpty();
      for (Place p : places) {
        Optional<CellResult> own = cell(arm, seed, p.task, p.length);
        List<CellResult> theirs =
            others.stream().flatMap(o -> cell(o, seed, p.task, p.length).stream()).toList();
        all &= own.isPresent() && theirs.size() == others.size();
        if (all) {
          add(parts, own.get(), theirs, 1.0 / places.size());
        }
      }
      if (all) {
        out.put(seed, parts);
      }
    }
    return out;
  }

  private static void add(
      List<Part> parts, CellResult own, List<CellResult> theirs, double weight) {
    boolean paired = theirs.stream().allMatch(t -> t.haystackHash().equals(own.haystackHash()));
    if (!paired) {
      parts.add(new Part(weight, own.scores()));
      theirs.forEach(t -> parts.add(new Part(-weight / theirs.size(), t.scores())));
      return;
    }
    int n = own.scores().length;
    for (CellResult t : theirs) {
      n = Math.min(n, t.scores().length);
    }
    double[] d = new double[n];
    for (int i = 0; i < n; i++) {
      double sum = 0;
      for (CellResult t : theirs) {
        sum += t.scores()[i];
      }
      d[i] = own.scores()[i] - sum / theirs.size();
    }
    parts.add(new Part(weight, d));
  }

  /** Mean over seeds, and over the places that the arm has, of its scores; NaN without any. */
  public double mean(String arm, Collection<String> tasks, Collection<Integer> lengths) {
    return means(arm, tasks, lengths).values().stream()
        .mapToDouble(v -> v)
        .average()
        .orElse(Double.NaN);
  }

  /** The same of each seed that has all of what the arm has of them, ascending. */
  public Map<Integer, Double> means(
      String arm, Collection<String> tasks, Collection<Integer> lengths) {
    Map<Integer, Double> out = new TreeMap<>();
    parts(arm, common(List.of(arm), tasks, lengths))
        .forEach((seed, l) -> out.put(seed, l.stream().mapToDouble(Part::mean).sum()));
    return out;
  }

  /** The perplexity cells of an arm, longest last. */
  public List<CellResult> perplexity(String arm) {
    return all.stream()
        .filter(c -> c.arm().equals(arm) && c.spec().task().equals(CellSpec.PERPLEXITY))
        .sorted(java.util.Comparator.comparingInt(c -> c.spec().length()))
        .toList();
  }
}
