package io.hydrahead.study.results;

import io.hydrahead.report.SvgFigure;
import java.util.LinkedHashSet;
import java.util.Set;

/**
 * Names of a chart's legend: one too long for a line ends early, at a comma, and a note below the
 * chart has it in full.
 */
final class Legend {
  /** Letters that fit beside a marker, at the width of the chart. */
  static final int LETTERS = 68;

  private static final String CUT = " …";

  private final Set<String> cut = new LinkedHashSet<>();

  /** {@code full}, or the start of it that fits. */
  String name(String full) {
    if (full.length() <= LETTERS) {
      return full;
    }
    cut.add(full);
    int comma = full.lastIndexOf(", ", LETTERS - CUT.length());
    int end = comma > 0 ? comma : LETTERS - CUT.length();
    return full.substring(0, end) + CUT;
  }

  /** Adds what was cut to the chart's notes. */
  void note(SvgFigure figure) {
    cut.forEach(full -> figure.note("In full: " + full + "."));
  }
}
