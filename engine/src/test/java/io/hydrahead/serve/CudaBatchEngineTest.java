package io.hydrahead.serve;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.CudaOptions;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Several texts at once against one after the other, on a GPU. */
@Tag("gpu")
class CudaBatchEngineTest {
  private static Ops float32;
  private static Ops bf16;

  @BeforeAll
  static void open() {
    float32 = ops(DType.F32);
    bf16 = ops(DType.BF16);
  }

  private static Ops ops(DType type) {
    return OpsFactory.cuda(CudaTesting.openOrSkip(), new CudaOptions(0, type, false, 2));
  }

  @AfterAll
  static void close() {
    for (Ops ops : new Ops[] {float32, bf16}) {
      if (ops != null) {
        ops.close();
      }
    }
  }

  static Stream<Arguments> models() {
    return BatchModels.all();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void interleavingsInFloat32(String name, HeadPlan plan, Style style) {
    try (HybridTransformer m = TestModels.gentle(plan, style, float32, 7)) {
      Interleaving.check(m, 1, 1e-4);
    }
  }

  /** Roundings to bf16 fall differently in products of other numbers of rows. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void interleavingsInBf16(String name, HeadPlan plan, Style style) {
    try (HybridTransformer m = TestModels.gentle(plan, style, bf16, 7)) {
      Interleaving.check(m, 1, 3e-2);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void prefixes(String name, HeadPlan plan, Style style) {
    try (HybridTransformer m = TestModels.gentle(plan, style, float32, 7)) {
      PrefixSharing.check(m, 11, 20, 1e-4);
    }
  }

  /** Steps are recorded and replayed, with tables and slots that change between replays. */
  @Test
  void replayedStepsAreThoseOfTheFirst() {
    try (HybridTransformer m =
            TestModels.gentle(TestModels.headWise(), Style.HYDRAHEAD, float32, 7);
        BatchEngine engine = new BatchEngine(m, BatchModels.options(m, 8, 400))) {
      List<BatchSequence> open = new ArrayList<>();
      List<int[]> texts = new ArrayList<>();
      for (int i = 0; i < 5; i++) {
        texts.add(TestModels.ids(40 * i + 200, 97, i));
        int[] prompt = java.util.Arrays.copyOf(texts.get(i), 40 * i + 10);
        open.add(engine.open(prompt, 190, false).orElseThrow());
        while (open.get(i).reading()) {
          engine.step(List.of(), open.get(i));
        }
      }
      for (int step = 0; step < 190; step++) {
        List<BatchSequence> order = new ArrayList<>(open);
        java.util.Collections.rotate(order, step);
        for (int i = 0; i < 5; i++) {
          open.get(i).next(texts.get(i)[open.get(i).position()]);
        }
        engine.step(order, null);
      }
      for (int i = 0; i < 5; i++) {
        BatchModels.assertClose(
            open.get(i).logits(),
            BatchModels.decoded(m, texts.get(i), 40 * i + 10),
            1e-4,
            "text " + i);
        assertThat(open.get(i).best()).isBetween(0, 96);
      }
    }
  }
}
