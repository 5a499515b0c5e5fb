package io.hydrahead.report;

import io.hydrahead.report.LineChart.Point;
import io.hydrahead.report.ReportInput.Curve;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The training losses: one chart for each stage and quantity. */
final class CurveSection {
  private static final int POINTS = 120;
  private static final double HEIGHT = 270;

  private final ReportInput input;
  private final Tables tables;

  private record Chart(String stage, String quantity) {}

  CurveSection(ReportInput input, Tables tables) {
    this.input = input;
    this.tables = tables;
  }

  void write(Markup m) {
    Map<Chart, List<Curve>> charts = new LinkedHashMap<>();
    for (Curve c : input.curves()) {
      if (Math.min(c.tokens().length, c.values().length) > 0) {
        charts.computeIfAbsent(new Chart(c.stage(), c.quantity()), k -> new ArrayList<>()).add(c);
      }
    }
    if (charts.isEmpty()) {
      return;
    }
    List<String> names = input.modelNames();
    m.open("section", "id", "training").element("h2", "Training");
    m.open("p");
    m.text(
        "Loss by tokens seen, each point the mean of neighbouring steps. Stages follow one another;"
            + " their losses are not the same quantity and are not to be compared.");
    input.curves().stream().map(Curve::source).distinct().forEach(s -> tables.cite(m, s));
    m.close();
    m.open("div", "class", "keys");
    charts.values().stream()
        .flatMap(List::stream)
        .map(Curve::model)
        .distinct()
        .sorted((a, b) -> names.indexOf(a) - names.indexOf(b))
        .forEach(n -> Look.legend(m, names.indexOf(n), n));
    m.close();
    m.open("div", "class", "grid");
    charts.forEach((chart, curves) -> figure(m, names, chart, curves));
    m.close().close();
  }

  private static void figure(Markup m, List<String> names, Chart chart, List<Curve> curves) {
    double left = Double.POSITIVE_INFINITY;
    double right = 0;
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    Map<Curve, List<Point>> lines = new LinkedHashMap<>();
    for (Curve c : curves) {
      List<Point> points = smooth(c);
      lines.put(c, points);
      for (Point p : points) {
        left = Math.min(left, p.x());
        right = Math.max(right, p.x());
        low = Math.min(low, p.y());
        high = Math.max(high, p.y());
      }
    }
    Axis x = Axis.nice(left, right, 5, "tokens", Show::count);
    boolean log = low > 0 && high > 5 * low;
    Axis y =
        log
            ? Axis.logarithmic(low * 0.9, high * 1.1, "", CurveSection::plain)
            : Axis.nice(low, high, 5, "", CurveSection::plain);
    String quantity = chart.quantity.replace('_', ' ');
    LineChart drawing =
        new LineChart(chart.stage + ": " + quantity + " by tokens", x, y, HEIGHT).withoutMarkers();
    lines.forEach((c, points) -> drawing.add(names.indexOf(c.model()), points));
    StringBuilder caption = new StringBuilder(log ? "Logarithmic. Last: " : "Last: ");
    String separator = "";
    for (Map.Entry<Curve, List<Point>> e : lines.entrySet()) {
      caption
          .append(separator)
          .append(e.getKey().model())
          .append(' ')
          .append(Show.loss(e.getValue().getLast().y()));
      separator = ", ";
    }
    boolean same = chart.stage.isEmpty() || chart.stage.equals(quantity);
    String title = same ? quantity : chart.stage + " · " + quantity;
    Report.figure(m, title, caption.append('.').toString(), drawing.draw(), false);
  }

  private static String plain(double v) {
    return v != 0 && Math.abs(v) < 0.01 ? String.format(Locale.ROOT, "%.0e", v) : Markup.number(v);
  }

  /** At most {@link #POINTS} points, each the mean of as many neighbours. */
  private static List<Point> smooth(Curve c) {
    int n = Math.min(c.tokens().length, c.values().length);
    int size = Math.ceilDiv(n, POINTS);
    List<Point> out = new ArrayList<>();
    for (int from = 0; from < n; from += size) {
      int to = Math.min(n, from + size);
      double x = 0;
      double y = 0;
      for (int i = from; i < to; i++) {
        x += c.tokens()[i];
        y += c.values()[i];
      }
      out.add(new Point(x / (to - from), y / (to - from), 0, 0, ""));
    }
    return out;
  }
}
