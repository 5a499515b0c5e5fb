package io.hydrahead.cuda;

/** Measures how long the device takes for what is enqueued between two points of its stream. */
public final class CudaTimer implements AutoCloseable {
  private final CudaDevice device;
  private final long from;
  private final long to;
  private boolean closed;

  public CudaTimer(CudaDevice device) {
    this.device = device;
    device.makeCurrent();
    from = device.driver().createEvent(true);
    to = device.driver().createEvent(true);
    device.own(this);
  }

  /** Notes the start. */
  public void start() {
    device.makeCurrent();
    device.driver().record(from, device.stream());
  }

  /** Notes the end, waits for it and returns the milliseconds since {@link #start}. */
  public float stop() {
    device.makeCurrent();
    device.driver().record(to, device.stream());
    device.driver().synchronizeEvent(to);
    return device.driver().milliseconds(from, to);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      device.makeCurrent();
      device.driver().destroyEvent(from);
      device.driver().destroyEvent(to);
      device.disown(this);
    }
  }
}
