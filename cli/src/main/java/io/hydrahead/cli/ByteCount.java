package io.hydrahead.cli;

import java.util.Locale;
import picocli.CommandLine.TypeConversionException;

/** An amount of memory as people write it: {@code 512M}, {@code 60G}, in powers of 1024. */
record ByteCount(long bytes) {

  static ByteCount parse(String text) {
    String s = text.strip().toUpperCase(Locale.ROOT).replaceFirst("I?B$", "");
    int power = s.isEmpty() ? 0 : "KMGT".indexOf(s.charAt(s.length() - 1)) + 1;
    String digits = power == 0 ? s : s.substring(0, s.length() - 1);
    try {
      long n = Math.multiplyExact(Long.parseLong(digits), 1L << 10 * power);
      if (n < 1) {
        throw wrong(text);
      }
      return new ByteCount(n);
    } catch (NumberFormatException | ArithmeticException e) {
      throw wrong(text);
    }
  }

  private static TypeConversionException wrong(String text) {
    return new TypeConversionException("'" + text + "' is not an amount such as 512M or 60G");
  }

  @Override
  public String toString() {
    return Table.bytes(bytes);
  }
}
