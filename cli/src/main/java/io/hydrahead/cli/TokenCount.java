package io.hydrahead.cli;

import io.hydrahead.eval.Lengths;
import java.util.Locale;
import picocli.CommandLine.TypeConversionException;

/** A number of tokens as people write it: {@code 4096}, {@code 4K}, {@code 512K}, {@code 1M}. */
record TokenCount(long tokens) {

  static TokenCount parse(String text) {
    String s = text.strip().toUpperCase(Locale.ROOT);
    long unit = s.endsWith("K") ? 1024 : s.endsWith("M") ? 1024 * 1024 : 1;
    String digits = unit == 1 ? s : s.substring(0, s.length() - 1);
    try {
      long n = Math.multiplyExact(Long.parseLong(digits), unit);
      if (n < 1) {
        throw new TypeConversionException("'" + text + "' is not a positive number of tokens");
      }
      return new TokenCount(n);
    } catch (NumberFormatException | ArithmeticException e) {
      throw new TypeConversionException(
          "'" + text + "' is not a number of tokens such as 4096, 4K or 1M");
    }
  }

  /** The shortest spelling: {@code 4K} for 4096. */
  static String format(long tokens) {
    return Lengths.format(tokens);
  }

  @Override
  public String toString() {
    return format(tokens);
  }
}
