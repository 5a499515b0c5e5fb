package io.hydrahead.eval;

import java.util.List;
import java.util.Locale;

/** RULER's metrics on one output, in [0, 1] (scripts/eval/synthetic/constants.py). */
public final class Metric {
  private Metric() {}

  /** Share of {@code references} that occur in {@code output}, whatever the case of letters. */
  public static double stringMatchAll(String output, List<String> references) {
    String text = output.toLowerCase(Locale.ROOT);
    long found = references.stream().filter(r -> text.contains(r.toLowerCase(Locale.ROOT))).count();
    return (double) found / references.size();
  }

  /** 1 if any of {@code references} occurs in {@code output}, whatever the case of letters. */
  public static double stringMatchPart(String output, List<String> references) {
    return stringMatchAll(output, references) > 0 ? 1 : 0;
  }
}
