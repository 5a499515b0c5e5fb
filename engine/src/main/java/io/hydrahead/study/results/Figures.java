package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.report.SvgFigure;
import io.hydrahead.report.SvgFigure.Point;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Statements.Group;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** The document's charts, by file name; an arm looks the same in all of them. */
final class Figures {
  static final String LENGTHS = "recall-by-length.svg";
  static final String HEADS = "recall-by-heads.svg";
  static final String MEMORY = "recall-by-memory.svg";
  static final String LOSS = "loss-by-position.svg";

  private final ResultsFolder folder;
  private final List<String> deciding;
  private final List<Group> groups;
  private final Bootstrap bootstrap;
  private final Looks looks;
  private final Map<String, String> made = new LinkedHashMap<>();

  /**
   * @param groups needles that C speaks of: the first of each name is drawn far out
   */
  Figures(ResultsFolder folder, List<String> deciding, List<Group> groups, Bootstrap bootstrap) {
    this.folder = folder;
    this.deciding = deciding;
    this.groups = groups;
    this.bootstrap = bootstrap;
    looks = new Looks(folder);
  }

  /** SVG texts by file name, those that there are numbers for. */
  Map<String, String> draw() {
    LengthsFigure lengths = new LengthsFigure(folder, looks);
    lengths
        .svg(
            "Recall by length",
            PooledRecall.common(folder.cells(), folder.roles().core(), deciding, bootstrap))
        .ifPresent(svg -> made.put(LENGTHS, svg));
    for (Group g : groups) {
      PooledRecall recall =
          new PooledRecall(folder.cells(), folder.roles().followed(), g.tasks(), bootstrap);
      String file = far(g);
      if (!made.containsKey(file)) {
        lengths
            .svg("Far beyond: " + KeptSection.title(g), recall)
            .ifPresent(svg -> made.put(file, svg));
      }
    }
    new HeadsFigure(folder, deciding, bootstrap, looks)
        .svg()
        .ifPresent(svg -> made.put(HEADS, svg));
    new MemoryFigure(folder, deciding, bootstrap, looks)
        .svg()
        .ifPresent(svg -> made.put(MEMORY, svg));
    lossByPosition();
    return made;
  }

  /** File of the chart of C's needles of one kind. */
  static String far(Group group) {
    return "far-" + group.name().replaceAll("[^a-z]+", "-") + ".svg";
  }

  /**
   * The seeds on which the points of a chart are compared: of the sets that occur the one with the
   * most pairs of a seed and a point that has the whole set; of equals the smaller one, which more
   * points have. Empty where there is no point.
   */
  static Set<Integer> sharedSeeds(Collection<Estimate> points) {
    Set<Integer> best = Set.of();
    long most = 0;
    for (Estimate e : points) {
      Set<Integer> own = e.bySeed().keySet();
      long pairs = own.size() * points.stream().filter(p -> hasAll(p, own)).count();
      if (pairs > most || pairs == most && own.size() < best.size()) {
        best = own;
        most = pairs;
      }
    }
    return best;
  }

  /** Whether an estimate rests on all of {@code seeds}. */
  static boolean hasAll(Estimate e, Set<Integer> seeds) {
    return e.bySeed().keySet().containsAll(seeds);
  }

  /**
   * What is said of a chart of shares whose axis begins above 0.
   *
   * @param from least share that the chart shows
   */
  static Optional<String> fromAbove0(double from) {
    return from < 0.2 // below it the axis begins at 0
        ? Optional.empty()
        : Optional.of("The y axis does not begin at 0.");
  }

  static Point point(double x, Estimate e, String label) {
    return new Point(x, e.value(), e.low(), e.high(), label + ": " + Numbers.percent(e) + "%");
  }

  /** At the length that most core arms have, of equally many the longest. */
  private void lossByPosition() {
    Map<String, List<CellResult>> best = Map.of();
    int length = 0;
    TreeSet<Integer> lengths = new TreeSet<>();
    List<String> core = folder.roles().core();
    core.forEach(a -> folder.cells().perplexity(a).forEach(c -> lengths.add(c.spec().length())));
    for (int l : lengths) {
      Map<String, List<CellResult>> by = new LinkedHashMap<>();
      for (String arm : core) {
        List<CellResult> own =
            folder.cells().perplexity(arm).stream().filter(c -> c.spec().length() == l).toList();
        if (!own.isEmpty()) {
          by.put(arm, own);
        }
      }
      if (by.size() >= best.size()) {
        best = by;
        length = l;
      }
    }
    if (!best.isEmpty()) {
      loss(length, best);
    }
  }

  private void loss(int length, Map<String, List<CellResult>> by) {
    List<CellResult.Bucket> buckets = by.values().iterator().next().getFirst().buckets();
    List<Integer> ends = buckets.stream().map(CellResult.Bucket::to).toList();
    double low = Double.POSITIVE_INFINITY;
    Map<String, List<Point>> lines = new LinkedHashMap<>();
    for (Map.Entry<String, List<CellResult>> e : by.entrySet()) {
      List<Point> points = new ArrayList<>();
      for (int b = 0; b < buckets.size(); b++) {
        double v = LossSection.loss(e.getValue(), b);
        String label = folder.label(e.getKey()) + ": " + Numbers.format("%.3f", v);
        points.add(new Point(ends.get(b), v, v, v, label));
        low = Math.min(low, v);
      }
      lines.put(e.getKey(), points);
    }
    // A model far outside its range would flatten all the others.
    double most = 2 * low;
    List<String> above = lines.keySet().stream().filter(a -> top(lines.get(a)) > most).toList();
    double high =
        lines.values().stream().mapToDouble(Figures::top).filter(v -> v <= most).max().orElse(most);
    List<Integer> ticks = ends.stream().map(i -> i == length - 1 ? length : i).toList();
    SvgFigure figure =
        SvgFigure.valuesOverLengths(
            "Loss by position, held-out text of " + Lengths.format(length) + " tokens",
            ticks,
            "position, up to",
            low,
            high,
            "nats a token");
    Set<Integer> all = seeds(by.getOrDefault(folder.roles().causal(), List.of()));
    lines.forEach((arm, points) -> {
      if (!above.contains(arm)) {
        Set<Integer> own = seeds(by.get(arm));
        String name = folder.label(arm);
        if (own.equals(all) || all.isEmpty()) {
          figure.add(looks.of(arm), name, points);
        } else {
          String who = name + ", " + Numbers.seedWords(own);
          figure.addDashed(looks.of(arm), who, points);
        }
      }
    });
    if (!all.isEmpty()) {
      figure.note("Mean over " + Numbers.seedWords(all) + " unless said.");
    }
    if (lines.keySet().stream()
        .anyMatch(a -> !above.contains(a) && !seeds(by.get(a)).equals(all))) {
      figure.note(
          "Dashed: of other seeds, which read other texts, so not to be compared with the lines;"
              + " the table has "
              + folder.causal()
              + " on these seeds.");
    }
    if (!above.isEmpty()) {
      figure.note(
          "Above the chart: "
              + String.join(
                  "; ",
                  above.stream()
                      .map(a ->
                          folder.label(a) + ", up to " + Numbers.format("%.2f", top(lines.get(a))))
                      .toList())
              + ".");
    }
    figure.note("The y axis does not begin at 0.");
    made.put(LOSS, figure.svg());
  }

  private static double top(List<Point> points) {
    return points.stream().mapToDouble(Point::y).max().orElse(0);
  }

  private static Set<Integer> seeds(List<CellResult> cells) {
    return new TreeSet<>(cells.stream().map(CellResult::seed).toList());
  }
}
