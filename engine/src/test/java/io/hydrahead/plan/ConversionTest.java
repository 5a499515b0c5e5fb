package io.hydrahead.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Fields;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterShapes;
import io.hydrahead.model.Session;
import io.hydrahead.model.Style;
import io.hydrahead.model.Style.LengthScale;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.plan.ConvertOptions.Gamma;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class ConversionTest {
  private static final Ops OPS = OpsFactory.reference(1);
  private static final ModelConfig CONFIG = TestModels.config();
  private static final HeadPlan ALL = HeadPlan.allFull(CONFIG.layers(), CONFIG.heads());
  private static final HybridTransformer TEACHER =
      TestModels.random(CONFIG, ALL, Style.VANILLA, OPS, 11);
  private static final int[] TEXT = text(70, 3);
  private static final double[][] RMS = HeadScale.measure(TEACHER, List.of(TEXT), Progress.SILENT);

  @AfterAll
  static void free() {
    TEACHER.close();
  }

  private static int[] text(int length, long seed) {
    return new Random(seed).ints(length, 0, CONFIG.vocabSize()).toArray();
  }

  private static HybridTransformer convert(HeadPlan plan, Style style, ConvertOptions options) {
    return Conversion.convert(TEACHER, plan, new ConvertRecipe(style, options), RMS);
  }

  private static HybridTransformer convert(HeadPlan plan) {
    return convert(plan, Style.HYDRAHEAD, ConvertOptions.DEFAULT);
  }

  private static float[] logits(HybridTransformer model) {
    try (Session s = model.newSession(TEXT.length)) {
      return s.prefill(TEXT).toFloats();
    }
  }

  private static Tensor of(HybridTransformer m, int layer, String name) {
    return m.parameters().get(ParameterShapes.attention(layer) + name);
  }

  private static float[] head(Tensor t, int head) {
    return t.rows((long) head * CONFIG.headDim(), CONFIG.headDim()).toFloats();
  }

  @Test
  void allHeadsFullInVanillaStyleIsTheTeacher() {
    try (HybridTransformer same = convert(ALL, Style.VANILLA, ConvertOptions.DEFAULT)) {
      assertThat(same.parameters().names()).isEqualTo(TEACHER.parameters().names());
      assertThat(logits(same)).containsExactly(logits(TEACHER));
    }
  }

  @Test
  void gateAndGammaCancelAtTheStart() {
    Style gated = new Style(true, false, true, true, true, LengthScale.NONE, 500, 0, 1f);
    float[] expected = logits(TEACHER);
    try (HybridTransformer same = convert(ALL, gated, ConvertOptions.DEFAULT)) {
      float[] actual = logits(same);
      double largest = 0;
      double difference = 0;
      for (int i = 0; i < actual.length; i++) {
        largest = Math.max(largest, Math.abs(expected[i]));
        difference = Math.max(difference, Math.abs(actual[i] - expected[i]));
      }
      assertThat(difference).isLessThan(1e-4 * largest);
    }
  }

  @Test
  void fusedHeadsAreAsLoudAsTheTeachers() {
    try (HybridTransformer student = convert(TestModels.headWise())) {
      double[][] rms = HeadScale.measure(student, List.of(TEXT), Progress.SILENT);
      for (int l = 0; l < CONFIG.layers(); l++) {
        for (int h = 0; h < CONFIG.heads(); h++) {
          // A linear head's gate varies a little about ½ from the start.
          double tolerance = student.plan().isFull(l, h) ? 1e-3 : 0.05;
          assertThat(rms[l][h] / RMS[l][h])
              .as("layer %s head %s", l, h)
              .isCloseTo(1, within(tolerance));
        }
      }
    }
  }

  @Test
  void everyHeadInheritsItsOwnRowsAndItsGroups() {
    try (HybridTransformer student = convert(TestModels.headWise())) {
      for (int l = 0; l < CONFIG.layers(); l++) {
        int[] full = student.plan().fullHeads(l);
        for (int i = 0; i < full.length; i++) {
          assertThat(head(of(student, l, "q_proj.weight"), i))
              .containsExactly(head(of(TEACHER, l, "q_proj.weight"), full[i]));
        }
        int[] kept = student.plan().keptKvHeads(l, CONFIG.kvHeads());
        int[] linear = student.plan().linearHeads(l);
        for (String kv : List.of("k_proj.weight", "v_proj.weight")) {
          for (int i = 0; i < kept.length; i++) {
            assertThat(head(of(student, l, kv), i))
                .containsExactly(head(of(TEACHER, l, kv), kept[i]));
          }
          for (int i = 0; i < linear.length; i++) {
            assertThat(head(of(student, l, "linear_" + kv), i))
                .containsExactly(head(of(TEACHER, l, kv), linear[i] / CONFIG.group()));
          }
        }
        for (int i = 0; i < linear.length; i++) {
          assertThat(head(of(student, l, "linear_q_proj.weight"), i))
              .containsExactly(head(of(TEACHER, l, "q_proj.weight"), linear[i]));
        }
        assertThat(of(student, l, "linear_k_norm.weight").toFloats())
            .containsExactly(of(TEACHER, l, "k_norm.weight").toFloats());
        assertThat(of(student, l, "o_proj.weight").toFloats())
            .containsExactly(of(TEACHER, l, "o_proj.weight").toFloats());
        assertThat(of(student, l, "z_proj.weight").toFloats()).containsOnly(0f);
        assertThat(of(student, l, "z_proj.bias").toFloats()).containsOnly(4f);
      }
      for (String name : List.of(ParameterShapes.EMBEDDING, "model.layers.1.mlp.up_proj.weight")) {
        assertThat(student.parameters().get(name).toFloats())
            .containsExactly(TEACHER.parameters().get(name).toFloats());
      }
    }
  }

  /** As many parameters as with Gated DeltaNet, but for decays and write strengths. */
  @Test
  void windowedHeadsOwnWhatLinearOnesOwn() {
    Style style = Style.HYDRAHEAD.withWindow(16, 2);
    try (HybridTransformer linear = convert(TestModels.headWise());
        HybridTransformer windowed =
            convert(TestModels.headWise(), style, ConvertOptions.DEFAULT)) {
      List<String> names = new java.util.ArrayList<>(linear.parameters().names());
      names.removeIf(n -> n.matches(".*linear_(a_proj.weight|b_proj.weight|A_log|dt_bias)"));
      assertThat(windowed.parameters().names()).containsExactlyElementsOf(names);
      for (String name : names) {
        assertThat(windowed.parameters().get(name).toFloats())
            .as(name)
            .containsExactly(linear.parameters().get(name).toFloats());
      }
    }
  }

  /** Rotary heads with the text in their window are the teacher's, each with a K and V copy. */
  @Test
  void windowedHeadsBeginAsTheTeachers() {
    HeadPlan none = HeadPlan.of(new boolean[CONFIG.layers()][CONFIG.heads()]);
    Style style = Style.VANILLA.withWindow(TEXT.length, 0);
    float[] expected = logits(TEACHER);
    try (HybridTransformer same = convert(none, style, ConvertOptions.DEFAULT)) {
      assertThat(logits(same)).containsExactly(expected, within(1e-4f));
    }
    Style narrow = Style.VANILLA.withWindow(TEXT.length / 2, 0);
    try (HybridTransformer other = convert(none, narrow, ConvertOptions.DEFAULT)) {
      assertThat(logits(other)).isNotEqualTo(expected);
    }
  }

  @Test
  void newParametersAreDrawnFromTheirRanges() {
    ConvertOptions o =
        new ConvertOptions(1, new ConvertOptions.Decay(2, 3, 0.01, 0.02), 0.1, 0.3, 2, Gamma.ONE);
    Style conv = new Style(false, true, true, true, true, LengthScale.NONE, 500, 4, 1f);
    HeadPlan none = HeadPlan.of(new boolean[CONFIG.layers()][CONFIG.heads()]);
    try (HybridTransformer student = convert(none, conv, o)) {
      for (int l = 0; l < CONFIG.layers(); l++) {
        for (float a : of(student, l, "linear_A_log").toFloats()) {
          assertThat(Math.exp(a)).isBetween(1.999, 3.001);
        }
        for (float b : of(student, l, "linear_dt_bias").toFloats()) {
          assertThat(Math.log1p(Math.exp(b))).isBetween(0.00999, 0.02001);
        }
        assertThat(of(student, l, "gamma").toFloats()).containsOnly(1f);
        assertThat(deviation(of(student, l, "linear_a_proj.weight"))).isCloseTo(0.1, within(0.02));
        assertThat(deviation(of(student, l, "linear_z_proj.weight"))).isCloseTo(0.3, within(0.02));
        float[] taps = of(student, l, "linear_v_conv.weight").toFloats();
        for (int i = 0; i < taps.length; i++) {
          assertThat(taps[i]).isEqualTo(i % 4 == 3 ? 1f : 0f);
        }
      }
    }
  }

  private static double deviation(Tensor t) {
    float[] v = t.toFloats();
    double squares = 0;
    for (float x : v) {
      squares += x * x;
    }
    return Math.sqrt(squares / v.length);
  }

  @Test
  void theSameSeedGivesTheSameBitsAndACellTheSameNumbersInEveryPlan() {
    HeadPlan none = HeadPlan.of(new boolean[CONFIG.layers()][CONFIG.heads()]);
    try (HybridTransformer a = convert(TestModels.headWise());
        HybridTransformer b = convert(TestModels.headWise());
        HybridTransformer linear = convert(none);
        HybridTransformer other =
            convert(none, Style.HYDRAHEAD, ConvertOptions.DEFAULT.withSeed(1))) {
      for (String name : a.parameters().names()) {
        assertThat(a.parameters().get(name).segment().mismatch(b.parameters().get(name).segment()))
            .as(name)
            .isEqualTo(-1);
      }
      int[] cells = a.plan().linearHeads(0);
      float[] some = of(a, 0, "linear_A_log").toFloats();
      float[] all = of(linear, 0, "linear_A_log").toFloats();
      for (int i = 0; i < cells.length; i++) {
        assertThat(some[i]).isEqualTo(all[cells[i]]);
        assertThat(head(of(a, 0, "linear_z_proj.weight"), i))
            .containsExactly(head(of(linear, 0, "linear_z_proj.weight"), cells[i]));
      }
      assertThat(of(other, 0, "linear_A_log").toFloats()).isNotEqualTo(all);
      assertThat(
              Arrays.stream(new float[][] {all, of(linear, 1, "linear_A_log").toFloats()})
                  .map(Arrays::toString)
                  .distinct())
          .as("layers differ")
          .hasSize(2);
    }
  }

  @Test
  void whatCannotBeConvertedIsRefused() {
    HeadPlan small = HeadPlan.allFull(2, 4);
    assertThatThrownBy(() -> convert(small))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("2 × 4", "3 × 4");
    try (HybridTransformer student = convert(TestModels.headWise())) {
      assertThatThrownBy(() -> Conversion.convert(student, ALL, ConvertRecipe.DEFAULT, RMS))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("no plain Transformer");
    }
    assertThatThrownBy(() -> HeadScale.measure(TEACHER, List.of(), Progress.SILENT))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("calibration");
  }

  @Test
  void theMeanRmsCountsPositionsNotTexts() {
    int[] other = text(30, 9);
    double[][] first = RMS;
    double[][] second = HeadScale.measure(TEACHER, List.of(other), Progress.SILENT);
    double[][] both = HeadScale.measure(TEACHER, List.of(TEXT, other), Progress.SILENT);
    assertThat(both[1][2]).isCloseTo((first[1][2] * 70 + second[1][2] * 30) / 100, within(1e-9));
  }

  @Test
  void recipesChangeEverySwitchAndNameWhatIsWrong() {
    String json =
        """
        {"style": {"gate": false, "conv_kernel": 4, "length_scale": "log", "beta_max": 2},
         "initialise": {"seed": 9, "gate_bias": 3, "decay_max_a": 8, "gamma": "one"}}
        """;
    ConvertRecipe r = ConvertRecipe.read(Fields.parse(json, "r.json", Path.of(".")));
    assertThat(r.style())
        .isEqualTo(new Style(false, true, true, false, true, LengthScale.LOG, 500, 4, 2f));
    assertThat(r.options())
        .isEqualTo(
            new ConvertOptions(
                9, new ConvertOptions.Decay(1, 8, 1e-3, 0.1), 0.02, 0.02, 3, Gamma.ONE));
    assertThat(ConvertRecipe.read(Fields.parse("{}", "r.json", Path.of("."))))
        .isEqualTo(ConvertRecipe.DEFAULT);
    String window = "{\"style\": {\"linear_kind\": \"window\"%s}}";
    assertThat(style(window.formatted(""))).isEqualTo(Style.HYDRAHEAD.withWindow(1024, 4));
    assertThat(style(window.formatted(", \"window\": 64, \"sinks\": 0")))
        .isEqualTo(Style.HYDRAHEAD.withWindow(64, 0));
    Map.of(
            window.formatted(", \"window\": 0"),
            "$.style.window",
            window.formatted(", \"sinks\": -1"),
            "$.style.sinks",
            window.formatted(", \"conv_kernel\": 4"),
            "$.style.conv_kernel",
            "{\"style\": {\"window\": 64}}",
            "$.style.window",
            "{\"style\": {\"linear_kind\": \"delta\"}}",
            "$.style.linear_kind",
            "{\"style\": {\"gates\": true}}",
            "$.style.gates",
            "{\"initialise\": {\"gate_std\": -1}}",
            "$.initialise.gate_std",
            "{\"initialise\": {\"gamma\": \"two\"}}",
            "$.initialise.gamma",
            "{\"initialise\": {\"decay_min_dt\": 0.5}}",
            "$.initialise.decay_min_dt")
        .forEach((text, field) ->
            assertThatThrownBy(() -> ConvertRecipe.read(Fields.parse(text, "r.json", Path.of("."))))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("r.json: ")
                .hasMessageContaining(field));
  }

  private static Style style(String recipe) {
    return ConvertRecipe.read(Fields.parse(recipe, "r.json", Path.of("."))).style();
  }
}
