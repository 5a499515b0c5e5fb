package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.report.SvgFigure;
import io.hydrahead.report.SvgFigure.Point;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Recall by number of full heads. All points are means over the same families, lengths and seeds;
 * those of arms that lack one of the seeds stand apart.
 */
final class HeadsFigure {
  private final ResultsFolder folder;
  private final Map<String, List<String>> curves = new LinkedHashMap<>();
  private final Looks looks;
  private final PooledRecall recall;

  /** That the arms on the chart share. */
  private final List<Place> places;

  /** Recall of the arms on the chart over all these places. */
  private final Map<String, Estimate> at = new LinkedHashMap<>();

  /** Which every point is a mean over. */
  private final Set<Integer> seeds;

  /** What the reader must know of lines and markers. */
  private final Set<String> hints = new LinkedHashSet<>();

  /** Arms whose recall would flatten all others, with what is said of it. */
  private final Map<String, String> below = new LinkedHashMap<>();

  HeadsFigure(ResultsFolder folder, List<String> deciding, Bootstrap bootstrap, Looks looks) {
    this.folder = folder;
    this.looks = looks;
    Set<String> all = new LinkedHashSet<>();
    folder
        .roles()
        .curves()
        .forEach((name, arms) -> {
          List<String> there =
              arms.stream().filter(a -> heads(a) > 0 && folder.cells().arms().contains(a)).toList();
          curves.put(name, there);
          all.addAll(there);
        });
    // What is not drawn must not narrow what the drawn ones are compared on.
    List<Place> of = common(all, deciding);
    PooledRecall rough = new PooledRecall(folder.cells(), all, Place.tasks(of), bootstrap);
    Map<String, Double> values = new LinkedHashMap<>();
    all.forEach(a -> rough.over(a, of).ifPresent(e -> values.put(a, e.value())));
    double best = values.values().stream().mapToDouble(v -> v).max().orElse(0);
    all.removeIf(a -> values.getOrDefault(a, best) < best / 2);
    places = common(all, deciding);
    recall = new PooledRecall(folder.cells(), all, Place.tasks(places), bootstrap);
    all.forEach(a -> recall.over(a, places).ifPresent(e -> at.put(a, e)));
    for (String arm : values.keySet()) {
      if (!all.contains(arm)) {
        below(arm, new PooledRecall(folder.cells(), Set.of(arm), Place.tasks(places), bootstrap));
      }
    }
    curves.replaceAll((name, arms) -> arms.stream().filter(a -> at.containsKey(a)).toList());
    curves.values().removeIf(List::isEmpty);
    seeds = Figures.sharedSeeds(arms().stream().map(at::get).toList());
  }

  private List<Place> common(Set<String> arms, List<String> tasks) {
    return folder.cells().common(arms, tasks, folder.cells().lengths());
  }

  /** At the shortest length at which it has all the families. */
  private void below(String arm, PooledRecall own) {
    own.lengths().stream()
        .findFirst()
        .ifPresent(l -> {
          Estimate e = own.at(arm, l).orElseThrow();
          below.put(
              arm,
              folder.label(arm)
                  + " ("
                  + Numbers.format("%.0f", heads(arm))
                  + " heads, "
                  + Numbers.seedWords(e.bySeed().keySet())
                  + "), "
                  + Numbers.percent(e.value())
                  + "% at "
                  + Lengths.format(l));
        });
  }

  private double heads(String arm) {
    return folder.facts(arm).map(f -> f.number("full_heads")).orElse(Double.NaN);
  }

  private Set<Integer> seeds(String arm) {
    return at.get(arm).bySeed().keySet();
  }

  private List<String> arms() {
    return curves.values().stream().flatMap(List::stream).distinct().toList();
  }

  /** Empty where there are not two arms to compare. */
  Optional<String> svg() {
    List<String> all = arms();
    if (all.size() < 2) {
      return Optional.empty();
    }
    double from =
        all.stream()
            .flatMap(a -> recall.over(a, places, seeds).stream())
            .mapToDouble(Estimate::low)
            .min()
            .orElseThrow();
    List<Integer> heads = all.stream().map(a -> (int) heads(a)).distinct().sorted().toList();
    SvgFigure figure =
        SvgFigure.sharesOverNumbers("Recall by number of full heads", heads, "full heads", from);
    curves.forEach((name, arms) -> draw(figure, name, arms));
    notes(figure);
    Figures.fromAbove0(from).ifPresent(figure::note);
    return Optional.of(figure.svg());
  }

  private void draw(SvgFigure figure, String name, List<String> arms) {
    int look = looks.ofLine(arms);
    List<String> same = arms.stream().filter(a -> Figures.hasAll(at.get(a), seeds)).toList();
    List<String> others = arms.stream().filter(a -> !same.contains(a)).toList();
    boolean ascending = arms.stream().map(this::heads).distinct().count() == arms.size();
    if (ascending) {
      figure.add(look, name, points(same, seeds));
    } else {
      figure.addPoints(look, name, points(same, seeds));
    }
    if (!others.isEmpty()) {
      others.forEach(a -> figure.addApart(look, points(List.of(a), seeds(a))));
      hints.add("Hollow, not joined: of other seeds, so not to be compared with the rest.");
    }
  }

  private List<Point> points(List<String> arms, Set<Integer> seeds) {
    List<Point> out = new ArrayList<>();
    arms.stream()
        .sorted(Comparator.comparingDouble(this::heads))
        .forEach(a ->
            recall
                .over(a, places, seeds)
                .ifPresent(e ->
                    out.add(
                        Figures.point(
                            heads(a), e, folder.label(a) + ", " + Numbers.seedWords(seeds)))));
    return out;
  }

  private void notes(SvgFigure figure) {
    figure.note(
        "Mean over "
            + Numbers.list(recall.families())
            + " at "
            + Numbers.list(Place.lengths(places).stream().map(Lengths::format).toList())
            + ", all that these arms share.");
    figure.note("Mean over " + Numbers.seedWords(seeds) + "; bars: 95% intervals over haystacks.");
    hints.forEach(figure::note);
    if (!below.isEmpty()) {
      figure.note("Below the chart: " + String.join("; ", below.values()) + ".");
    }
  }
}
