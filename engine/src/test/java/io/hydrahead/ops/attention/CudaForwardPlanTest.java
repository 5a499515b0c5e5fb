package io.hydrahead.ops.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.attention.CausalAttention.Window;
import io.hydrahead.ops.attention.CudaForwardPlan.Tiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CudaForwardPlanTest {
  private static final int PROCESSORS = 132;

  private static CudaForwardPlan plan(int heads, int queries, int offset) {
    return CudaForwardPlan.of(heads, tiles(queries, offset), 4 * 128 * 129, PROCESSORS);
  }

  private static Tiles tiles(int queries, int offset) {
    return new Tiles(queries, offset, 128, 128, Window.ALL);
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
    int longest = tiles(queries, offset).keys((queries + 127) / 128 - 1);
    assertThat((long) p.chunk() * p.chunks()).isGreaterThanOrEqualTo(longest);
    assertThat(p.chunk() * (p.chunks() - 1)).isLessThan(longest);
  }

  /**
   * A tile of 128 rows sees the keys of its windows, up to 128 and the window's size, and sinks.
   */
  @Test
  void windowsLeaveFewTiles() {
    Tiles t = new Tiles(4096, 0, 128, 128, new Window(256, 4));
    int[] seen = java.util.stream.IntStream.range(0, 6).map(t::keys).toArray();
    assertThat(seen).containsExactly(1, 2, 3, 4, 4, 4);
    assertThat(new Tiles(4096, 0, 128, 128, new Window(257, 4)).keys(9)).isEqualTo(4);
    assertThat(new Tiles(4096, 0, 128, 128, new Window(258, 4)).keys(9)).isEqualTo(5);
    assertThat(new Tiles(4096, 0, 128, 128, new Window(256, 0)).keys(9)).isEqualTo(3);
    assertThat(CudaForwardPlan.of(1, t, 4 * 128 * 129, PROCESSORS).chunks()).isEqualTo(1);
  }
}
