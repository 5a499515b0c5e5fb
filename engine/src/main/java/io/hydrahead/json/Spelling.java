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

  /** Letters changed, added, left out, or swapped with a neighbour; case does not count. */
  static int distance(String a, String b) {
    String x = a.toLowerCase(Locale.ROOT);
    String y = b.toLowerCase(Locale.ROOT);
    int[][] d = new int[x.length() + 1][y.length() + 1];
    for (int i = 0; i <= x.length(); i++) {
      for (int j = 0; j <= y.length(); j++) {
        if (i == 0 || j == 0) {
          d[i][j] = i + j;
          continue;
        }
        int change = x.charAt(i - 1) == y.charAt(j - 1) ? 0 : 1;
        d[i][j] = Math.min(d[i - 1][j - 1] + change, Math.min(d[i - 1][j], d[i][j - 1]) + 1);
        boolean swapped =
            i > 1
                && j > 1
                && x.charAt(i - 1) == y.charAt(j - 2)
                && x.charAt(i - 2) == y.charAt(j - 1);
        if (swapped) {
          d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
        }
      }
    }
    return d[x.length()][y.length()];
  }
}
