package io.hydrahead.study.run;

import io.hydrahead.tensor.Progress;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** One line of progress for several workers: the units that are done, and where each worker is. */
final class WorkersProgress implements AutoCloseable {
  private final Progress outer;
  private final BooleanSupplier stopped;
  private final LongSupplier done;
  private final List<OfWorker> workers = new ArrayList<>();

  /**
   * @param outer has the line
   * @param units in all
   * @param done units of them
   * @param stopped whether a worker has failed, so that the others are to stop
   */
  WorkersProgress(Progress outer, long units, LongSupplier done, BooleanSupplier stopped) {
    this.outer = outer;
    this.done = done;
    this.stopped = stopped;
    outer.begin("study", units, "units");
    show();
  }

  /**
   * The progress of one more worker.
   *
   * @param say takes a line for a piece of work that has ended
   */
  synchronized Progress add(Consumer<String> say) {
    OfWorker w = new OfWorker(say);
    workers.add(w);
    return w;
  }

  private void show() {
    StringBuilder note = new StringBuilder();
    for (OfWorker w : workers) {
      if (!w.stack.isEmpty()) {
        note.append(note.isEmpty() ? "" : "; ").append(w.stack.peek().text());
      }
    }
    outer.advance(done.getAsLong(), note.toString());
  }

  @Override
  public synchronized void close() {
    show();
    outer.end();
  }

  private static final class Work {
    final String what;
    final long total;
    final String unit;
    final long start = System.nanoTime();
    long done;
    String note = "";

    Work(String what, long total, String unit) {
      this.what = what;
      this.total = total;
      this.unit = unit;
    }

    String text() {
      String share =
          total > 0
              ? String.format(Locale.ROOT, " %.0f%%", 100.0 * done / total)
              : String.format(Locale.ROOT, " %,d %s", done, unit);
      return what + share + (note.isEmpty() ? "" : " " + note);
    }

    String summary() {
      double seconds = (System.nanoTime() - start) / 1e9;
      String s = String.format(Locale.ROOT, "%s: %,d %s in %.1f s", what, done, unit, seconds);
      return note.isEmpty() ? s : s + ", " + note;
    }
  }

  private final class OfWorker implements Progress {
    private final Consumer<String> say;
    private final Deque<Work> stack = new ArrayDeque<>();

    OfWorker(Consumer<String> say) {
      this.say = say;
    }

    @Override
    public void begin(String what, long total, String unit) {
      synchronized (WorkersProgress.this) {
        stack.push(new Work(what, total, unit));
        show();
      }
    }

    @Override
    public void advance(long done, String note) {
      synchronized (WorkersProgress.this) {
        Work w = stack.peek();
        if (w != null) {
          w.done = done;
          w.note = note;
          show();
        }
      }
    }

    @Override
    public void end() {
      synchronized (WorkersProgress.this) {
        Work w = stack.poll();
        if (w != null) {
          say.accept(w.summary());
          show();
        }
      }
    }

    @Override
    public boolean cancelled() {
      return outer.cancelled() || stopped.getAsBoolean();
    }
  }
}
