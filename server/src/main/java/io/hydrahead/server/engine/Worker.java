package io.hydrahead.server.engine;

import java.util.function.BooleanSupplier;

/** How a scheduler waits for the thread that does its work. */
final class Worker {
  private Worker() {}

  /**
   * Waits on {@code monitor}, which the caller holds and the worker notifies, until it is idle, the
   * time is up or the caller is interrupted, which it stays.
   *
   * @param deadline in nanoseconds of {@link System#nanoTime}
   */
  static void awaitIdle(Object monitor, long deadline, BooleanSupplier idle) {
    while (!idle.getAsBoolean()) {
      long left = (deadline - System.nanoTime()) / 1_000_000;
      if (left <= 0) {
        return;
      }
      try {
        monitor.wait(left);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  /** Waits for the end of {@code worker}, however often it is interrupted; not from within it. */
  static void join(Thread worker) {
    boolean interrupted = false;
    while (worker.isAlive() && Thread.currentThread() != worker) {
      try {
        worker.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
