package io.hydrahead.tokenizer;

/**
 * UTF-8 decoding with U+FFFD for each maximal ill-formed part, as the WHATWG decoder and Rust's
 * {@code from_utf8_lossy} do it; the state survives between bytes.
 */
final class Utf8 {
  private static final char REPLACEMENT = '\uFFFD';

  private int codePoint;
  private int missing;
  private int low = 0x80;
  private int high = 0xBF;

  /** Appends to {@code out} what becomes certain with {@code bytes}. */
  void decode(byte[] bytes, StringBuilder out) {
    for (byte b : bytes) {
      accept(b & 0xFF, out);
    }
  }

  /** Ends the text: an unfinished character becomes U+FFFD. */
  void finish(StringBuilder out) {
    if (missing > 0) {
      out.append(REPLACEMENT);
    }
    reset();
  }

  private void reset() {
    missing = 0;
    low = 0x80;
    high = 0xBF;
  }

  private void accept(int b, StringBuilder out) {
    if (missing > 0) {
      if (b >= low && b <= high) {
        codePoint = codePoint << 6 | b & 0x3F;
        low = 0x80;
        high = 0xBF;
        if (--missing == 0) {
          out.appendCodePoint(codePoint);
        }
        return;
      }
      out.append(REPLACEMENT);
      reset();
    }
    if (b < 0x80) {
      out.append((char) b);
    } else if (b >= 0xC2 && b <= 0xDF) {
      start(b & 0x1F, 1);
    } else if (b >= 0xE0 && b <= 0xEF) {
      start(b & 0x0F, 2);
      low = b == 0xE0 ? 0xA0 : 0x80; // no overlong forms
      high = b == 0xED ? 0x9F : 0xBF; // no surrogates
    } else if (b >= 0xF0 && b <= 0xF4) {
      start(b & 0x07, 3);
      low = b == 0xF0 ? 0x90 : 0x80;
      high = b == 0xF4 ? 0x8F : 0xBF; // nothing above U+10FFFF
    } else {
      out.append(REPLACEMENT);
    }
  }

  private void start(int bits, int more) {
    codePoint = bits;
    missing = more;
  }
}
