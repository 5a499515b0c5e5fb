package io.hydrahead.cuda;

/**
 * Device work recorded once and replayed at the cost of one launch. Everything that the work reads
 * from the host (arguments, sizes, addresses) is as it was when recorded; what shall change between
 * replays must lie in device memory. Run the work once before recording it, so that kernels are
 * compiled and scratch memory is there.
 */
public final class CudaGraph implements AutoCloseable {
  private final CudaDevice device;
  private final long nodes;
  private long executable;

  private CudaGraph(CudaDevice device, long executable, long nodes) {
    this.device = device;
    this.executable = executable;
    this.nodes = nodes;
    device.own(this);
  }

  /**
   * Records what {@code work} enqueues on the device's stream; nothing of it runs.
   *
   * @throws CudaException if the work waits for the device, allocates or does what else cannot be
   *     recorded
   */
  public static CudaGraph record(CudaDevice device, Runnable work) {
    device.makeCurrent();
    Driver driver = device.driver();
    driver.beginCapture(device.stream());
    device.capturing(true);
    boolean done = false;
    long graph;
    try {
      work.run();
      done = true;
    } finally {
      device.capturing(false);
      if (!done) {
        driver.abandonCapture(device.stream());
      }
    }
    graph = driver.endCapture(device.stream());
    try {
      return new CudaGraph(device, driver.instantiate(graph), driver.graphNodes(graph));
    } finally {
      driver.destroyGraph(graph);
    }
  }

  /** Enqueues all of it again. */
  public void launch() {
    device.makeCurrent();
    device.driver().launchGraph(executable, device.stream());
  }

  /** Kernels, copies and fills in it. */
  public long nodes() {
    return nodes;
  }

  @Override
  public void close() {
    if (executable != 0) {
      device.makeCurrent();
      device.driver().destroyExecutable(executable);
      executable = 0;
      device.disown(this);
    }
  }
}
