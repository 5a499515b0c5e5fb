package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.report.SvgFigure;
import io.hydrahead.report.SvgFigure.Point;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** The document's charts, by file name. */
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
    recallByHeads();
    recallByBytes();
    lossByPosition();
    return made;
  }

  private void recallByLength() {
    PooledRecall recall =
        new PooledRecall(folder.cells(), folder.roles().core(), deciding, bootstrap);
    List<Integer> lengths = recall.lengths();
    if (lengths.size() < 2) {
      return;
    }
    SvgFigure figure =
        SvgFigure.sharesOverLengths(
            "Recall by length, families that decide", lengths, "context, tokens");
    figure.guideAt(folder.nativeLength(), "native length");
    for (String arm : recall.arms()) {
      List<Point> points = new ArrayList<>();
      for (int length : lengths) {
        recall
            .at(arm, length)
            .ifPresent(e -> points.add(point(length, e, arm + " " + Lengths.format(length))));
      }
      if (!points.isEmpty()) {
        figure.add(folder.label(arm), points);
      }
    }
    made.put("recall-by-length.svg", figure.svg());
  }

  private static Point point(double x, Estimate e, String label) {
    return new Point(x, e.value(), e.low(), e.high(), label + ": " + Numbers.percent(e) + "%");
  }

  /** The places that all of {@code arms} have: what makes their recall one number. */
  private List<Place> shared(List<String> arms) {
    return folder.cells().common(arms, deciding, folder.cells().lengths());
  }

  private void recallByHeads() {
    Map<String, List<String>> curves = new LinkedHashMap<>();
    Set<String> all = new LinkedHashSet<>();
    folder
        .roles()
        .curves()
        .forEach((name, arms) -> {
          List<String> there =
              arms.stream()
                  .filter(a -> folder.cells().arms().contains(a))
                  .filter(this::hasHeads)
                  .toList();
          if (!there.isEmpty()) {
            curves.put(name, there);
            all.addAll(there);
          }
        });
    List<Place> places = shared(List.copyOf(all));
    if (all.size() < 2 || places.isEmpty()) {
      return;
    }
    PooledRecall recall = new PooledRecall(folder.cells(), List.copyOf(all), deciding, bootstrap);
    double least = all.stream().mapToDouble(this::heads).min().orElseThrow();
    double most = all.stream().mapToDouble(this::heads).max().orElseThrow();
    SvgFigure figure =
        SvgFigure.sharesOverNumbers(
            "Recall by number of full heads (" + lengths(places) + ")", least, most, "full heads");
    curves.forEach((name, arms) -> {
      List<Point> points = new ArrayList<>();
      arms.stream()
          .sorted(java.util.Comparator.comparingDouble(this::heads))
          .forEach(a -> recall.over(a, places).ifPresent(e -> points.add(point(heads(a), e, a))));
      if (!points.isEmpty()) {
        figure.add(name, points);
      }
    });
    made.put("recall-by-heads.svg", figure.svg());
  }

  private static String lengths(List<Place> places) {
    TreeSet<Integer> all = new TreeSet<>();
    places.forEach(p -> all.add(p.length()));
    return Lengths.format(all.first()) + (all.size() > 1 ? "–" + Lengths.format(all.last()) : "");
  }

  private boolean hasHeads(String arm) {
    return heads(arm) > 0;
  }

  private double heads(String arm) {
    return folder.facts(arm).map(f -> f.number("full_heads")).orElse(Double.NaN);
  }

  /** Of core arms and of those on a line, at the longest length at which most of them are timed. */
  private void recallByBytes() {
    Set<String> shown = new LinkedHashSet<>(folder.roles().core());
    folder.roles().curves().values().forEach(shown::addAll);
    int best = 0;
    List<String> arms = List.of();
    for (int length : folder.cells().lengths()) {
      List<String> there =
          shown.stream()
              .filter(a -> SpeedSection.bytes(folder, a, length).isPresent())
              .filter(a -> !folder.cells().common(List.of(a), deciding, List.of(length)).isEmpty())
              .toList();
      if (there.size() >= arms.size() && there.size() > 1) {
        best = length;
        arms = there;
      }
    }
    if (arms.isEmpty()) {
      return;
    }
    int length = best;
    PooledRecall recall = new PooledRecall(folder.cells(), arms, deciding, bootstrap);
    Map<String, Double> bytes = new LinkedHashMap<>();
    for (String arm : arms) {
      Optional<Double> b = SpeedSection.bytes(folder, arm, length);
      if (b.isPresent() && b.get() > 0 && recall.at(arm, length).isPresent()) {
        bytes.put(arm, b.get());
      }
    }
    if (bytes.size() < 2) {
      return;
    }
    double low = bytes.values().stream().mapToDouble(b -> b).min().orElseThrow();
    double high = bytes.values().stream().mapToDouble(b -> b).max().orElseThrow();
    SvgFigure figure =
        SvgFigure.sharesOverBytes(
                "Recall against memory at " + Lengths.format(length),
                low / 1.5,
                high * 1.5,
                "KV cache and recurrent state of one sequence")
            .labelled();
    bytes.forEach((arm, b) -> {
      Estimate e = recall.at(arm, length).orElseThrow();
      figure.add(arm, List.of(new Point(b, e.value(), e.low(), e.high(), folder.label(arm))));
    });
    made.put("recall-by-memory.svg", figure.svg());
  }

  private void lossByPosition() {
    TreeSet<Integer> lengths = new TreeSet<>();
    List<String> core = folder.roles().core();
    core.forEach(a -> folder.cells().perplexity(a).forEach(c -> lengths.add(c.spec().length())));
    for (int length : lengths.descendingSet()) {
      Map<String, List<CellResult>> by = new LinkedHashMap<>();
      for (String arm : core) {
        List<CellResult> own =
            folder.cells().perplexity(arm).stream()
                .filter(c -> c.spec().length() == length)
                .toList();
        if (!own.isEmpty()) {
          by.put(arm, own);
        }
      }
      if (by.size() > 1 || length == lengths.first()) {
        loss(length, by);
        return;
      }
    }
  }

  private void loss(int length, Map<String, List<CellResult>> by) {
    List<CellResult.Bucket> buckets = by.values().iterator().next().getFirst().buckets();
    List<Integer> ends = buckets.stream().map(CellResult.Bucket::to).toList();
    double low = Double.POSITIVE_INFINITY;
    double high = 0;
    Map<String, List<Point>> lines = new LinkedHashMap<>();
    for (Map.Entry<String, List<CellResult>> e : by.entrySet()) {
      List<Point> points = new ArrayList<>();
      for (int b = 0; b < buckets.size(); b++) {
        double v = RecallSection.loss(e.getValue(), b);
        points.add(new Point(ends.get(b), v, v, v, e.getKey() + ": " + Numbers.format("%.3f", v)));
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
      lines.put(e.getKey(), points);
    }
    // A model far outside its range would flatten all the others: what lies above is cut off.
    high = Math.min(high, 2 * low);
    List<Integer> ticks = ends.stream().map(i -> i == length - 1 ? length : i).toList();
    SvgFigure figure =
        SvgFigure.valuesOverLengths(
            "Loss by position, held-out text", ticks, "position, up to", low, high, "nats a token");
    lines.forEach((arm, points) -> figure.add(folder.label(arm), points));
    made.put("loss-by-position.svg", figure.svg());
  }
}
