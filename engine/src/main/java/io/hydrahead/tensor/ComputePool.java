package io.hydrahead.tensor;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;

/**
 * A fixed team of platform threads that share the work of one kernel at a time: the calling thread
 * and {@code threads − 1} workers, which spin briefly between kernels and then park.
 *
 * <p>{@link #run} allocates nothing. Tasks are handed out one by one in index order, so which
 * thread runs a task may vary; a kernel must not let its result depend on that (reductions go over
 * a fixed number of slices, one task each). The caller waits for tasks, not for workers: one that
 * wakes up late, as on a busy machine, finds nothing left to do and holds nobody up.
 *
 * <p>Where more threads want to run than there are cores, a worker may lose its core in the middle
 * of a task, and the caller can only wait until it gets one again: a whole time slice or several
 * for a kernel of microseconds. So a late worker makes the pool do without workers for about as
 * long as it was late: the caller alone gets its fair share of one core, and loses nothing on
 * waiting. The pauses grow while workers are late again at once, and end soon after the machine is
 * quiet.
 */
public final class ComputePool implements AutoCloseable {
  /** How long an idle worker spins before it parks: longer than the pauses between kernels. */
  private static final long SPIN_NANOS = 100_000;

  /** How long the caller spins for the last tasks before it sleeps: longer than a usual task. */
  private static final long WAIT_NANOS = 50_000;

  /**
   * A worker is late if the caller waits longer than this, and three times as long as it worked
   * itself: no kernel divides its work so unevenly.
   */
  private static final long LATE_NANOS = 1_000_000;

  /** A pause lasts at least twice and at most sixteen times as long as the worker was late. */
  private static final int LEAST_PAUSE = 2;

  private static final int MOST_PAUSE = 16;

  private static final long LONGEST_PAUSE_NANOS = 100_000_000;

  /** Spins between two looks at the clock. */
  private static final int SPINS_A_LOOK = 64;

  /** A ticket whose index no run reaches: nothing can be claimed. */
  private static final long CLOSED = 0x7FFF_FFFFL;

  private final Worker[] workers;

  /**
   * Phase in the upper half, two for each run: closed while its fields are written, then open;
   * index of the next task in the lower half. Claiming a task is one compare-and-set, which fails
   * for whoever read {@link #body} and {@link #tasks} of another run.
   */
  private final AtomicLong ticket = new AtomicLong(CLOSED);

  private final AtomicInteger done = new AtomicInteger();
  private volatile IntConsumer body;
  private volatile int tasks;
  private volatile boolean closed;
  private volatile Throwable failure;
  private volatile Thread sleeping;
  private boolean busy;
  private int growth = LEAST_PAUSE;
  private long pause;
  private long pauseEnds = System.nanoTime();

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

  /** Whether the next run will do without workers, because one was late. */
  public synchronized boolean crowded() {
    return System.nanoTime() - pauseEnds < 0;
  }

  /**
   * Calls {@code task} with 0 … {@code count − 1}, each once, and returns when all are done. A task
   * that itself calls {@code run} has its inner tasks run in sequence. Only one thread at a time
   * may use the pool; others wait.
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
        long now = System.nanoTime();
        if (now - pauseEnds < 0) {
          sequential(count, task);
        } else {
          team(count, task, now);
        }
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

  private void team(int count, IntConsumer task, long start) {
    long phase = ticket.get() >>> 32;
    ticket.set(phase + 1 << 32 | CLOSED); // whoever still looks at the last run finds it over
    body = task;
    tasks = count;
    failure = null;
    done.set(0);
    ticket.set(phase + 2 << 32); // publishes the fields above
    for (Worker w : workers) {
      if (w.parked) {
        LockSupport.unpark(w);
      }
    }
    work();
    if (done.get() < count) {
      await(count, start);
    }
    body = null;
    rethrow(failure);
  }

  /** Waits for the tasks that workers still run; notes if that took too long. */
  private void await(int count, long start) {
    long idle = System.nanoTime();
    long until = idle + WAIT_NANOS;
    for (int spins = 1; done.get() < count; spins++) {
      if (spins % SPINS_A_LOOK != 0 || System.nanoTime() < until) {
        Thread.onSpinWait();
      } else {
        sleeping = Thread.currentThread();
        boolean interrupted = false;
        while (done.get() < count) {
          LockSupport.park(this);
          interrupted |= Thread.interrupted(); // else park would return at once from now on
        }
        sleeping = null;
        if (interrupted) {
          Thread.currentThread().interrupt();
        }
      }
    }
    long now = System.nanoTime();
    long late = now - idle;
    if (late > Math.max(LATE_NANOS, 3 * (idle - start))) {
      boolean atOnce = idle - pauseEnds < pause;
      growth = atOnce ? Math.min(2 * growth, MOST_PAUSE) : LEAST_PAUSE;
      pause = Math.min(growth * late, LONGEST_PAUSE_NANOS);
      pauseEnds = now + pause;
    }
  }

  private static void rethrow(Throwable t) {
    switch (t) {
      case null -> {}
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      default -> throw new IllegalStateException(t);
    }
  }

  /** Claims and runs tasks of the current run until none is left. */
  private void work() {
    while (true) {
      long t = ticket.get();
      int index = (int) t;
      IntConsumer task = body;
      if (index >= tasks || task == null) {
        return;
      }
      if (ticket.compareAndSet(t, t + 1)) {
        try {
          if (failure == null) {
            task.accept(index);
          }
        } catch (Throwable e) {
          failure = e;
        }
        finished();
      }
    }
  }

  /**
   * Counts a task, and wakes the caller if it sleeps after the last one. Of the two, counting here
   * and falling asleep there, whoever comes second sees the other.
   */
  private void finished() {
    if (done.incrementAndGet() >= tasks) {
      Thread s = sleeping;
      if (s != null) {
        LockSupport.unpark(s);
      }
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
      long seen = 0;
      while (!closed) {
        long until = System.nanoTime() + SPIN_NANOS;
        for (int spins = 1; ticket.get() >>> 32 == seen && !closed; spins++) {
          if (spins % SPINS_A_LOOK != 0 || System.nanoTime() < until) {
            Thread.onSpinWait();
          } else {
            parked = true;
            if (ticket.get() >>> 32 == seen && !closed) {
              LockSupport.park(this);
            }
            parked = false;
          }
        }
        seen = ticket.get() >>> 32;
        work();
      }
    }
  }
}
