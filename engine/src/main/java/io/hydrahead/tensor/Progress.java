package io.hydrahead.tensor;

/**
 * Listener of long work. The engine reports here and asks here whether to stop; it never prints.
 *
 * <p>Calls come from the one thread that drives the work: {@code begin}, then any number of {@code
 * advance}, then {@code end}. A piece of work may begin inside another; {@code end} closes the
 * innermost.
 */
public interface Progress {
  /** A listener that ignores everything and never cancels. */
  Progress SILENT =
      new Progress() {
        @Override
        public void begin(String what, long total, String unit) {}

        @Override
        public void advance(long done, String note) {}

        @Override
        public void end() {}

        @Override
        public boolean cancelled() {
          return false;
        }
      };

  /**
   * Work starts.
   *
   * @param what a short name, for example {@code "align"}
   * @param total amount of work in {@code unit}s, or a value ≤ 0 where it is not known
   * @param unit what is counted, for example {@code "tokens"}
   */
  void begin(String what, long total, String unit);

  /**
   * Work has moved on.
   *
   * @param done absolute amount done so far, in the unit of {@link #begin}
   * @param note a short remark such as the current loss; empty for none
   */
  void advance(long done, String note);

  /** The innermost work begun is over, complete or not. */
  void end();

  /**
   * Whether the user asked to stop. Long loops poll this between steps, leave nothing half-written,
   * and throw {@link java.util.concurrent.CancellationException} (or return a resumable state).
   */
  boolean cancelled();

  /** Throws {@link java.util.concurrent.CancellationException} when the user asked to stop. */
  default void throwIfCancelled() {
    if (cancelled()) {
      throw new java.util.concurrent.CancellationException("interrupted");
    }
  }
}
