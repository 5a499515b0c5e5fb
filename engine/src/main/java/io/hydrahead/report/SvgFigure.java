package io.hydrahead.report;

import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleFunction;

/**
 * A chart with title and legend as one SVG document that needs nothing else: for texts that show
 * images. Light or dark as the reader's screen is.
 */
public final class SvgFigure {
  private static final double HEIGHT = 300;
  private static final double MARGIN = 14;
  private static final double TITLE = 40;
  private static final double ROW = 20;
  private static final double LETTER = 6.6;
  private static final double SWATCH = 38;

  private final String title;
  private final LineChart chart;
  private final List<String> names = new ArrayList<>();
  private boolean legend = true;

  /**
   * A measured value.
   *
   * @param low end of its interval; equal to y where there is none
   * @param label what a reader sees on pointing at it, or beside it
   */
  public record Point(double x, double y, double low, double high, String label) {}

  private SvgFigure(String title, Axis x, Axis y) {
    this.title = title;
    chart = new LineChart(title, x, y, HEIGHT);
  }

  /** Shares from 0 to 100% over context lengths. */
  public static SvgFigure sharesOverLengths(String title, List<Integer> lengths, String xTitle) {
    return new SvgFigure(title, Axis.lengths(lengths, xTitle), Axis.percent(""));
  }

  /** Shares from 0 to 100% over bytes, equal factors in equal room. */
  public static SvgFigure sharesOverBytes(String title, double low, double high, String xTitle) {
    return new SvgFigure(title, Axis.bytes(low, high, xTitle), Axis.percent(""));
  }

  /** Shares from 0 to 100% over numbers above 0, equal factors in equal room. */
  public static SvgFigure sharesOverNumbers(String title, double low, double high, String xTitle) {
    DoubleFunction<String> whole = v -> Long.toString(Math.round(v));
    return new SvgFigure(
        title, Axis.logarithmic(low / 1.2, high * 1.2, xTitle, whole), Axis.percent(""));
  }

  /** Values between {@code low} and {@code high} over context lengths. */
  public static SvgFigure valuesOverLengths(
      String title, List<Integer> lengths, String xTitle, double low, double high, String yTitle) {
    Axis y = Axis.nice(low, high, 5, yTitle, Show::factor);
    return new SvgFigure(title, Axis.lengths(lengths, xTitle), y);
  }

  /** A model's points, joined in their order. */
  public SvgFigure add(String name, List<Point> points) {
    chart.add(
        names.size(),
        points.stream().map(p -> new LineChart.Point(p.x, p.y, p.low, p.high, p.label)).toList());
    names.add(name);
    return this;
  }

  /** A dashed line at a value of x. */
  public SvgFigure guideAt(double x, String label) {
    chart.guideAt(x, label);
    return this;
  }

  /** Labels beside the points instead of a legend. */
  public SvgFigure labelled() {
    chart.labelled();
    legend = false;
    return this;
  }

  /** The document. */
  public String svg() {
    List<List<Integer>> rows = legend ? rows() : List.of();
    double top = TITLE + ROW * rows.size();
    double width = LineChart.width() + 2 * MARGIN;
    double height = top + chart.height() + MARGIN;
    Markup m = new Markup();
    m.open(
        "svg",
        "xmlns",
        "http://www.w3.org/2000/svg",
        "viewBox",
        "0 0 " + Markup.number(width) + " " + Markup.number(height),
        "width",
        width,
        "height",
        height,
        "role",
        "img",
        "aria-label",
        title);
    m.open("style").raw(ReportStyle.chart()).close();
    m.empty(
        "rect",
        "class",
        "page",
        "x",
        0.5,
        "y",
        0.5,
        "width",
        width - 1,
        "height",
        height - 1,
        "rx",
        8.0);
    m.element("text", title, "class", "title", "x", MARGIN, "y", 25.0);
    for (int r = 0; r < rows.size(); r++) {
      legendRow(m, rows.get(r), TITLE + ROW * r + 6);
    }
    m.open("g", "transform", "translate(" + Markup.number(MARGIN) + " " + Markup.number(top) + ")");
    chart.draw(m);
    m.close();
    return m.close().toString();
  }

  private double entry(int i) {
    return SWATCH + LETTER * names.get(i).length() + 14;
  }

  private List<List<Integer>> rows() {
    List<List<Integer>> rows = new ArrayList<>();
    double used = Double.POSITIVE_INFINITY;
    for (int i = 0; i < names.size(); i++) {
      if (used + entry(i) > LineChart.width() + MARGIN) {
        rows.add(new ArrayList<>());
        used = 0;
      }
      rows.getLast().add(i);
      used += entry(i);
    }
    return rows;
  }

  private void legendRow(Markup m, List<Integer> row, double y) {
    double x = MARGIN;
    for (int i : row) {
      m.empty("line", "class", "line " + Look.css(i), "x1", x, "y1", y, "x2", x + 28, "y2", y);
      Look.marker(m, i, x + 14, y, 4.5);
      m.element("text", names.get(i), "class", "tick", "x", x + 34, "y", y + 4);
      x += entry(i);
    }
  }
}
