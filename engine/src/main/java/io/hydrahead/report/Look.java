package io.hydrahead.report;

/**
 * How a model looks in every chart: colours come from the style sheet, shapes tell them apart too.
 */
final class Look {
  /** Number of distinct looks; further models start over. */
  static final int COUNT = 13;

  private Look() {}

  /** Class of the series in the style sheet. */
  static String css(int series) {
    return "s" + series % COUNT;
  }

  /** A marker of the series centred at (x, y). */
  static void marker(Markup m, int series, double x, double y, double r) {
    marker(m, series, x, y, r, false);
  }

  /** The same, perhaps hollow. */
  static void marker(Markup m, int series, double x, double y, double r, boolean hollow) {
    String css = "mark " + css(series) + (hollow ? " hollow" : "");
    switch (series % COUNT) {
      case 0 -> m.empty("circle", "class", css, "cx", x, "cy", y, "r", r);
      case 1 ->
          m.empty(
              "rect",
              "class",
              css,
              "x",
              x - r * .9,
              "y",
              y - r * .9,
              "width",
              r * 1.8,
              "height",
              r * 1.8);
      case 2 -> polygon(m, css, x, y, r * 1.3, 4, 0);
      case 3 -> polygon(m, css, x, y, r * 1.3, 3, 0);
      case 4 -> polygon(m, css, x, y, r * 1.3, 3, Math.PI);
      case 5 -> polygon(m, css, x, y, r * 1.15, 5, 0);
      case 6 -> polygon(m, css, x, y, r * 1.15, 6, Math.PI / 6);
      case 7 -> star(m, css, x, y, r * 1.4, 4);
      case 8 -> cross(m, css, x, y, r * 1.25, Math.PI / 4);
      case 9 -> cross(m, css, x, y, r * 1.25, 0);
      case 10 -> polygon(m, css, x, y, r * 1.3, 3, Math.PI / 2);
      case 11 -> star(m, css, x, y, r * 1.5, 5);
      default -> polygon(m, css, x, y, r * 1.3, 3, -Math.PI / 2);
    }
  }

  private static void polygon(
      Markup m, String css, double x, double y, double r, int corners, double turn) {
    StringBuilder points = new StringBuilder();
    for (int i = 0; i < corners; i++) {
      corner(points, x, y, r, turn + 2 * Math.PI * i / corners);
    }
    m.empty("polygon", "class", css, "points", points.toString().strip());
  }

  private static void star(Markup m, String css, double x, double y, double r, int rays) {
    StringBuilder points = new StringBuilder();
    for (int i = 0; i < 2 * rays; i++) {
      corner(points, x, y, i % 2 == 0 ? r : r * 0.45, Math.PI * i / rays);
    }
    m.empty("polygon", "class", css, "points", points.toString().strip());
  }

  /** Two bars across each other: upright, or turned. */
  private static void cross(Markup m, String css, double x, double y, double r, double turn) {
    StringBuilder points = new StringBuilder();
    double narrow = Math.atan(0.4);
    for (int arm = 0; arm < 4; arm++) {
      double at = turn + arm * Math.PI / 2;
      corner(points, x, y, r, at - narrow);
      corner(points, x, y, r, at + narrow);
      corner(points, x, y, r * 0.53, at + Math.PI / 4);
    }
    m.empty("polygon", "class", css, "points", points.toString().strip());
  }

  private static void corner(StringBuilder points, double x, double y, double r, double angle) {
    points
        .append(Markup.number(x + r * Math.sin(angle)))
        .append(',')
        .append(Markup.number(y - r * Math.cos(angle)))
        .append(' ');
  }

  /** A legend entry: line, marker and name. */
  static void legend(Markup m, int series, String name) {
    m.open("span", "class", "key");
    m.open("svg", "viewBox", "0 0 30 14", "width", 30, "height", 14, "aria-hidden", "true");
    m.empty("line", "class", "line " + css(series), "x1", 1, "y1", 7, "x2", 29, "y2", 7);
    marker(m, series, 15, 7, 4.5);
    m.close();
    m.text(name).close();
  }
}
