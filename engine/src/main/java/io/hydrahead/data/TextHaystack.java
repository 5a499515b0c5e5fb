package io.hydrahead.data;

import java.util.ArrayList;
import java.util.List;

/** Lines of plain text as a haystack; blank ones are left out and long ones cut. */
public final class TextHaystack implements Haystack {
  private static final int LONGEST_LINE = 160;
  private final PlainText text;
  private final Split split;

  /** Lines of the {@code split} of {@code text}. */
  public TextHaystack(PlainText text, Split split) {
    this.text = text;
    this.split = split;
  }

  @Override
  public List<String> units(int n, Dice dice) {
    long place = dice.next();
    for (int chars = 64 * n + 256; ; chars = Math.multiplyExact(chars, 2)) {
      List<String> out = lines(text.excerpt(split, chars, new Dice(place)), n);
      if (out.size() == n) {
        return out;
      }
    }
  }

  private static List<String> lines(String excerpt, int n) {
    List<String> out = new ArrayList<>(n);
    for (String piece : excerpt.replace(TextCodec.END_OF_TEXT, "\n").split("\n")) {
      if (out.size() == n) {
        break;
      }
      String line = piece.stripTrailing();
      if (!line.isEmpty()) {
        int end = Math.min(line.length(), LONGEST_LINE);
        out.add(line.substring(0, Character.isHighSurrogate(line.charAt(end - 1)) ? end - 1 : end));
      }
    }
    return out;
  }

  @Override
  public String joint() {
    return "\n";
  }
}
