package io.hydrahead.report;

import java.util.ArrayList;
import java.util.List;

/**
 * How wide text of one size is in a chart, where nobody has measured it: estimated for DejaVu Sans,
 * which is the widest of the fonts that a reader is likely to have.
 *
 * @param size of the letters, in pixels
 */
record TextWidth(double size) {
  /** Texts of the class {@code tick}. */
  static final TextWidth TICK = new TextWidth(12.5);

  /** Texts of the class {@code note}. */
  static final TextWidth NOTE = new TextWidth(12);

  /** Pixels that {@code text} takes. */
  double of(String text) {
    return size * text.codePoints().mapToDouble(TextWidth::ems).sum();
  }

  /** The widest of {@code lines}. */
  double of(List<String> lines) {
    return lines.stream().mapToDouble(this::of).max().orElse(0);
  }

  /**
   * {@code text} in lines that fit {@code width}, broken at spaces; inside a word that does not.
   */
  List<String> lines(String text, double width) {
    List<String> out = new ArrayList<>();
    String rest = text.strip();
    while (of(rest) > width) {
      int end = fitting(rest, width);
      int space = rest.lastIndexOf(' ', end);
      int at = space > 0 ? space : end;
      out.add(rest.substring(0, at).stripTrailing());
      rest = rest.substring(at).stripLeading();
    }
    out.add(rest);
    return out;
  }

  /** Where the longest start of a text too long for a line ends, after a letter at least. */
  private int fitting(String text, double width) {
    int end = text.offsetByCodePoints(0, 1);
    int next = end;
    while (of(text.substring(0, next)) <= width) {
      end = next;
      next = text.offsetByCodePoints(end, 1);
    }
    return end;
  }

  /** Width of a letter as a share of its size. */
  private static double ems(int letter) {
    return switch (letter) {
      case 'i', 'j', 'l', 'I', '\'' -> 0.29;
      case ' ', '’', '.', ',', '·', ':', ';', '/', '\\', '|' -> 0.33;
      case 'f', 'r', 't', '-', '(', ')', '[', ']', '!' -> 0.4;
      case 'c', 's', 'z', 'J', '*', '_', '`', '"', '“', '”', '–', '?' -> 0.54;
      case 'w', '#', '+', '<', '=', '>', '^', '~', '×', '±', '≤', '≥' -> 0.84;
      case 'm', 'M', 'W', '%', '@', '…', '—' -> 1;
      default -> Character.isUpperCase(letter) ? 0.75 : letter < 0x2E80 ? 0.63 : 1;
    };
  }
}
