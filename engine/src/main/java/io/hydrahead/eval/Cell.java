package io.hydrahead.eval;

/**
 * One model on one task at one length.
 *
 * @param length budget of prompt and output in tokens
 */
public record Cell(String model, String task, int length, long seed, Outcome outcome) {
  /** What came of it. */
  public sealed interface Outcome {}

  /**
   * A measurement.
   *
   * @param accuracy recall in [0, 1]; for perplexity the mean probability of the next token,
   *     e^−loss
   * @param interval 95% interval of {@code accuracy}
   * @param loss mean next-token cross-entropy in nats; NaN for recall tasks
   * @param samples examples
   * @param seconds that the model took for all of them
   * @param tokens that the model read, all examples together
   */
  public record Measured(
      double accuracy, Interval interval, double loss, int samples, double seconds, long tokens)
      implements Outcome {}

  /**
   * Nothing was measured, because the task's examples do not fit the length.
   *
   * @param smallest least length that would do; for perplexity the tokens of text there are
   */
  public record Skipped(int smallest, String reason) implements Outcome {}

  /** Whether there is a measurement. */
  public boolean isMeasured() {
    return outcome instanceof Measured;
  }

  /**
   * The measurement.
   *
   * @throws IllegalStateException if the cell was skipped
   */
  public Measured measured() {
    if (outcome instanceof Measured m) {
      return m;
    }
    throw new IllegalStateException(task + " at " + length + " was skipped");
  }
}
