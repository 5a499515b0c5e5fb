package io.hydrahead.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.CachePool;
import io.hydrahead.model.GoldenCheck;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Session;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;

/** Models and single texts that batches are compared with. */
final class BatchModels {
  private BatchModels() {}

  static Stream<Arguments> all() {
    HeadPlan linear = HeadPlan.of(new boolean[3][4]);
    Style conv = new Style(true, true, true, true, false, Style.LengthScale.LOG, 500, 4, 2f);
    return Stream.of(
        Arguments.of("vanilla", HeadPlan.allFull(3, 4), Style.VANILLA),
        Arguments.of("layer-wise", TestModels.layerWise(), Style.HYDRAHEAD),
        Arguments.of("head-wise", TestModels.headWise(), Style.HYDRAHEAD),
        Arguments.of("all linear", linear, Style.HYDRAHEAD),
        Arguments.of("head-wise, conv, log scale", TestModels.headWise(), conv),
        Arguments.of("Qwen3.5", TestModels.layerWise(), Style.QWEN3_5),
        Arguments.of("windows", TestModels.headWise(), Style.HYDRAHEAD.withWindow(40, 3)),
        Arguments.of("long windows", linear, Style.HYDRAHEAD.withWindow(150, 70)));
  }

  /** Pieces of 128 tokens and frequent snapshots. */
  static BatchOptions options(HybridTransformer m, int sequences, int context) {
    int blocks = sequences * Math.ceilDiv(context, CachePool.BLOCK);
    return new BatchOptions(
        sequences, context, 128, new CachePool.Size(blocks, 4 * sequences), true, 256);
  }

  /** Logits after a text that is read at once. */
  static Tensor cold(HybridTransformer m, int[] text) {
    return decoded(m, text, text.length);
  }

  /** Logits after a text whose first {@code prompt} tokens are read at once, the others singly. */
  static Tensor decoded(HybridTransformer m, int[] text, int prompt) {
    try (Session s = m.newSession(text.length)) {
      Tensor logits = s.prefill(Arrays.copyOf(text, prompt));
      for (int i = prompt; i < text.length; i++) {
        logits = s.decode(text[i]);
      }
      return Tensor.of(logits.toFloats(), logits.size());
    }
  }

  /** Relative L2, or the same bits where {@code tolerance} is 0. */
  static void assertClose(Tensor got, Tensor want, double tolerance, String what) {
    if (tolerance == 0) {
      assertThat(got.toFloats()).as(what).containsExactly(want.toFloats());
    } else {
      assertThat(GoldenCheck.relativeL2(got, want)).as(what).isLessThan(tolerance);
    }
  }
}
