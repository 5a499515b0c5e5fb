package io.hydrahead.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DataOrderTest {
  private static long[] epoch(long seed, long rows, long epoch) {
    DataOrder order = new DataOrder(seed, rows);
    return LongStream.range(epoch * rows, (epoch + 1) * rows).map(order::row).toArray();
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 13, 63, 64, 65, 1000, 4099})
  void readsEveryRowOnceAnEpoch(long rows) {
    for (long e = 0; e < 3; e++) {
      assertThat(epoch(7, rows, e)).containsExactlyInAnyOrder(LongStream.range(0, rows).toArray());
    }
  }

  @Test
  void differsBetweenSeedsAndEpochs() {
    assertThat(epoch(1, 1000, 0)).isNotEqualTo(epoch(2, 1000, 0)).isNotEqualTo(epoch(1, 1000, 1));
    assertThat(epoch(1, 1000, 0)).isEqualTo(epoch(1, 1000, 0));
  }

  @Test
  void mixesTheRowsWell() {
    long[] rows = epoch(3, 10_000, 0);
    long rises = 0;
    for (int i = 1; i < rows.length; i++) {
      rises += rows[i] > rows[i - 1] ? 1 : 0;
    }
    assertThat(rises).isBetween(4_800L, 5_200L);
  }

  @Test
  void knowsCorporaWithoutEnd() {
    DataOrder order = new DataOrder(1, Long.MAX_VALUE / 2);
    assertThat(LongStream.range(0, 100).map(order::row).distinct().count()).isEqualTo(100);
    assertThat(order.row(5)).isNotNegative();
  }
}
