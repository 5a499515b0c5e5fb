package io.hydrahead.cuda;

/** The two streams of a device: work is enqueued on the main one but for what runs beside it. */
final class CudaLanes implements AutoCloseable {
  private final Driver driver;
  private final long main;
  private final long side;
  private final long forked;
  private final long joined;

  CudaLanes(Driver driver) {
    this.driver = driver;
    main = driver.createStream();
    side = driver.createStream();
    forked = driver.createEvent(false);
    joined = driver.createEvent(false);
  }

  long main() {
    return main;
  }

  long side() {
    return side;
  }

  /** What is enqueued on the side from now on comes after what is on the main stream now. */
  void fork() {
    driver.record(forked, main);
    driver.await(side, forked);
  }

  /** Marks the end of the side's work. */
  void sideIsDone() {
    driver.record(joined, side);
  }

  /** What is enqueued on the main stream from now on comes after the side's work. */
  void join() {
    driver.await(main, joined);
  }

  @Override
  public void close() {
    driver.destroyEvent(forked);
    driver.destroyEvent(joined);
    driver.destroyStream(side);
    driver.destroyStream(main);
  }
}
