package io.hydrahead.train;

import java.util.List;

/** What one stage computes on a micro-batch, for all learners at once. Owns the passes' buffers. */
public interface StageWork extends AutoCloseable {
  /** Names of the numbers that {@link #take} gives; the first is the loss. */
  List<String> columns();

  /**
   * Runs a micro-batch, on a device without waiting for it; with {@code gradients}, each learner's
   * gradients accumulate.
   *
   * @param share what the micro-batch counts in the step, the same for all of a step
   */
  void run(Batch batch, Share share, boolean gradients);

  /**
   * What the micro-batches since the last call come to; waits for them.
   *
   * @param means [learners][columns], assigned: over a whole step each is a mean
   */
  void take(Share share, double[][] means);

  /**
   * A micro-batch's part of a step.
   *
   * @param totalWeight Σ of the token weights of the whole step: what weighted sums are divided by
   * @param micros micro-batches of the step
   */
  record Share(double totalWeight, int micros) {
    /** Factor of a weighted token sum; 0 when no token of the step counts. */
    public double scale() {
      return totalWeight > 0 ? 1 / totalWeight : 0;
    }
  }

  @Override
  void close();
}
