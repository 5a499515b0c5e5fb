package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.ops.CudaOptions;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Decoding as one operation against the operations one after the other, on the CPU in float32 with
 * the same matrices.
 */
@Tag("gpu")
class FusedDecodeTest {
  private static final int VOCABULARY = 1003;
  private static Ops cpu;
  private static Ops gpu;

  @BeforeAll
  static void open() {
    gpu = OpsFactory.cuda(CudaTesting.openOrSkip(), new CudaOptions(0, DType.BF16, false, 2));
    cpu = OpsFactory.cpu(OpsOptions.defaults());
  }

  @AfterAll
  static void close() {
    for (Ops ops : new Ops[] {cpu, gpu}) {
      if (ops != null) {
        ops.close();
      }
    }
  }

  /** 3 layers × 8 heads in 4 KV groups. */
  private static ModelConfig config(int headDim, int hidden, int mlp) {
    return new ModelConfig(
        VOCABULARY,
        hidden,
        mlp,
        3,
        8,
        4,
        headDim,
        4096,
        1e-6f,
        RotaryConfig.plain(10_000),
        true,
        -1,
        List.of());
  }

  private static HeadPlan plan(String name) {
    List<Integer> all = List.of(0, 1, 2, 3, 4, 5, 6, 7);
    return switch (name) {
      case "vanilla" -> HeadPlan.of(List.of(all, all, all), 3, 8);
      case "layer-wise" -> HeadPlan.of(List.of(List.of(), all, List.of()), 3, 8);
      case "head-wise" -> HeadPlan.of(List.of(List.of(7), List.of(1, 2), List.of(4, 5)), 3, 8);
      default -> HeadPlan.of(List.of(List.of(), List.of(), List.of()), 3, 8);
    };
  }

  private static Style style(String name) {
    Style h = Style.HYDRAHEAD;
    return switch (name) {
      case "vanilla" -> Style.VANILLA;
      case "log scale" ->
          new Style(false, true, true, true, true, Style.LengthScale.LOG, 500, 0, 1f);
      case "bare" ->
          new Style(true, false, false, false, false, Style.LengthScale.NONE, 500, 0, 2f);
      default -> h;
    };
  }

  /**
   * Against a model that rounds its matrices alone. Activations rounded to bf16 (2^-9 each, some 20
   * in a row) leave 3e-3 to 1.2e-2 in single tokens' logits, with the decoder and without.
   */
  @ParameterizedTest(name = "d {0}, {3}, {4}, {5} tokens read before")
  @CsvSource({
    "64, 96, 224, vanilla, vanilla, 0",
    "32, 384, 1024, head-wise, hydrahead, 70",
    "64, 224, 1056, head-wise, hydrahead, 0",
    "64, 96, 224, head-wise, log scale, 300",
    "128, 256, 640, head-wise, hydrahead, 1500",
    "128, 256, 640, layer-wise, hydrahead, 129",
    "128, 256, 640, vanilla, vanilla, 1000",
    "64, 96, 224, vanilla, vanilla, 1500",
    "32, 160, 96, linear, hydrahead, 3",
    "64, 96, 224, head-wise, bare, 65"
  })
  void logitsAreThoseOfSingleOperations(
      int headDim, int hidden, int mlp, String planName, String styleName, int before) {
    ModelConfig c = config(headDim, hidden, mlp);
    int[] ids = TestModels.ids(before + 70, VOCABULARY, before);
    try (HybridTransformer here =
            rounded(TestModels.gentle(c, plan(planName), style(styleName), cpu, 5));
        HybridTransformer there = TestModels.gentle(c, plan(planName), style(styleName), gpu, 5)) {
      assertThat(FusedDecode.supports(there)).isTrue();
      List<Tensor> want = read(here, ids, before);
      List<Tensor> got = read(there, ids, before);
      for (int i = 0; i < want.size(); i++) {
        assertThat(GoldenCheck.relativeL2(got.get(i), want.get(i)))
            .as("token %d", before + i)
            .isLessThan(2e-2);
      }
    }
  }

  /** The same model with the matrices that the device works with: rounded to bf16. */
  private static HybridTransformer rounded(HybridTransformer m) {
    for (String name : m.parameters().names()) {
      Tensor t = m.parameters().get(name);
      for (long i = 0; t.rank() == 2 && i < t.size(); i++) {
        t.set(i, DType.BF16.widen(DType.BF16.narrow(t.get(i))));
      }
    }
    return m;
  }

  private static List<Tensor> read(HybridTransformer m, int[] ids, int before) {
    try (Session s = m.newSession(ids.length)) {
      if (before > 0) {
        s.prefill(Arrays.copyOf(ids, before));
      }
      return Arrays.stream(ids, before, ids.length)
          .mapToObj(id -> Tensor.of(s.decode(id).toFloats(), VOCABULARY))
          .toList();
    }
  }

  /** The device goes on with its own choice; whoever interferes gets the same as from the start. */
  @Test
  void greedyGoesOnAndCanBeSteered() {
    try (HybridTransformer m =
            TestModels.gentle(config(64, 96, 224), plan("head-wise"), Style.HYDRAHEAD, gpu, 9);
        Session s = m.newSession(200);
        Session other = m.newSession(200)) {
      int id = 5;
      for (int i = 0; i < 40; i++) {
        int next = s.decodeGreedy(id);
        float[] logits = other.decode(id).toFloats();
        int best = 0;
        for (int v = 1; v < VOCABULARY; v++) {
          best = logits[v] > logits[best] ? v : best;
        }
        assertThat(next).as("token %d", i).isEqualTo(best);
        id = i % 7 == 6 ? i : next;
      }
    }
  }

  @Test
  void whatItCannotDoGoesTheOtherWay() {
    Style conv = new Style(false, true, true, true, true, Style.LengthScale.NONE, 500, 4, 1f);
    for (Style style : new Style[] {conv, Style.HYDRAHEAD.withWindow(8, 2)}) {
      try (HybridTransformer m =
              TestModels.gentle(config(64, 96, 224), plan("head-wise"), style, gpu, 1);
          Session s = m.newSession(20)) {
        assertThat(FusedDecode.supports(m)).isFalse();
        assertThat(s.decode(3).toFloats()).doesNotContain(Float.NaN);
      }
    }
  }
}
