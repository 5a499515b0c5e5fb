package io.hydrahead.model;

import static io.hydrahead.model.TestModels.ids;
import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What {@link HybridTransformerTest} does not ask of windowed heads in particular. */
class WindowHeadsTest {
  /** Rings go round several times; pieces begin and end anywhere in them. */
  @Test
  void windowsOfAnySizeGiveTheLogitsOfOnePass() {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults())) {
      int[] ids = ids(300, 97, 17);
      Random random = new Random(6);
      for (int[] w : new int[][] {{1, 0}, {5, 1}, {64, 4}, {70, 66}, {150, 0}, {400, 4}}) {
        Style style = Style.HYDRAHEAD.withWindow(w[0], w[1]);
        HybridTransformer m =
            TestModels.random(TestModels.config(), TestModels.headWise(), style, ops, 13);
        Tensor whole = Tensor.of(HybridTransformerTest.onePass(m, ids), 300, 97);
        int[] cuts = random.ints(12, 1, 299).sorted().distinct().toArray();
        assertThat(
                GoldenCheck.relativeL2(
                    Tensor.of(HybridTransformerTest.pieces(m, ids, cuts), 300, 97), whole))
            .as("%s, cuts %s", style, Arrays.toString(cuts))
            .isLessThan(1e-4);
        assertThat(
                GoldenCheck.relativeL2(
                    Tensor.of(HybridTransformerTest.decoded(m, ids, 40), 260, 97),
                    whole.rows(40, 260)))
            .as("%s, decoded", style)
            .isLessThan(1e-4);
      }
    }
  }

  /** Heads that are windowed with room for the whole text are those of a plain Transformer. */
  @Test
  void aWindowOverTheWholeTextHidesNothing() {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults())) {
      int[] ids = ids(100, 97, 3);
      ModelConfig c = // a KV head each, so that both kinds have the same parameters
          new ModelConfig(
              97, 48, 80, 3, 4, 4, 16, 256, 1e-6f, RotaryConfig.plain(10_000), true, -1, List.of());
      HybridTransformer full = TestModels.random(c, HeadPlan.allFull(3, 4), Style.VANILLA, ops, 13);
      Tensor whole = Tensor.of(HybridTransformerTest.onePass(full, ids), 100, 97);
      for (int window : new int[] {99, 100, 5000}) {
        Style style = Style.VANILLA.withWindow(window, 1);
        HybridTransformer windowed =
            TestModels.random(c, HeadPlan.of(new boolean[3][4]), style, ops, 13);
        Tensor got = Tensor.of(HybridTransformerTest.decoded(windowed, ids, 50), 50, 97);
        assertThat(GoldenCheck.relativeL2(got, whole.rows(50, 50))).isLessThan(1e-5);
      }
      Style shorter = Style.VANILLA.withWindow(98, 1);
      HybridTransformer other =
          TestModels.random(c, HeadPlan.of(new boolean[3][4]), shorter, ops, 13);
      Tensor last = Tensor.of(HybridTransformerTest.decoded(other, ids, 99), 1, 97);
      assertThat(GoldenCheck.relativeL2(last, whole.rows(99, 1))).isGreaterThan(1e-5);
    }
  }
}
