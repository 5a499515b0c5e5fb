package io.hydrahead.json;

import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;

/** Finds what a misspelt name was meant to be. */
public final class Spelling {
  private Spelling() {}

  /**
   * The candidate nearest to {@code name}, if no more than a third of the letters differ; one that
   * differs in its number alone is another thing, as beta1 and beta2 are.
   */
  public static Optional<String> nearest(String name, Stream<String> candidates) {
    int most = Math.max(1, name.length() / 3);
    return candidates
        .filter(c -> distance(name, c) <= most && !letters(c).equals(letters(name)))
        .min(Comparator.comparingInt(c -> distance(name, c)));
  }

  private static String letters(String s) {
    return s.replaceAll("\\d", "");
  }

  /** Levenshtein's distance, upper and lower case alike. */
  static int distance(String a, String b) {
    String x = a.toLowerCase(Locale.ROOT);
    String y = b.toLowerCase(Locale.ROOT);
    int[] row = new int[y.length() + 1];
    for (int j = 0; j <= y.length(); j++) {
      row[j] = j;
    }
    for (int i = 1; i <= x.length(); i++) {
      int corner = row[0];
      row[0] = i;
      for (int j = 1; j <= y.length(); j++) {
        int above = row[j];
        int change = corner + (x.charAt(i - 1) == y.charAt(j - 1) ? 0 : 1);
        row[j] = Math.min(change, Math.min(above, row[j - 1]) + 1);
        corner = above;
      }
    }
    return row[y.length()];
  }
}
