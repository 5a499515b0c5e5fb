package io.hydrahead.report;

import java.util.Locale;

/** Numbers as people read them. */
final class Show {
  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};

  private Show() {}

  /** 512, 4K, 1M: contexts in tokens, K = 1024. */
  static String length(long tokens) {
    if (tokens >= 1 << 20 && tokens % (1 << 20) == 0) {
      return (tokens >> 20) + "M";
    }
    if (tokens >= 1024 && tokens % 1024 == 0) {
      return (tokens >> 10) + "K";
    }
    return tokens >= 10_000
        ? String.format(Locale.ROOT, "%.1fK", tokens / 1024.0)
        : Long.toString(tokens);
  }

  /** Three digits and a unit of 1024: 64.0 MiB. */
  static String bytes(double bytes) {
    int unit = 0;
    double v = bytes;
    while (v >= 1000 && unit < UNITS.length - 1) {
      v /= 1024;
      unit++;
    }
    return (unit == 0 ? String.format(Locale.ROOT, "%.0f", v) : digits(v)) + " " + UNITS[unit];
  }

  /** 24.4M: parameters, in powers of 1000. */
  static String count(double n) {
    String[] units = {"", "K", "M", "B", "T"};
    int unit = 0;
    double v = n;
    while (v >= 999.5 && unit < units.length - 1) {
      v /= 1000;
      unit++;
    }
    return (unit == 0 ? String.format(Locale.ROOT, "%.0f", v) : digits(v)) + units[unit];
  }

  private static String digits(double v) {
    int decimals = v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    return String.format(Locale.ROOT, "%." + decimals + "f", v);
  }

  /** One decimal, or none at the ends: 97.5%, 100%. */
  static String percent(double share) {
    return percentNumber(share) + "%";
  }

  /** {@link #percent} without its sign. */
  static String percentNumber(double share) {
    String s = String.format(Locale.ROOT, "%.1f", 100 * share);
    return s.equals("100.0") ? "100" : s.equals("0.0") || s.equals("-0.0") ? "0" : s;
  }

  /** Percent for a column: always one decimal. */
  static String percentColumn(double share) {
    return String.format(Locale.ROOT, "%.1f", Math.abs(100 * share));
  }

  /** A loss: three decimals, fewer when it is large. */
  static String loss(double v) {
    double a = Math.abs(v);
    return String.format(Locale.ROOT, a >= 100 ? "%.0f" : a >= 10 ? "%.1f" : "%.3f", v);
  }

  /** 6.11, 7: a factor of at most two decimals. */
  static String factor(double v) {
    return Markup.number(v >= 100 ? Math.rint(v) : v >= 10 ? Math.rint(v * 10) / 10 : v);
  }
}
