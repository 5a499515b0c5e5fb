package io.hydrahead.ops;

/**
 * Work that is recorded once and then replayed. On a device a replay costs one launch instead of
 * one for every kernel; on the processor it simply runs the work again.
 *
 * <p>What the work reads from the host (numbers, arrays, which tensors) is fixed when it is
 * recorded; what changes from replay to replay must lie in tensors of the operations' memory. The
 * work must have run once before it is recorded, so that kernels are loaded and scratch has its
 * size, and it must not wait for the device.
 */
public interface Graphs {
  /** Runs the work at every launch. */
  Graphs IMMEDIATE =
      work ->
          new Graph() {
            @Override
            public void launch() {
              work.run();
            }

            @Override
            public void close() {}
          };

  /**
   * The same for steps of many short kernels that each wait for the one before it by themselves:
   * where a device can, one begins while the other ends.
   */
  default Graphs overlapping() {
    return this;
  }

  /** Records {@code work}; nothing of it takes effect before {@link Graph#launch}. */
  Graph record(Runnable work);

  /** Recorded work. */
  interface Graph extends AutoCloseable {
    /** Does the work once, in order with what was launched before. */
    void launch();

    @Override
    void close();
  }
}
