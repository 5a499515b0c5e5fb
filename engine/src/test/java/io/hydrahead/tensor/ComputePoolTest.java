package io.hydrahead.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class ComputePoolTest {
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8})
  void runsEveryTaskOnceInManyRunsOfManySizes(int threads) {
    try (ComputePool pool = new ComputePool(threads)) {
      for (int run = 0; run < 3_000; run++) {
        int count = run % 67;
        AtomicIntegerArray seen = new AtomicIntegerArray(count + 1);
        pool.run(count, i -> seen.incrementAndGet(i));
        for (int i = 0; i < count; i++) {
          assertThat(seen.get(i)).as("task %d of run %d", i, run).isEqualTo(1);
        }
        assertThat(seen.get(count)).isZero();
        if (run % 500 == 0) {
          LockSupport.parkNanos(1_000_000); // long enough for the workers to park
        }
      }
    }
  }

  @Test
  void whatTasksWroteIsThereAfterwards() {
    try (ComputePool pool = new ComputePool(4)) {
      for (int run = 0; run < 2_000; run++) {
        int[] plain = new int[64];
        int value = run;
        pool.run(64, i -> plain[i] = value + i);
        for (int i = 0; i < 64; i++) {
          assertThat(plain[i]).isEqualTo(run + i);
        }
      }
    }
  }

  @Test
  void aRunInsideATaskIsSequential() {
    try (ComputePool pool = new ComputePool(3)) {
      AtomicInteger sum = new AtomicInteger();
      pool.run(10, i -> pool.run(10, j -> sum.addAndGet(10 * i + j)));
      assertThat(sum).hasValue(4950);
    }
  }

  @Test
  void aFailureComesOutAndThePoolGoesOn() {
    try (ComputePool pool = new ComputePool(3)) {
      for (int run = 0; run < 200; run++) {
        assertThatThrownBy(() ->
                pool.run(
                    50,
                    i -> {
                      if (i == 17) {
                        throw new IllegalStateException("seventeen");
                      }
                    }))
            .isInstanceOf(IllegalStateException.class)
            .hasMessage("seventeen");
        AtomicInteger sum = new AtomicInteger();
        pool.run(50, sum::addAndGet);
        assertThat(sum).hasValue(1225);
      }
    }
  }

  /** Whether a worker took part in a run of short tasks. */
  private static boolean workersTakePart(ComputePool pool) {
    Thread caller = Thread.currentThread();
    AtomicInteger others = new AtomicInteger();
    pool.run(
        64,
        i -> {
          others.addAndGet(Thread.currentThread() == caller ? 0 : 1);
          spin(100_000);
        });
    return others.get() > 0;
  }

  private static void spin(long nanos) {
    long until = System.nanoTime() + nanos;
    while (System.nanoTime() < until) {
      Thread.onSpinWait();
    }
  }

  /** Runs until a worker has kept the caller waiting for much longer than the caller worked. */
  private static void beLate(ComputePool pool) {
    Thread caller = Thread.currentThread();
    AtomicInteger late = new AtomicInteger();
    while (late.get() == 0) {
      pool.run(
          2,
          i -> {
            if (Thread.currentThread() == caller) {
              spin(1_000_000);
            } else {
              late.incrementAndGet();
              LockSupport.parkNanos(60_000_000); // as if it had lost its core
            }
          });
    }
  }

  @Test
  void aLateWorkerIsLeftOutForAWhile() {
    try (ComputePool pool = new ComputePool(2)) {
      // Each time it is left out for longer; on a busy machine the first pauses may pass unseen.
      int attempts = 0;
      do {
        beLate(pool);
        attempts++;
      } while (workersTakePart(pool) && attempts < 20);
      assertThat(attempts).isLessThan(20);
      while (!workersTakePart(pool)) {
        LockSupport.parkNanos(1_000_000);
      }
    }
  }

  @Test
  void anInterruptedCallerStillWaitsForItsTasks() {
    try (ComputePool pool = new ComputePool(2)) {
      AtomicInteger done = new AtomicInteger();
      Thread caller = Thread.currentThread();
      caller.interrupt();
      pool.run(
          2,
          i -> {
            if (Thread.currentThread() != caller) {
              spin(20_000_000);
            } else {
              spin(2_000_000);
            }
            done.incrementAndGet();
          });
      assertThat(done).hasValue(2);
      assertThat(Thread.interrupted()).as("the interruption is not lost").isTrue();
    }
  }
}
