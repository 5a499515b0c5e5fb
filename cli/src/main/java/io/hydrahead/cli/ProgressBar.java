package io.hydrahead.cli;

import io.hydrahead.tensor.Progress;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/**
 * Progress on stderr. With a terminal: one line that is drawn over, with a bar, rate and time left.
 * Without: a plain line every quarter of a minute, whether there is progress or not. Quiet:
 * nothing. It always hands on the wish to stop.
 */
final class ProgressBar implements Progress {
  private static final long REDRAW_NANOS = 100_000_000L;
  private static final long PLAIN_NANOS = 15_000_000_000L;
  private static final int BAR = 24;
  private static final int SHORT_BAR = 10;

  private final Terminal terminal;
  private final boolean quiet;
  private final Deque<Work> stack = new ArrayDeque<>();
  private final long plainNanos;
  private int drawn;

  /** Writes lines where nothing else does; there while there is work and no terminal. */
  private Thread watch;

  ProgressBar(Terminal terminal, boolean quiet) {
    this(terminal, quiet, PLAIN_NANOS);
  }

  /**
   * @param plainNanos longest time without a line where there is no terminal
   */
  ProgressBar(Terminal terminal, boolean quiet, long plainNanos) {
    this.terminal = terminal;
    this.quiet = quiet;
    this.plainNanos = plainNanos;
  }

  private static final class Work {
    final String what;
    final long total;
    final String unit;
    final long start = System.nanoTime();
    long first = -1;
    long firstAt;
    long done;
    long shown = start;
    String note = "";

    Work(String what, long total, String unit) {
      this.what = what;
      this.total = total;
      this.unit = unit;
    }
  }

  @Override
  public synchronized void begin(String what, long total, String unit) {
    Interrupts.pollingBegins();
    stack.push(new Work(what, total, unit));
    if (terminal.interactive() && !quiet) {
      draw(fitting(stack.peek(), System.nanoTime()));
    } else if (!quiet && watch == null) {
      watch = Thread.ofPlatform().daemon().name("hydrahead-progress").start(this::watch);
    }
  }

  /** One long step gives no word for minutes: then the line comes from here. */
  private synchronized void watch() {
    try {
      while (!stack.isEmpty()) {
        Work w = stack.peek();
        long now = System.nanoTime();
        long left = plainNanos - (now - w.shown);
        if (left > 0) {
          TimeUnit.NANOSECONDS.timedWait(this, left);
        } else {
          w.shown = now;
          printPlain(w, now);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      watch = null;
    }
  }

  private void printPlain(Work w, long now) {
    terminal.err().println(line(w, now, 0, true));
    terminal.err().flush();
  }

  @Override
  public synchronized void advance(long done, String note) {
    Work w = stack.peek();
    if (w == null) {
      return;
    }
    long now = System.nanoTime();
    if (w.first < 0) { // a resumed run starts above zero: rates count from here
      w.first = done;
      w.firstAt = now;
    }
    w.done = done;
    w.note = note;
    boolean last = w.total > 0 && done >= w.total;
    if (quiet || (now - w.shown < (terminal.interactive() ? REDRAW_NANOS : plainNanos) && !last)) {
      return;
    }
    if (terminal.interactive()) {
      w.shown = now;
      draw(fitting(w, now));
    } else if (!last) {
      w.shown = now;
      printPlain(w, now);
    }
  }

  @Override
  public synchronized void end() {
    Work w = stack.poll();
    if (w == null) {
      return;
    }
    Interrupts.pollingEnds();
    notifyAll();
    if (quiet) {
      return;
    }
    long now = System.nanoTime();
    clear();
    // What took no time and has nothing to tell needs no line of its own.
    if (now - w.start > 1_000_000_000L || !w.note.isEmpty()) {
      terminal.err().println(summary(w, now));
    }
    terminal.err().flush();
  }

  @Override
  public boolean cancelled() {
    return Interrupts.requested();
  }

  /** Removes the bar, so that a message can be printed in its place. */
  synchronized void clear() {
    if (drawn > 0) {
      terminal.err().print("\r" + " ".repeat(drawn) + "\r");
      drawn = 0;
    }
  }

  /** A message in the bar's place. */
  synchronized void print(String line) {
    clear();
    terminal.err().println(line);
    terminal.err().flush();
  }

  /** Ends whatever is still open after a failure: nothing may stay drawn. */
  synchronized void abandon() {
    clear();
    while (stack.poll() != null) {
      Interrupts.pollingEnds();
    }
    notifyAll();
    terminal.err().flush();
  }

  private void draw(String line) {
    int width = width();
    String cut = line.length() > width ? line.substring(0, width) : line;
    String pad = " ".repeat(Math.max(0, drawn - cut.length()));
    String bar = terminal.color() ? cut.replaceFirst("(█+)", "\u001b[36m$1\u001b[0m") : cut;
    terminal.err().print("\r" + bar + pad);
    terminal.err().flush();
    drawn = cut.length();
  }

  /** The line with its bar and counts, or, where that is too wide, what matters most of it. */
  private String fitting(Work w, long now) {
    String whole = line(w, now, BAR, true);
    if (whole.length() <= width()) {
      return whole;
    }
    String less = line(w, now, SHORT_BAR, false);
    return less.length() <= width() ? less : line(w, now, 0, false).substring(w.what.length() + 1);
  }

  private int width() {
    return Math.max(10, terminal.columns() - 1);
  }

  private static String line(Work w, long now, int bar, boolean counts) {
    StringBuilder s = new StringBuilder(w.what);
    double rate = rate(w, now);
    if (w.total > 0) {
      double share = Math.clamp(w.done / (double) w.total, 0, 1);
      int full = (int) (share * bar);
      if (bar > 0) {
        s.append(' ').append("█".repeat(full)).append("░".repeat(bar - full));
      }
      s.append(String.format(Locale.ROOT, " %3.0f%%", share * 100));
      if (counts) {
        s.append(String.format(Locale.ROOT, " %,d/%,d %s", w.done, w.total, w.unit));
      }
      if (rate > 0 && w.done < w.total) {
        s.append(", ").append(rate(rate, w.unit));
        s.append(", ").append(duration((w.total - w.done) / rate)).append(" left");
      }
    } else {
      s.append(String.format(Locale.ROOT, " %,d %s", w.done, w.unit));
      if (rate > 0) {
        s.append(", ").append(rate(rate, w.unit));
      }
    }
    if (w.done == 0 && now - w.start > 1_000_000_000L) {
      s.append(", ").append(duration((now - w.start) / 1e9)).append(" so far");
    }
    if (!w.note.isEmpty()) {
      s.append(", ").append(w.note);
    }
    return s.toString();
  }

  private static String summary(Work w, long now) {
    String s =
        String.format(
            Locale.ROOT,
            "%s: %,d %s in %s",
            w.what,
            w.done,
            w.unit,
            duration((now - w.start) / 1e9));
    return w.note.isEmpty() ? s : s + ", " + w.note;
  }

  /** Units a second since the first report, or 0 while unknown. */
  private static double rate(Work w, long now) {
    double seconds = (now - w.start) / 1e9;
    if (w.first > 0) { // resumed
      seconds = (now - w.firstAt) / 1e9;
      return seconds > 0.5 ? (w.done - w.first) / seconds : 0;
    }
    return seconds > 0.5 ? w.done / seconds : 0;
  }

  private static String rate(double rate, String unit) {
    return String.format(Locale.ROOT, rate >= 100 ? "%,.0f %s/s" : "%.1f %s/s", rate, unit);
  }

  /** {@code 0:07}, {@code 12:30} or {@code 3:05:00}. */
  static String duration(double seconds) {
    long s = Math.round(seconds);
    return s < 3600
        ? String.format(Locale.ROOT, "%d:%02d", s / 60, s % 60)
        : String.format(Locale.ROOT, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
  }
}
