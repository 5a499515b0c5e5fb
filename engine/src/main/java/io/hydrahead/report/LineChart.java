package io.hydrahead.report;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** A chart of lines with markers and, where points have them, 95% interval bars. */
final class LineChart {
  private static final double WIDTH = 480;
  private static final double LEFT = 52;
  private static final double RIGHT = 12;
  private static final double TOP = 22;
  private static final double BOTTOM = 44;
  private static final double DODGE = 5;
  private static final double LEAST_ROOM = 18;
  private static final double MOST_ROOM = 40;
  private static final double LINE = 12;

  /**
   * @param low end of the interval; equal to y where there is none
   * @param title what a reader sees on pointing at it
   */
  record Point(double x, double y, double low, double high, String title) {}

  /** How a series' points hang together. */
  enum Join {
    LINE,
    /** Hollow markers on a line that is told apart from others. */
    DASHED,
    /** Markers without a line. */
    POINTS,
    /** Hollow markers without a line, at the place of the series before. */
    APART
  }

  private record Series(int look, List<Point> points, Join join, int slot) {
    /** Hollow markers lie below the others; a point alone, which no line leads to, lies above. */
    int depth() {
      return hollow() ? 0 : points.size() > 1 ? 1 : 2;
    }

    boolean hollow() {
      return join == Join.DASHED || join == Join.APART;
    }
  }

  private final String label;
  private final Axis x;
  private final Axis y;
  private final double height;
  private final List<Series> series = new ArrayList<>();
  private boolean markers = true;
  private boolean beside = true;
  private boolean labels;
  private double guide = Double.NaN;
  private String guideLabel = "";

  /**
   * @param label what a screen reader says
   */
  LineChart(String label, Axis x, Axis y, double height) {
    this.label = label;
    this.x = x;
    this.y = y;
    this.height = height;
  }

  LineChart add(int look, List<Point> points) {
    return add(look, points, Join.LINE);
  }

  LineChart add(int look, List<Point> points, Join join) {
    boolean beside = join != Join.APART || series.isEmpty();
    int slot = series.isEmpty() ? 0 : series.getLast().slot + (beside ? 1 : 0);
    series.add(new Series(look, List.copyOf(points), join, slot));
    return this;
  }

  /** Series with intervals, too, stand where their x is, and not side by side. */
  LineChart atTheirX() {
    beside = false;
    return this;
  }

  LineChart withoutMarkers() {
    markers = false;
    return this;
  }

  /** Writes every point's title beside it. */
  LineChart labelled() {
    labels = true;
    return this;
  }

  /** A dashed line across at a value of x, if the axis reaches it. */
  LineChart guideAt(double value, String label) {
    guide = value;
    guideLabel = label;
    return this;
  }

  private double px(double v) {
    return LEFT + x.at(v) * (WIDTH - LEFT - RIGHT);
  }

  private double py(double v) {
    return height - BOTTOM - y.at(v) * (height - TOP - BOTTOM);
  }

  /** Width and height of the drawing. */
  static double width() {
    return WIDTH;
  }

  double height() {
    return height;
  }

  Markup draw() {
    Markup m = new Markup();
    m.open(
        "svg",
        "class",
        "chart",
        "viewBox",
        "0 0 " + Markup.number(WIDTH) + " " + Markup.number(height),
        "role",
        "img",
        "aria-label",
        label);
    draw(m);
    return m.close();
  }

  /** Draws into an open SVG element, {@link #width} × {@link #height} from its origin on. */
  void draw(Markup m) {
    grid(m);
    if (guide >= x.low() && guide <= x.high()) {
      double at = px(guide);
      m.empty("line", "class", "guide", "x1", at, "y1", TOP, "x2", at, "y2", height - BOTTOM);
      boolean right = at > WIDTH * 0.62;
      m.element(
          "text",
          guideLabel,
          "class",
          "note",
          "x",
          right ? at - 5 : at + 5,
          "y",
          TOP - 7,
          "text-anchor",
          right ? "end" : "start");
    }
    for (Series s : series) {
      if ((s.join == Join.LINE || s.join == Join.DASHED) && s.points.size() > 1) {
        line(m, s, shift(s.slot));
      }
    }
    for (int depth = 0; markers && depth < 3; depth++) {
      int layer = depth;
      series.stream().filter(s -> s.depth() == layer).forEach(s -> points(m, s, shift(s.slot)));
    }
    if (labels) {
      labels(m);
    }
  }

  /** Series with intervals stand side by side. */
  private double shift(int slot) {
    boolean intervals =
        series.stream().flatMap(s -> s.points.stream()).anyMatch(p -> p.high > p.low);
    int last = series.isEmpty() ? 0 : series.getLast().slot;
    if (!beside || !markers || !intervals || labels || last == 0) {
      return 0;
    }
    return (slot - last / 2.0) * Math.min(DODGE, room() / last);
  }

  /**
   * Pixels about a tick that series side by side may take: less than half of the way to the next.
   */
  private double room() {
    double least = Double.POSITIVE_INFINITY;
    for (int i = 1; i < x.ticks().size(); i++) {
      least = Math.min(least, px(x.ticks().get(i)) - px(x.ticks().get(i - 1)));
    }
    return Math.clamp(0.3 * least, LEAST_ROOM, MOST_ROOM);
  }

  private void grid(Markup m) {
    for (double t : y.ticks()) {
      double at = py(t);
      m.empty("line", "class", "grid", "x1", LEFT, "y1", at, "x2", WIDTH - RIGHT, "y2", at);
      m.element(
          "text",
          y.label().apply(t),
          "class",
          "tick",
          "x",
          LEFT - 8,
          "y",
          at + 4,
          "text-anchor",
          "end");
    }
    double base = height - BOTTOM;
    m.empty("line", "class", "axis", "x1", LEFT, "y1", base, "x2", WIDTH - RIGHT, "y2", base);
    for (double t : x.ticks()) {
      double at = px(t);
      m.empty("line", "class", "axis", "x1", at, "y1", base, "x2", at, "y2", base + 4);
      String text = x.label().apply(t);
      m.element(
          "text",
          text,
          "class",
          "tick",
          "x",
          Math.min(at, WIDTH - TextWidth.TICK.of(text) / 2), // the last one keeps off the frame
          "y",
          base + 18,
          "text-anchor",
          "middle");
    }
    m.element(
        "text",
        x.title(),
        "class",
        "tick",
        "x",
        (LEFT + WIDTH - RIGHT) / 2,
        "y",
        height - 7,
        "text-anchor",
        "middle");
    if (!y.title().isEmpty()) {
      m.element("text", y.title(), "class", "tick", "x", 2, "y", TOP - 9);
    }
  }

  private void line(Markup m, Series s, double shift) {
    StringBuilder path = new StringBuilder();
    for (Point p : s.points) {
      path.append(path.isEmpty() ? 'M' : 'L')
          .append(String.format(Locale.ROOT, "%.1f %.1f", px(p.x) + shift, py(p.y)));
    }
    String dash = s.join == Join.DASHED ? " dash" : "";
    m.empty("path", "class", "line " + Look.css(s.look) + dash, "d", path);
  }

  private void points(Markup m, Series s, double shift) {
    for (Point p : s.points) {
      double at = px(p.x) + shift;
      m.open("g");
      m.element("title", p.title);
      if (p.high > p.low) {
        m.empty(
            "line",
            "class",
            "bar " + Look.css(s.look),
            "x1",
            at,
            "y1",
            py(p.low),
            "x2",
            at,
            "y2",
            py(p.high));
      }
      Look.marker(m, s.look, at, py(p.y), 4.2, s.hollow());
      m.close();
    }
  }

  /** A label's place: its left end and its baseline; text that ends there stands left of it. */
  private record Label(double x, double y, double width, boolean endsHere, String text) {
    double start() {
      return endsHere ? x - width : x;
    }

    double end() {
      return endsHere ? x : x + width;
    }

    boolean meets(Label other) {
      return start() < other.end() && other.start() < end() && Math.abs(y - other.y) < LINE;
    }
  }

  /**
   * Beside their points, at the first of a few places where they meet neither label nor point. The
   * lowest points come first: below them there is no room to give way to.
   */
  private void labels(Markup m) {
    List<Label> taken = new ArrayList<>();
    List<Point> all =
        series.stream()
            .flatMap(s -> s.points.stream())
            .sorted(Comparator.comparingDouble(Point::y))
            .toList();
    all.forEach(p -> taken.add(new Label(px(p.x) - 5, py(p.y) + 4, 10, false, "")));
    for (Point p : all) {
      double width = TextWidth.NOTE.of(p.title);
      double at = px(p.x);
      List<Label> places = new ArrayList<>();
      for (int row : new int[] {0, -1, 1, -2, 2, -3, 3}) {
        double y = py(p.y) + 4 + row * LINE;
        double gap = row == 0 ? 9 : 4;
        places.add(new Label(at + gap, y, width, false, p.title));
        places.add(new Label(at - gap, y, width, true, p.title));
      }
      Label best =
          places.stream()
              .filter(l -> l.start() >= LEFT && l.end() <= WIDTH)
              .filter(l -> l.y <= height - BOTTOM + 4) // below are the ticks' own words
              .filter(l -> taken.stream().noneMatch(l::meets))
              .findFirst()
              .orElse(places.getFirst());
      taken.add(best);
      m.element(
          "text",
          best.text,
          "class",
          "note",
          "x",
          best.x,
          "y",
          best.y,
          "text-anchor",
          best.endsHere ? "end" : "start");
    }
  }
}
