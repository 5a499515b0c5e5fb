package io.hydrahead.cli;

import java.io.PrintWriter;

/**
 * Where a command writes: data to {@code out}, everything else to {@code err}.
 *
 * @param columns width of the terminal behind {@code err}, or 0 when there is none: then no bars
 * @param color whether {@code err} may carry ANSI colours
 */
record Terminal(PrintWriter out, PrintWriter err, int columns, boolean color) {

  /** The process's own streams; the launcher says whether stderr is a terminal and how wide. */
  static Terminal ofProcess(PrintWriter out, PrintWriter err) {
    int columns = Integer.getInteger("hydrahead.terminal.columns", 0);
    String noColor = System.getenv("NO_COLOR");
    boolean color =
        columns > 0
            && (noColor == null || noColor.isEmpty())
            && !"dumb".equals(System.getenv("TERM"));
    return new Terminal(out, err, columns, color);
  }

  boolean interactive() {
    return columns > 0;
  }
}
