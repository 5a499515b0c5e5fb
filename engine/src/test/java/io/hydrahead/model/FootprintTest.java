package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FootprintTest {
  /** One whole KV group in every layer: 7:1 of 28 × 16 heads. */
  private static HeadPlan sevenToOne() {
    List<List<Integer>> heads = new ArrayList<>();
    for (int l = 0; l < 28; l++) {
      heads.add(List.of(2 * (l % 8), 2 * (l % 8) + 1));
    }
    return HeadPlan.of(heads, 28, 16);
  }

  @Test
  void aHybridOf17BillionReadsHalfAMillionTokensInThirteenGigabytes() {
    ModelConfig c = ModelShapes.get("qwen3-1.7b");
    Footprint f = Footprint.ofInference(c, sevenToOne(), Style.HYDRAHEAD, DType.BF16, 1 << 19);
    assertThat(f.weights()).isBetween(3_850_000_000L, 3_950_000_000L);
    long cache = 28L * 2 * 128 * 2 * (1 << 19);
    long state = 28L * 14 * 128 * 128 * 4;
    assertThat(f.session()).isGreaterThan(cache + state);
    assertThat(f.total()).isLessThan(13_000_000_000L);
  }

  @Test
  void aTransformerNeedsItsKeysAndValues() {
    ModelConfig c = ModelShapes.get("qwen3-1.7b");
    Footprint f =
        Footprint.ofInference(c, HeadPlan.allFull(28, 16), Style.VANILLA, DType.BF16, 1 << 19);
    assertThat(f.total()).isBetween(62_000_000_000L, 66_000_000_000L);
  }

  /** Windowed heads take what their rings take, however long the text is. */
  @Test
  void windowsTakeTheSameWhateverTheLength() {
    ModelConfig c = ModelShapes.get("teacher-24m");
    HeadPlan none = HeadPlan.of(new boolean[12][16]);
    Style style = Style.HYDRAHEAD.withWindow(1024, 4);
    long ring = 12L * 2 * 16 * 32 * 1028 * 2;
    long session = Footprint.ofInference(c, none, style, DType.BF16, 1 << 15).session();
    long linear = Footprint.ofInference(c, none, Style.HYDRAHEAD, DType.BF16, 1 << 15).session();
    long state = 12L * 16 * 32 * 32 * 4;
    assertThat(session - linear).isBetween(ring - state - (24 << 20), ring - state + (40 << 20));
    assertThat(Footprint.ofInference(c, none, style, DType.BF16, 1 << 19).session())
        .isEqualTo(session);
  }
}
