package io.hydrahead.tokenizer;

/**
 * The classes that split patterns ask for, one bit each, from a table over the basic plane. Text
 * must hold no lone surrogates.
 */
final class CharClass {
  /** {@code \p{L}}. */
  static final int LETTER = 1;

  /** {@code \p{N}}. */
  static final int NUMBER = 2;

  /** {@code \s}: Unicode's White_Space. */
  static final int SPACE = 4;

  /** {@code \p{M}}. */
  static final int MARK = 8;

  static final int OTHER = 16;
  private static final int SURROGATE = 32;

  private static final byte[] TABLE = new byte[1 << 16];

  static {
    for (int c = 0; c < TABLE.length; c++) {
      TABLE[c] = (byte) (Character.isSurrogate((char) c) ? SURROGATE : compute(c));
    }
  }

  private CharClass() {}

  private static int compute(int codePoint) {
    if (isWhiteSpace(codePoint)) {
      return SPACE;
    }
    return switch (Character.getType(codePoint)) {
      case Character.UPPERCASE_LETTER,
          Character.LOWERCASE_LETTER,
          Character.TITLECASE_LETTER,
          Character.MODIFIER_LETTER,
          Character.OTHER_LETTER ->
          LETTER;
      case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER ->
          NUMBER;
      case Character.NON_SPACING_MARK, Character.ENCLOSING_MARK, Character.COMBINING_SPACING_MARK ->
          MARK;
      default -> OTHER;
    };
  }

  private static boolean isWhiteSpace(int c) {
    return c >= 0x09 && c <= 0x0D
        || c == 0x20
        || c == 0x85
        || c == 0xA0
        || c == 0x1680
        || c >= 0x2000 && c <= 0x200A
        || c == 0x2028
        || c == 0x2029
        || c == 0x202F
        || c == 0x205F
        || c == 0x3000;
  }

  /** Class of the code point that starts at {@code i}. */
  static int at(char[] text, int i) {
    int c = TABLE[text[i]];
    return c != SURROGATE ? c : compute(Character.toCodePoint(text[i], text[i + 1]));
  }

  /** Index after the code point that starts at {@code i}. */
  static int after(char[] text, int i) {
    return Character.isHighSurrogate(text[i]) ? i + 2 : i + 1;
  }

  /** End of the run of code points from {@code i} on whose class is in {@code mask}. */
  static int run(char[] text, int i, int end, int mask) {
    while (i < end) {
      int c = TABLE[text[i]];
      if ((c & mask) != 0) {
        i++;
      } else if (c == SURROGATE && (at(text, i) & mask) != 0) {
        i += 2;
      } else {
        break;
      }
    }
    return i;
  }
}
