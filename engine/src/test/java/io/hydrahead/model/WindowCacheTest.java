package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.OpsTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows whose values are their positions plus one go through the ring. */
class WindowCacheTest {
  @ParameterizedTest
  @CsvSource({
    "1, 0, 300",
    "7, 0, 300",
    "7, 3, 300",
    "64, 4, 700",
    "100, 64, 700",
    "100, 65, 700",
    "200, 4, 150"
  })
  void whatQueriesSeeIsThereInOrder(int window, int sinks, int capacity) {
    Style style = Style.HYDRAHEAD.withWindow(window, sinks);
    Random random = new Random(window + sinks);
    try (Workspace memory = new Workspace(Memory.HOST)) {
      WindowCache ring = new WindowCache(style, capacity, 2, DType.F32, memory);
      assertThat(ring.keys.dim(0)).isEqualTo(Math.min(capacity, window + sinks));
      for (int start = 0, n; start < capacity; start += n) {
        n = Math.min(capacity - start, random.nextInt(4) == 0 ? 150 : 1 + random.nextInt(9));
        Tensor k = OpsTesting.nan(WindowCache.mostBefore(style, capacity) + n, 2);
        Tensor v = OpsTesting.nan(WindowCache.mostBefore(style, capacity) + n, 2);
        int before = ring.before(start, k, v);
        int leftOut = start - before;
        assertThat(leftOut).isNotNegative().isLessThanOrEqualTo(Math.max(0, start - window + 1));
        assertThat(leftOut % 64).isZero();
        for (int row = 0; row < before; row++) {
          boolean sink = row < sinks;
          int position = sink ? row : row + leftOut;
          float expected = sink || start - position < window ? position + 1 : 0;
          assertThat(k.get(2 * row)).as("row %d before %d", row, start).isEqualTo(expected);
          assertThat(v.get(2 * row + 1)).isEqualTo(-expected);
        }
        ring.append(positions(start, n, 1), positions(start, n, -1), start, n);
        int read = start + n;
        Set<Float> kept = new HashSet<>();
        for (int row = 0; row < ring.filled(read); row++) {
          kept.add(ring.keys.get(2 * row));
        }
        Set<Float> visible = new HashSet<>();
        for (int p = 0; p < read; p++) {
          if (p < sinks || read - 1 - p < window) {
            visible.add(p + 1f);
          }
        }
        assertThat(kept).as("after %d", read).containsAll(visible);
        assertThat(kept).hasSizeLessThanOrEqualTo(window + sinks);
      }
    }
  }

  private static Tensor positions(int start, int n, int sign) {
    Tensor t = OpsTesting.zeros(n, 2);
    for (int i = 0; i < 2 * n; i++) {
      t.set(i, sign * (start + i / 2 + 1));
    }
    return t;
  }
}
