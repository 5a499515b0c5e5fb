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
}
