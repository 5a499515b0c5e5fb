package io.hydrahead.data;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Leaves out documents that mostly repeat earlier ones: code generated from one template, copied
 * headers, old versions. A document is a set of shingles of {@value #LINES} consecutive lines; it
 * goes when more than the given share of them occurred in the documents kept before it.
 *
 * <p>Lines are compared by their words alone: letters in lower case, cut where the case changes,
 * names of primitive types all alike, so that {@code ByteBuffer} and {@code IntBuffer} are one.
 * What stands before the last {@code import} of a Java file (licence, package) does not count.
 */
final class NearDuplicates {
  private static final int LINES = 3;
  private static final Set<String> PRIMITIVES =
      Set.of(
          "byte",
          "short",
          "char",
          "character",
          "int",
          "integer",
          "long",
          "float",
          "double",
          "boolean");

  private NearDuplicates() {}

  /**
   * The documents that are no near-duplicates, in order.
   *
   * @param most largest share of shingles that may have occurred before
   */
  static List<TextCorpus.Document> without(List<TextCorpus.Document> documents, double most) {
    List<long[]> shingles =
        IntStream.range(0, documents.size())
            .parallel()
            .mapToObj(i -> shingles(documents.get(i).text()))
            .toList();
    Set<Long> seen = new HashSet<>();
    List<TextCorpus.Document> kept = new ArrayList<>();
    for (int i = 0; i < documents.size(); i++) {
      long[] own = shingles.get(i);
      int known = 0;
      for (long s : own) {
        known += seen.contains(s) ? 1 : 0;
      }
      if (known <= most * own.length) {
        kept.add(documents.get(i));
        for (long s : own) {
          seen.add(s);
        }
      }
    }
    return kept;
  }

  /** Hashes of every {@value #LINES} consecutive lines that have words. */
  static long[] shingles(String text) {
    long[] lines = new long[16];
    int n = 0;
    int from = body(text);
    while (from < text.length()) {
      int end = text.indexOf('\n', from);
      end = end < 0 ? text.length() : end;
      long hash = words(text, from, end);
      if (hash != 0) {
        if (n == lines.length) {
          lines = java.util.Arrays.copyOf(lines, 2 * n);
        }
        lines[n++] = hash;
      }
      from = end + 1;
    }
    long[] out = new long[Math.max(0, n - LINES + 1)];
    for (int i = 0; i < out.length; i++) {
      long h = 0;
      for (int j = 0; j < LINES; j++) {
        h = Dice.mix(h * 31 + lines[i + j]);
      }
      out[i] = h;
    }
    return out;
  }

  private static int body(String text) {
    int at = Math.max(text.lastIndexOf("\nimport "), text.indexOf("\npackage "));
    int end = text.indexOf('\n', at + 1);
    return at < 0 || end < 0 ? 0 : end + 1;
  }

  /** Hash of the words of a line; 0 where it has none. */
  private static long words(String text, int from, int to) {
    long hash = 0;
    int at = from;
    while (at < to) {
      if (!letter(text.charAt(at))) {
        at++;
        continue;
      }
      int end = at + 1;
      while (end < to && letter(text.charAt(end)) && !upper(text.charAt(end))) {
        end++;
      }
      if (end == at + 1) { // a run of capitals is one word
        while (end < to && upper(text.charAt(end))) {
          end++;
        }
      }
      String word = text.substring(at, end).toLowerCase(java.util.Locale.ROOT);
      hash = Dice.mix(hash * 31 + (PRIMITIVES.contains(word) ? 1 : word.hashCode()) + 7);
      at = end;
    }
    return hash;
  }

  private static boolean letter(char c) {
    return c >= 'a' && c <= 'z' || upper(c);
  }

  private static boolean upper(char c) {
    return c >= 'A' && c <= 'Z';
  }
}
