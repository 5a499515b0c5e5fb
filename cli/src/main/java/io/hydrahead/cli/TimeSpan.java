package io.hydrahead.cli;

import java.util.Locale;
import picocli.CommandLine.TypeConversionException;

/** A length of time as people write it: {@code 90s}, {@code 30m}, {@code 24h}. */
record TimeSpan(long seconds) {
  private static final long MOST = 366L * 24 * 3600;

  static TimeSpan parse(String text) {
    String s = text.strip().toLowerCase(Locale.ROOT);
    long unit = s.endsWith("s") ? 1 : s.endsWith("m") ? 60 : s.endsWith("h") ? 3600 : 0;
    try {
      long n = unit == 0 ? 0 : Long.parseLong(s.substring(0, s.length() - 1));
      if (n < 1 || n > MOST / unit) {
        throw wrong(text);
      }
      return new TimeSpan(n * unit);
    } catch (NumberFormatException e) {
      throw wrong(text);
    }
  }

  private static TypeConversionException wrong(String text) {
    return new TypeConversionException("'" + text + "' is not a time such as 90s, 30m or 24h");
  }

  /** The shortest spelling: {@code 30m} for 1800 seconds. */
  @Override
  public String toString() {
    if (seconds % 3600 == 0) {
      return seconds / 3600 + "h";
    }
    return seconds % 60 == 0 ? seconds / 60 + "m" : seconds + "s";
  }
}
