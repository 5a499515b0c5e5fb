package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.report.SvgFigure;
import io.hydrahead.report.SvgFigure.Point;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** The document's charts, by file name; an arm looks the same in all of them. */
final class Figures {
  private final ResultsFolder folder;
  private final List<String> deciding;
  private final Bootstrap bootstrap;
  private final Map<String, String> made = new LinkedHashMap<>();

  Figures(ResultsFolder folder, List<String> deciding, Bootstrap bootstrap) {
    this.folder = folder;
    this.deciding = deciding;
    this.bootstrap = bootstrap;
  }

  /** SVG texts by file name, those that there are numbers for. */
  Map<String, String> draw() {
    recallByLength();
    new HeadsFigure(folder, deciding, bootstrap)
        .svg()
        .ifPresent(svg -> made.put("recall-by-heads.svg", svg));
    recallByBytes();
    lossByPosition();
    return made;
  }

  /** Place among the core arms; behind them for others. */
  private int look(String arm) {
    int i = folder.roles().core().indexOf(arm);
    return i < 0 ? folder.roles().core().size() : i;
  }

  private void recallByLength() {
    PooledRecall recall =
        PooledRecall.common(folder.cells(), folder.roles().core(), deciding, bootstrap);
    List<Integer> lengths = recall.lengths();
    if (lengths.size() < 2) {
      return;
    }
    SvgFigure figure = SvgFigure.sharesOverLengths("Recall by length", lengths, "context, tokens");
    figure.guideAt(folder.nativeLength(), "native length");
    Set<Integer> all = recall.seeds(folder.roles().causal());
    boolean apart = false;
    for (String arm : recall.arms()) {
      Map<Integer, Estimate> own = new LinkedHashMap<>();
      lengths.forEach(l -> recall.at(arm, l).ifPresent(e -> own.put(l, e)));
      Set<Integer> seeds = seedsOfMost(own);
      own.replaceAll((l, e) -> recall.at(arm, l, seeds).filter(s -> has(s, seeds)).orElse(e));
      List<Point> joined = new ArrayList<>();
      List<Point> others = new ArrayList<>();
      own.forEach((length, e) -> {
        (has(e, seeds) ? joined : others)
            .add(point(length, e, folder.label(arm) + ", " + Lengths.format(length)));
      });
      String name = folder.label(arm);
      figure.add(
          look(arm), seeds.equals(all) ? name : name + ", " + Numbers.seedWords(seeds), joined);
      if (!others.isEmpty()) {
        figure.addApart(look(arm), others);
        apart = true;
      }
    }
    figure.note("Mean over " + Numbers.list(recall.families()) + ", the same at every length.");
    if (!all.isEmpty()) {
      figure.note("Mean over " + Numbers.seedWords(all) + " unless said; bars: 95% intervals.");
    }
    if (apart) {
      figure.note("Hollow: of other seeds, so not joined and not to be compared with the lines.");
    }
    made.put("recall-by-length.svg", figure.svg());
  }

  private static boolean has(Estimate e, Set<Integer> seeds) {
    return e.bySeed().keySet().equals(seeds);
  }

  /** The seeds that the most of an arm's points have; of equally many, the larger set. */
  private static Set<Integer> seedsOfMost(Map<Integer, Estimate> points) {
    Map<Set<Integer>, Integer> counts = new LinkedHashMap<>();
    points.values().forEach(e -> counts.merge(e.bySeed().keySet(), 1, Integer::sum));
    Set<Integer> best = Set.of();
    for (Map.Entry<Set<Integer>, Integer> c : counts.entrySet()) {
      int most = counts.getOrDefault(best, 0);
      boolean larger = c.getValue() == most && c.getKey().size() > best.size();
      best = c.getValue() > most || larger ? c.getKey() : best;
    }
    return best;
  }

  static Point point(double x, Estimate e, String label) {
    return new Point(x, e.value(), e.low(), e.high(), label + ": " + Numbers.percent(e) + "%");
  }

  /** Of core arms and of those on a line, at the longest length at which most of them are timed. */
  private void recallByBytes() {
    Set<String> shown = new LinkedHashSet<>(folder.roles().core());
    folder.roles().curves().values().forEach(shown::addAll);
    PooledRecall recall = PooledRecall.common(folder.cells(), shown, deciding, bootstrap);
    int best = 0;
    List<String> arms = List.of();
    for (int length : recall.lengths()) {
      List<String> there =
          recall.arms().stream()
              .filter(a -> SpeedSection.bytes(folder, a, length).filter(b -> b > 0).isPresent())
              .filter(a -> recall.at(a, length).isPresent())
              .toList();
      if (there.size() >= arms.size() && there.size() > 1) {
        best = length;
        arms = there;
      }
    }
    if (arms.isEmpty()) {
      return;
    }
    Map<String, Double> bytes = new LinkedHashMap<>();
    for (String arm : arms) {
      bytes.put(arm, SpeedSection.bytes(folder, arm, best).orElseThrow());
    }
    double low = bytes.values().stream().mapToDouble(b -> b).min().orElseThrow();
    double high = bytes.values().stream().mapToDouble(b -> b).max().orElseThrow();
    SvgFigure figure =
        SvgFigure.sharesOverBytes(
                "Recall at " + Lengths.format(best) + " against memory",
                low / 1.5,
                high * 1.5,
                "KV cache and recurrent state of one sequence")
            .labelled();
    Set<Integer> all = recall.seeds(folder.roles().causal());
    for (Map.Entry<String, Double> b : bytes.entrySet()) {
      Estimate e = recall.at(b.getKey(), best).orElseThrow();
      Set<Integer> seeds = e.bySeed().keySet();
      String label = folder.label(b.getKey());
      String name = seeds.equals(all) ? label : label + ", " + Numbers.seedWords(seeds);
      figure.add(
          look(b.getKey()),
          name,
          List.of(new Point(b.getValue(), e.value(), e.low(), e.high(), name)));
    }
    figure.note("Mean over " + Numbers.list(recall.families()) + ".");
    if (!all.isEmpty()) {
      figure.note("Mean over " + Numbers.seedWords(all) + " unless said. Up and left is better.");
    }
    made.put("recall-by-memory.svg", figure.svg());
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
        figure.add(
            look(arm), own.equals(all) ? name : name + ", " + Numbers.seedWords(own), points);
      }
    });
    if (!all.isEmpty()) {
      figure.note("Mean over " + Numbers.seedWords(all) + " unless said.");
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
    made.put("loss-by-position.svg", figure.svg());
  }

  private static double top(List<Point> points) {
    return points.stream().mapToDouble(Point::y).max().orElse(0);
  }

  private static Set<Integer> seeds(List<CellResult> cells) {
    return new TreeSet<>(cells.stream().map(CellResult::seed).toList());
  }
}
