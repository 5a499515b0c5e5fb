package io.hydrahead.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** A plain table: the first column to the left, the others to the right, two spaces between. */
final class Table {
  private final List<String[]> rows = new ArrayList<>();

  Table(String... header) {
    rows.add(header);
  }

  Table row(Object... cells) {
    String[] row = new String[cells.length];
    for (int i = 0; i < cells.length; i++) {
      row[i] = String.valueOf(cells[i]);
    }
    rows.add(row);
    return this;
  }

  void print(PrintWriter out) {
    int[] width = new int[rows.getFirst().length];
    for (String[] r : rows) {
      for (int i = 0; i < r.length; i++) {
        width[i] = Math.max(width[i], r[i].length());
      }
    }
    for (String[] r : rows) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < r.length; i++) {
        String pad = " ".repeat(width[i] - r[i].length());
        line.append(i == 0 ? "" : "  ").append(i == 0 ? r[i] + pad : pad + r[i]);
      }
      out.println(line.toString().stripTrailing());
    }
  }

  /** {@code 1.5 GiB}, {@code 812 KiB}, {@code 96 B}. */
  static String bytes(long n) {
    String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = n;
    int u = 0;
    while (v >= 1024 && u < units.length - 1) {
      v /= 1024;
      u++;
    }
    return String.format(Locale.ROOT, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[u]);
  }

  /** {@code 24.4M} for parameters. */
  static String count(long n) {
    if (n >= 1_000_000_000) {
      return String.format(Locale.ROOT, "%.2fB", n / 1e9);
    }
    return n >= 1_000_000
        ? String.format(Locale.ROOT, "%.1fM", n / 1e6)
        : String.format(Locale.ROOT, "%,d", n);
  }

  /** {@code 1 token}, {@code 2,048 tokens}. */
  static String counted(long n, String what) {
    return String.format(Locale.ROOT, "%,d %s%s", n, what, n == 1 ? "" : "s");
  }

  static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f%%", share * 100);
  }
}
