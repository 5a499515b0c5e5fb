package io.hydrahead.report;

import java.util.Locale;

/** Layers × heads: colour is the probe's score, an outline marks a head that stays full. */
final class HeadMap {
  private static final double WIDTH = 480;
  private static final double LEFT = 34;
  private static final double TOP = 24;
  private static final double GROUP_GAP = 3;

  private final ModelFacts model;
  private final double[][] scores;
  private final int layers;
  private final int heads;
  private final double cellWidth;
  private final double cellHeight;
  private final double least;
  private final double most;

  /**
   * @param scores [L][H] of the model's shape, or empty
   */
  HeadMap(ModelFacts model, double[][] scores) {
    this.model = model;
    layers = model.fullHeads().size();
    heads = model.heads();
    boolean fits = scores.length == layers && layers > 0 && scores[0].length == heads;
    this.scores = fits ? scores : new double[layers][heads];
    double gaps = GROUP_GAP * (heads / model.group() - 1);
    cellWidth = (WIDTH - LEFT - 4 - gaps) / heads;
    cellHeight = Math.clamp(cellWidth * 0.8, 6, 20);
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    for (double[] row : this.scores) {
      for (double v : row) {
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
    }
    least = low;
    most = high;
  }

  /** Share of the sum of all scores that lies in full heads; NaN if there is nothing to share. */
  double coverage() {
    double all = 0;
    double full = 0;
    for (int l = 0; l < layers; l++) {
      for (int h = 0; h < heads; h++) {
        double v = Math.max(0, scores[l][h]);
        all += v;
        full += model.fullHeads().get(l).contains(h) ? v : 0;
      }
    }
    return all > 0 ? full / all : Double.NaN;
  }

  /** Square root of the score's place between least and most: middling heads stay visible. */
  private double shade(double score) {
    return most > least ? Math.sqrt((score - least) / (most - least)) : 0;
  }

  Markup draw() {
    double height = TOP + layers * (cellHeight + 1.5) + 4;
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
        "Head map of "
            + model.name()
            + ": "
            + model.fullCount()
            + " of "
            + model.cells()
            + " heads full");
    m.element("text", "layer", "class", "tick", "x", 0, "y", 11);
    int every = Math.max(1, Math.ceilDiv(heads, 16));
    for (int h = 0; h < heads; h += every) {
      m.element(
          "text",
          Integer.toString(h),
          "class",
          "tick",
          "x",
          left(h) + cellWidth / 2,
          "y",
          TOP - 7,
          "text-anchor",
          "middle");
    }
    int rows = cellHeight < 11 ? 4 : 1;
    for (int l = 0; l < layers; l++) {
      double y = TOP + l * (cellHeight + 1.5);
      if (l % rows == 0) {
        m.element(
            "text",
            Integer.toString(l),
            "class",
            "tick",
            "x",
            LEFT - 8,
            "y",
            y + cellHeight / 2 + 4,
            "text-anchor",
            "end");
      }
      for (int h = 0; h < heads; h++) {
        cell(m, l, h, y);
      }
    }
    return m.close();
  }

  private double left(int head) {
    return LEFT + head * cellWidth + head / model.group() * GROUP_GAP;
  }

  private void cell(Markup m, int l, int h, double y) {
    boolean full = model.fullHeads().get(l).contains(h);
    double inset = full ? 1.2 : 0.5;
    m.open(
        "rect",
        "class",
        full ? "cell full" : "cell",
        "x",
        left(h) + inset,
        "y",
        y + (full ? 0.7 : 0),
        "width",
        cellWidth - 2 * inset,
        "height",
        cellHeight - (full ? 1.4 : 0),
        "rx",
        Math.min(3, cellWidth / 5),
        "fill-opacity",
        shade(scores[l][h]));
    m.element(
        "title",
        String.format(
            Locale.ROOT,
            "layer %d, head %d: score %.4g, %s",
            l,
            h,
            scores[l][h],
            full ? "full attention" : "linear"));
    m.close();
  }

  /** The colour scale and what the outline means. */
  static Markup key() {
    Markup m = new Markup();
    m.open("div", "class", "keys");
    m.open("span", "class", "key");
    m.text("least");
    m.open("svg", "viewBox", "0 0 110 14", "width", 110, "height", 14, "aria-hidden", "true");
    for (int i = 0; i < 11; i++) {
      m.empty(
          "rect",
          "class",
          "cell",
          "x",
          i * 10,
          "y",
          0,
          "width",
          10.3,
          "height",
          14,
          "fill-opacity",
          Math.sqrt(i / 10.0));
    }
    m.close();
    m.text("most retrieval-critical").close();
    m.open("span", "class", "key");
    m.open("svg", "viewBox", "0 0 22 14", "width", 22, "height", 14, "aria-hidden", "true");
    m.empty(
        "rect",
        "class",
        "cell full",
        "x",
        1.5,
        "y",
        1.5,
        "width",
        19,
        "height",
        11,
        "rx",
        3,
        "fill-opacity",
        0.15);
    m.close();
    m.text("stays full attention").close();
    return m.close();
  }
}
