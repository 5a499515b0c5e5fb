package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.report.SvgFigure;
import io.hydrahead.report.SvgFigure.Point;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Statements;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Recall against the bytes of a sequence's KV cache and recurrent state, at the longest length that
 * three quarters of the arms have, over the families that all arms there share.
 */
final class MemoryFigure {
  private final ResultsFolder folder;
  private final StudyCells cells;
  private final Looks looks;
  private final int length;
  private final List<Place> places;
  private final List<String> absent;
  private final Map<String, Estimate> recall = new LinkedHashMap<>();
  private final Set<Integer> seeds;
  private final List<String> below = new ArrayList<>();

  MemoryFigure(ResultsFolder folder, List<String> deciding, Bootstrap bootstrap, Looks looks) {
    this.folder = folder;
    this.looks = looks;
    cells = folder.cells();
    Set<String> all = new LinkedHashSet<>(folder.roles().core());
    all.addAll(folder.roles().compared());
    folder.roles().curves().values().forEach(all::addAll);
    all.removeIf(a -> !cells.arms().contains(a) || !(bytes(a, Set.of(), 1) > 0));
    length =
        cells.lengths().stream()
            .filter(l -> at(all, deciding, l).size() >= PooledRecall.MOST_ARMS * all.size())
            .reduce((a, b) -> b)
            .orElse(0);
    List<String> there = at(all, deciding, length);
    absent = all.stream().filter(a -> !there.contains(a)).toList();
    places = cells.common(there, deciding, List.of(length));
    PooledRecall pooled = new PooledRecall(cells, there, Place.tasks(places), bootstrap);
    there.forEach(a -> pooled.over(a, places).ifPresent(e -> recall.put(a, e)));
    seeds = Figures.sharedSeeds(recall.values());
    recall.replaceAll(
        (a, e) -> Figures.hasAll(e, seeds) ? pooled.over(a, places, seeds).orElse(e) : e);
  }

  /**
   * Those of {@code arms} that have some of {@code tasks} at {@code length}, of enough haystacks.
   */
  private List<String> at(Set<String> arms, List<String> tasks, int length) {
    return arms.stream()
        .filter(a ->
            cells.seeds(a).stream()
                .anyMatch(s ->
                    tasks.stream()
                        .flatMap(t -> cells.cell(a, s, t, length).stream())
                        .anyMatch(c -> c.scores().length >= Statements.FEW)))
        .toList();
  }

  /** Mean over {@code seeds}, or over all where there are none; NaN where it was not written. */
  private double bytes(String arm, Set<Integer> seeds, int length) {
    return folder.arms().stream()
        .filter(f -> f.arm().equals(arm) && (seeds.isEmpty() || seeds.contains(f.seed())))
        .mapToDouble(f -> f.memory().cacheBytes(length))
        .average()
        .orElse(Double.NaN);
  }

  private double bytes(String arm) {
    return bytes(arm, recall.get(arm).bySeed().keySet(), length);
  }

  /** Empty where there are not two arms to compare. */
  Optional<String> svg() {
    if (recall.size() < 2) {
      return Optional.empty();
    }
    double from = drop();
    double low = recall.keySet().stream().mapToDouble(this::bytes).min().orElseThrow();
    double high = recall.keySet().stream().mapToDouble(this::bytes).max().orElseThrow();
    SvgFigure figure =
        SvgFigure.sharesOverBytes(
            "Recall at " + Lengths.format(length) + " against memory",
            low / 1.5,
            high * 1.5,
            "KV cache and recurrent state of one sequence",
            from);
    List<String> left = new ArrayList<>(recall.keySet());
    List<Runnable> lines = new ArrayList<>();
    folder
        .roles()
        .curves()
        .forEach((name, arms) -> {
          List<String> own =
              arms.stream()
                  .filter(left::contains)
                  .filter(a -> recall.get(a).bySeed().keySet().equals(seeds))
                  .sorted(Comparator.comparingDouble(this::bytes))
                  .toList();
          if (own.size() > 1) {
            left.removeAll(own);
            lines.add(() -> line(figure, name, own));
          }
        });
    boolean fewer = false;
    String causal = folder.roles().causal();
    if (left.remove(causal)) {
      left.add(causal); // on top where markers meet
    }
    for (String arm : left) {
      Set<Integer> own = recall.get(arm).bySeed().keySet();
      String label = folder.label(arm);
      List<Point> point = List.of(point(arm));
      if (own.equals(seeds)) {
        figure.add(looks.of(arm), label, point);
      } else {
        String who = label + ", " + Numbers.seedWords(own);
        figure.addDashed(looks.of(arm), who, point);
        fewer = true;
      }
    }
    lines.forEach(Runnable::run);
    notes(figure);
    Figures.fromAbove0(from).ifPresent(figure::note);
    if (fewer) {
      figure.note("Hollow: of other seeds, so not to be compared with the rest.");
    }
    return Optional.of(figure.svg());
  }

  /** Leaves out what would flatten all others, and gives the least share that is left. */
  private double drop() {
    double best = recall.values().stream().mapToDouble(Estimate::value).max().orElseThrow();
    for (String arm : List.copyOf(recall.keySet())) {
      double value = recall.get(arm).value();
      if (value < best / 2) {
        below.add(
            folder.label(arm)
                + " ("
                + Numbers.mebibytes(bytes(arm))
                + " MiB), "
                + Numbers.percent(value)
                + "%");
        recall.remove(arm);
      }
    }
    return recall.values().stream().mapToDouble(Estimate::value).min().orElseThrow();
  }

  private void line(SvgFigure figure, String name, List<String> arms) {
    Set<Integer> heads = new TreeSet<>();
    arms.forEach(a -> folder.facts(a).ifPresent(f -> heads.add((int) f.number("full_heads"))));
    String label = name + ": " + Numbers.list(heads) + " full heads";
    List<Point> points = arms.stream().map(this::point).toList();
    if (heads.size() == arms.size()) {
      figure.add(looks.ofLine(arms), label, points);
    } else {
      figure.addPoints(looks.ofLine(arms), label, points);
    }
  }

  private Point point(String arm) {
    return Figures.point(bytes(arm), recall.get(arm), folder.label(arm));
  }

  private void notes(SvgFigure figure) {
    figure.note(
        "Mean over "
            + Numbers.list(Place.tasks(places))
            + ", all that these arms share at this length.");
    figure.note(
        "Mean over "
            + Numbers.seedWords(seeds)
            + " unless said; bars: 95% intervals over haystacks. Up and left is better.");
    if (!below.isEmpty()) {
      figure.note("Below the chart: " + String.join("; ", below) + ".");
    }
    if (!absent.isEmpty()) {
      figure.note(
          "Not measured at this length: "
              + String.join(", ", absent.stream().map(folder::label).toList())
              + ".");
    }
  }
}
