package io.hydrahead.ops;

/**
 * Runs work next to other work. A GPU fills the gaps of one with the other, where neither has
 * enough blocks for all multiprocessors; the processor, whose operations use every core, takes them
 * in turn.
 */
@FunctionalInterface
public interface Overlap {
  /** One after the other. */
  Overlap NONE =
      (first, second) -> {
        first.run();
        second.run();
      };

  /**
   * Enqueues both. Each sees what was enqueued before, neither the other's results; what is
   * enqueued later sees both. They must write to different tensors.
   */
  void both(Runnable first, Runnable second);
}
