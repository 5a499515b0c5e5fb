package io.hydrahead.ops.attention;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CudaForwardPlanTest {
  private static final int PROCESSORS = 132;

  private static CudaForwardPlan plan(int heads, int queries, int offset) {
    return CudaForwardPlan.of(heads, queries, offset, 128, 128, 4 * 128 * 129, PROCESSORS);
  }

  @Test
  void manyHeadsAreNotCut() {
    assertThat(plan(16, 32768, 0)).isEqualTo(new CudaForwardPlan(256, 1));
    assertThat(plan(512, 4096, 0).chunks()).isEqualTo(1);
  }

  /** Two heads have 64 query tiles; the longest, of 32 key tiles, would keep 132 blocks waiting. */
  @Test
  void fewHeadsAreCut() {
    assertThat(plan(2, 4096, 0).chunks()).isBetween(3, 4);
    assertThat(plan(1, 4096, 0).chunks()).isBetween(5, 8);
    assertThat(plan(1, 8192, 524288 - 8192).chunks()).isBetween(2, 8);
    assertThat(plan(2, 8192, 524288 - 8192).chunks()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({"1, 1, 0", "1, 129, 7", "3, 700, 0", "2, 1500, 3000", "1, 333, 1025", "1, 100000, 0"})
  void chunksCoverTheLongestTile(int heads, int queries, int offset) {
    CudaForwardPlan p = plan(heads, queries, offset);
    int longest = CudaForwardPlan.keyTiles(queries, offset, 128, 128, (queries + 127) / 128 - 1);
    assertThat((long) p.chunk() * p.chunks()).isGreaterThanOrEqualTo(longest);
    assertThat(p.chunk() * (p.chunks() - 1)).isLessThan(longest);
  }
}
