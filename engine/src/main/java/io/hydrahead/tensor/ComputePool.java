package io.hydrahead.tensor;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * A fixed team of platform threads that share the work of one kernel at a time: the calling thread
 * and {@code threads − 1} workers, which spin briefly between kernels and then park.
 *
 * <p>{@link #run} allocates nothing. Tasks are handed out one by one in index order, so which thread
 * runs a task may vary; a kernel must not let its result depend on that (reductions go over a fixed
 * number of slices, one task each).
 */
public final class ComputePool implements AutoCloseable {
  private static final int SPINS = 2_000;

  private final Worker[] workers;
  private final AtomicInteger next = new AtomicInteger();
  private final AtomicInteger running = new AtomicInteger();
  private volatile int epoch;
  private volatile boolean closed;
  private volatile Throwable failure;
  private int tasks;
  private IntConsumer body;
  private boolean busy;

  /** A team of {@code threads} in all, the caller included. */
  public ComputePool(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be at least 1, not " + threads);
    }
    workers = new Worker[threads - 1];
    for (int i = 0; i < workers.length; i++) {
      workers[i] = new Worker(i);
      workers[i].start();
    }
  }

  /** Threads in the team, the caller included. */
  public int threads() {
    return workers.length + 1;
  }

  /**
   * Calls {@code task} with 0 … {@code count − 1}, each once, and returns when all are done. A task
   * that itself calls {@code run} has its inner tasks run in sequence. Only one thread at a time may
   * use the pool; others wait.
   */
  public void run(int count, IntConsumer task) {
    if (count <= 0) {
      return;
    }
    if (count == 1 || workers.length == 0 || Thread.currentThread() instanceof Worker) {
      sequential(count, task);
      return;
    }
    synchronized (this) {
      if (busy) { // a task of the calling thread itself called run
        sequential(count, task);
        return;
      }
      busy = true;
      try {
        team(count, task);
      } finally {
        busy = false;
      }
    }
  }

  private static void sequential(int count, IntConsumer task) {
    for (int i = 0; i < count; i++) {
      task.accept(i);
    }
  }

  private void team(int count, IntConsumer task) {
    body = task;
    tasks = count;
    failure = null;
    next.set(0);
    running.set(workers.length);
    epoch++; // publishes the fields above
    for (Worker w : workers) {
      if (w.parked) {
        LockSupport.unpark(w);
      }
    }
    work();
    int spins = 0;
    while (running.get() > 0) {
      if (++spins < SPINS) {
        Thread.onSpinWait();
      } else {
        Thread.yield();
      }
    }
    body = null;
    Throwable t = failure;
    if (t != null) {
      if (t instanceof RuntimeException e) {
        throw e;
      }
      if (t instanceof Error e) {
        throw e;
      }
      throw new IllegalStateException(t);
    }
  }

  private void work() {
    IntConsumer task = body;
    int n = tasks;
    try {
      for (int i = next.getAndIncrement(); i < n; i = next.getAndIncrement()) {
        task.accept(i);
      }
    } catch (Throwable t) {
      failure = t;
      next.set(n);
    }
  }

  @Override
  public void close() {
    closed = true;
    for (Worker w : workers) {
      LockSupport.unpark(w);
    }
  }

  private final class Worker extends Thread {
    volatile boolean parked;

    Worker(int index) {
      super("hydrahead-compute-" + (index + 1));
      setDaemon(true);
    }

    @Override
    public void run() {
      int seen = 0;
      while (true) {
        int spins = 0;
        while (epoch == seen && !closed) {
          if (++spins < SPINS) {
            Thread.onSpinWait();
          } else {
            parked = true;
            if (epoch == seen && !closed) {
              LockSupport.park(this);
            }
            parked = false;
          }
        }
        if (closed) {
          return;
        }
        seen++;
        work();
        running.decrementAndGet();
      }
    }
  }
}
