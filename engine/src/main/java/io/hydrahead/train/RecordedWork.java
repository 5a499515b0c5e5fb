package io.hydrahead.train;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.Replay;

/**
 * A stage's work as two halves, so that a device records the second once and replays it at the cost
 * of one launch a micro-batch: everything that differs between micro-batches is brought to the
 * device first, then all is computed from there, for every learner, forward and backward.
 *
 * <p>Only micro-batches with gradients are replayed; those of an evaluation are too few.
 */
public abstract class RecordedWork implements StageWork {
  private final Replay step;

  /**
   * @param ops of all models of the stage
   */
  protected RecordedWork(Ops ops) {
    step = new Replay(ops.graphs(), () -> enqueue(true));
  }

  /** Brings a micro-batch and its numbers to the operations' memory. */
  protected abstract void load(Batch batch, Share share);

  /**
   * Computes what {@link #run} promises from what {@link #load} brought: without copies from or to
   * the host, without waiting, and with the same operations on the same tensors every time.
   */
  protected abstract void enqueue(boolean gradients);

  @Override
  public final void run(Batch batch, Share share, boolean gradients) {
    load(batch, share);
    if (gradients) {
      step.run();
    } else {
      enqueue(false);
    }
  }

  @Override
  public void close() {
    step.close();
  }
}
