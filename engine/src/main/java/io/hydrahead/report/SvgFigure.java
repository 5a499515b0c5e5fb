package io.hydrahead.report;

import java.util.ArrayList;
import java.util.List;

/**
 * A chart with title and legend as one SVG document that needs nothing else: for texts that show
 * images. Light or dark as the reader's screen is.
 */
public final class SvgFigure {
  private static final double HEIGHT = 300;
  private static final double MARGIN = 14;
  private static final double TITLE = 40;
  private static final double ROW = 20;
  private static final double SWATCH = 34;
  private static final double GAP = 18;
  private static final double LINE = 16;

  private final String title;
  private final LineChart chart;
  private final List<Entry> entries = new ArrayList<>();
  private final List<String> notes = new ArrayList<>();
  private boolean legend = true;

  /** A name of the legend, in lines. */
  private record Entry(List<String> name, int look, LineChart.Join join, boolean line) {
    double width() {
      return SWATCH + TextWidth.TICK.of(name);
    }
  }

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

  private SvgFigure atTheirX() {
    chart.atTheirX();
    return this;
  }

  /** Shares from 0 to 100% over context lengths. */
  public static SvgFigure sharesOverLengths(String title, List<Integer> lengths, String xTitle) {
    return new SvgFigure(title, Axis.lengths(lengths, xTitle), Axis.percent(""));
  }

  /**
   * Shares up to 100% over bytes, equal factors in equal room.
   *
   * @param from least share that is shown
   */
  public static SvgFigure sharesOverBytes(
      String title, double low, double high, String xTitle, double from) {
    return new SvgFigure(title, Axis.bytes(low, high, xTitle), Axis.percentFrom(from)).atTheirX();
  }

  /**
   * Shares up to 100% over numbers above 0, equal factors in equal room.
   *
   * @param numbers ascending, each with a label
   * @param from least share that is shown
   */
  public static SvgFigure sharesOverNumbers(
      String title, List<Integer> numbers, String xTitle, double from) {
    return new SvgFigure(title, Axis.numbers(numbers, xTitle), Axis.percentFrom(from)).atTheirX();
  }

  /** Values between {@code low} and {@code high} over context lengths. */
  public static SvgFigure valuesOverLengths(
      String title, List<Integer> lengths, String xTitle, double low, double high, String yTitle) {
    Axis y = Axis.nice(low, high, 5, yTitle, Show::factor);
    return new SvgFigure(title, Axis.lengths(lengths, xTitle), y);
  }

  /**
   * A model's points, joined in their order; one alone has no line in the legend either.
   *
   * @param look colour and marker: the same number looks the same in every figure
   */
  public SvgFigure add(int look, String name, List<Point> points) {
    return add(look, name, points, LineChart.Join.LINE);
  }

  /** Points joined by a dashed line, with hollow markers; one alone has no line. */
  public SvgFigure addDashed(int look, String name, List<Point> points) {
    return add(look, name, points, LineChart.Join.DASHED);
  }

  /** Points that are not joined. */
  public SvgFigure addPoints(int look, String name, List<Point> points) {
    return add(look, name, points, LineChart.Join.POINTS);
  }

  private SvgFigure add(int look, String name, List<Point> points, LineChart.Join join) {
    boolean line = join != LineChart.Join.POINTS && points.size() > 1;
    List<String> lines = TextWidth.TICK.lines(name, LineChart.width() - SWATCH);
    entries.add(new Entry(lines, look, join, line));
    chart.add(look, drawn(points), join);
    return this;
  }

  /** Further points of the line before that must not be joined with it: hollow markers. */
  public SvgFigure addApart(int look, List<Point> points) {
    chart.add(look, drawn(points), LineChart.Join.APART);
    return this;
  }

  private static List<LineChart.Point> drawn(List<Point> points) {
    return points.stream().map(p -> new LineChart.Point(p.x, p.y, p.low, p.high, p.label)).toList();
  }

  /** A sentence below the chart. */
  public SvgFigure note(String text) {
    notes.addAll(TextWidth.NOTE.lines(text, LineChart.width()));
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
    List<List<Entry>> rows = legend ? rows() : List.of();
    double top = TITLE + rows.stream().mapToDouble(SvgFigure::height).sum();
    double width = LineChart.width() + 2 * MARGIN;
    double base = top + chart.height() + (notes.isEmpty() ? 0 : 8);
    double height = base + LINE * notes.size() + MARGIN;
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
    double y = TITLE;
    for (List<Entry> row : rows) {
      legendRow(m, row, y + 6);
      y += height(row);
    }
    m.open("g", "transform", "translate(" + Markup.number(MARGIN) + " " + Markup.number(top) + ")");
    chart.draw(m);
    m.close();
    for (int i = 0; i < notes.size(); i++) {
      m.element("text", notes.get(i), "class", "note", "x", MARGIN, "y", base + LINE * (i + 1) - 4);
    }
    return m.close().toString();
  }

  /** The legend's entries, as many in a row as fit. */
  private List<List<Entry>> rows() {
    List<List<Entry>> rows = new ArrayList<>();
    double used = Double.POSITIVE_INFINITY;
    for (Entry e : entries) {
      if (used + e.width() > LineChart.width()) {
        rows.add(new ArrayList<>());
        used = 0;
      }
      rows.getLast().add(e);
      used += e.width() + GAP;
    }
    return rows;
  }

  private static double height(List<Entry> row) {
    return ROW + LINE * (row.stream().mapToInt(e -> e.name().size()).max().orElse(1) - 1);
  }

  private static void legendRow(Markup m, List<Entry> row, double y) {
    double x = MARGIN;
    for (Entry e : row) {
      boolean dashed = e.join() == LineChart.Join.DASHED;
      if (e.line()) {
        String css = "line " + Look.css(e.look()) + (dashed ? " dash" : "");
        m.empty("line", "class", css, "x1", x, "y1", y, "x2", x + 28, "y2", y);
      }
      Look.marker(m, e.look(), x + 14, y, 4.5, dashed);
      for (int i = 0; i < e.name().size(); i++) {
        double base = y + 4 + LINE * i;
        m.element("text", e.name().get(i), "class", "tick", "x", x + SWATCH, "y", base);
      }
      x += e.width() + GAP;
    }
  }
}
