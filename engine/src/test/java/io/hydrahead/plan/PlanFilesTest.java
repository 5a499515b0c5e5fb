package io.hydrahead.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Json;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.model.Style;
import io.hydrahead.report.ModelFacts;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlanFilesTest {
  private static final HeadShape SHAPE = new HeadShape(2, 4, 2);

  @Test
  void headScoresComeBackAsWritten(@TempDir Path folder) throws Exception {
    double[][] scores = {{0.5, 0, 1, 0.25}, {0, 1e-9, 3, 4}};
    double[][] effect = {{1, 2, 3, 4}, {5, 6, 7, 8}};
    HeadScores written =
        HeadScores.of(
            scores, Map.of(HeadScores.EFFECT, effect), Map.of("checkpoint", "t", "seed", 7));
    Path file = folder.resolve("heads.json");
    Files.writeString(file, written.toText());
    assertThat(Files.readString(file)).contains("    [0.5, 0.0, 1.0, 0.25],\n");
    HeadScores read = HeadScores.read(file);
    assertThat(read.scores()).isDeepEqualTo(scores);
    assertThat(read.effect()).isDeepEqualTo(effect);
    assertThat(read.details().get("checkpoint").stringValue()).isEqualTo("t");
    assertThat(read.details().get("seed").intValue()).isEqualTo(7);
    assertThat(read.has(HeadScores.ATTENTION)).isFalse();
  }

  @Test
  void theEffectFallsBackToReceiverAndSender() {
    double[][] zeros = new double[1][2];
    HeadScores s =
        HeadScores.of(
            zeros,
            Map.of(
                HeadScores.RECEIVER, new double[][] {{1, 2}},
                HeadScores.SENDER, new double[][] {{3, 1}}),
            Map.of());
    assertThat(s.effect()).isDeepEqualTo(new double[][] {{3, 2}});
    assertThat(HeadScores.of(zeros).effect()).isDeepEqualTo(zeros);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[]                                                | JSON object",
        "{\"layers\":2,\"heads\":2}                        | scores is missing",
        "{\"layers\":0,\"heads\":2,\"scores\":[]}          | layers is 0",
        "{\"heads\":2,\"scores\":[]}                       | layers is missing",
        "{\"layers\":2,\"heads\":2,\"scores\":[[1,2]]}     | scores is a list of 1",
        "{\"layers\":1,\"heads\":2,\"scores\":[[1,2,3]]}   | scores[0] is a list of 3",
        "{\"layers\":1,\"heads\":2,\"scores\":[[1,null]]}  | scores[0][1] is null",
        "{\"layers\":1,\"heads\":2,\"scores\":[[1,1e999]]} | scores[0][1]",
        "{\"layers\":1,\"heads\":1,\"scores\":[[1]],\"kappa\":[1]} | kappa[0] is 1"
      })
  void badScoresAreNamed(String json, String said) {
    assertThatThrownBy(() -> HeadScores.read(Json.parse(json, "heads.json"), "heads.json"))
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith("heads.json: ")
        .hasMessageContaining(said);
  }

  @Test
  void plansComeBackAsWritten(@TempDir Path folder) throws Exception {
    PlanRequest request =
        PlanRequest.of(SHAPE, Ratio.parse("3:1"), HeadScores.of(new double[2][4]));
    HeadPlan plan = PlanRules.select(request);
    PlanFile written = PlanFile.of(request, plan, new Provenance("t", "abc", "plan t", 3));
    Path file = folder.resolve("plan.json");
    Files.writeString(file, written.toText());
    assertThat(Files.readString(file))
        .contains("\"full_attention_heads\": [\n    [0],\n    [0]\n  ]");
    PlanFile read = PlanFile.read(file, SHAPE);
    assertThat(read.plan()).isEqualTo(plan);
    assertThat(read.details().get("ratio").stringValue()).isEqualTo("3:1");
    assertThat(read.details().get("head_share").doubleValue()).isEqualTo(0.25);
    assertThat(read.details().get("cache_share").doubleValue()).isEqualTo(0.5);
    assertThat(read.details().get("real_ratio").stringValue()).isEqualTo("3:1");
    assertThat(read.details().get("command").stringValue()).isEqualTo("plan t");
    assertThat(read.details().get("floor").stringValue()).isEqualTo("head");
  }

  @Test
  void rowsRecordNoChoicesOfSingleHeads() {
    PlanRequest request =
        new PlanRequest(
            SHAPE, Ratio.parse("7:1"), PlanChoices.LAYER_WISE, HeadScores.none(SHAPE), 0);
    PlanFile written =
        PlanFile.of(request, PlanRules.select(request), new Provenance("t", "abc", "plan t", 3));
    assertThat(written.details().has("align")).isFalse();
    assertThat(written.details().has("floor")).isFalse();
    assertThat(written.details().has("quota")).isFalse();
    assertThat(written.details().get("real_ratio").stringValue()).isEqualTo("1:1");
  }

  @Test
  void wholeRowsGiveSomeRatiosOnly() {
    assertThat(Ratio.parse("7:1").isExactOf(4)).isFalse();
    assertThat(Ratio.parse("7:1").isExactOf(16)).isTrue();
    assertThat(Ratio.parse("2.5:1").isExactOf(7)).isTrue();
    assertThat(Ratio.FULL.isExactOf(5)).isTrue();
    assertThat(Ratio.ALL_LINEAR.isExactOf(5)).isTrue();
  }

  @Test
  void aPlanByHandNeedsOnlyItsCells() {
    PlanFile p =
        PlanFile.read(Json.parse("{\"full_attention_heads\":[[3,1],[]]}", "p"), SHAPE, "p");
    assertThat(p.plan()).isEqualTo(HeadPlan.of(List.of(List.of(1, 3), List.of()), 2, 4));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{}                                                          | full_attention_heads is missing",
        "{\"full_attention_heads\":[[0]]}                            | 1 layers",
        "{\"full_attention_heads\":[[0],[4]]}                        | head 4",
        "{\"full_attention_heads\":[[0],[1,1]]}                      | twice",
        "{\"full_attention_heads\":[[0],3]}                          | full_attention_heads[1] is 3",
        "{\"full_attention_heads\":[[0],[0.5]]}                      | holds 0.5",
        "{\"full_attention_heads\":7}                                | full_attention_heads is 7",
        "{\"full_attention_heads\":[[0],[1]],\"heads\":16}           | heads is 16, the model has 4",
        "{\"full_attention_heads\":[[0],[1]],\"kv_heads\":4}         | kv_heads is 4",
        "{\"full_attention_heads\":[[0],[1]],\"layers\":\"2\"}       | layers is \"2\""
      })
  void badPlansAreNamed(String json, String said) {
    assertThatThrownBy(() -> PlanFile.read(Json.parse(json, "plan.json"), SHAPE, "plan.json"))
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith("plan.json: ")
        .hasMessageContaining(said);
  }

  @Test
  void memoryIsWhatTheFormulasSay() {
    ModelConfig c =
        new ModelConfig(
            100, 64, 96, 2, 4, 2, 16, 256, 1e-6f, RotaryConfig.plain(10_000), true, -1, List.of());
    MemoryPlan vanilla =
        MemoryPlan.of(c, HeadPlan.allFull(2, 4), Style.VANILLA, DType.BF16, DType.F32);
    assertThat(vanilla.stateBytes()).isZero();
    assertThat(vanilla.kvBytesPerToken()).isEqualTo(2 * 2 * 2 * 16 * 4);
    assertThat(vanilla.cacheShare()).isEqualTo(1);
    long matrices = 100 * 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64);
    long vectors = 64 + 2 * (2 * 64 + 2 * 16);
    assertThat(vanilla.parameters()).isEqualTo(matrices + vectors);
    assertThat(vanilla.parameterBytes()).isEqualTo(2 * matrices + 4 * vectors);

    HeadPlan plan = HeadPlan.of(List.of(List.of(1), List.of()), 2, 4);
    MemoryPlan hybrid = MemoryPlan.of(c, plan, Style.HYDRAHEAD, DType.BF16, DType.BF16);
    assertThat(hybrid.kvBytesPerToken()).isEqualTo(2 * 16 * 2);
    assertThat(hybrid.stateBytes()).isEqualTo(7 * 16 * 16 * 4);
    assertThat(hybrid.cacheBytes(4096)).isEqualTo(64 * 4096 + 7 * 1024);
    assertThat(hybrid.headShare()).isEqualTo(1 / 8.0);
    assertThat(hybrid.cacheShare()).isEqualTo(1 / 4.0);
    ModelFacts facts =
        ReportModels.of("h", c, plan, Style.HYDRAHEAD, 0, DType.BF16, DType.BF16, "plan.json");
    assertThat(facts.kind()).isEqualTo(ModelFacts.Kind.HEAD_WISE);
    assertThat(facts.cacheShare()).isEqualTo(hybrid.cacheShare());
    assertThat(facts.memory().cacheBytes(4096)).isEqualTo(hybrid.cacheBytes(4096));
    Style conv = new Style(false, true, true, true, true, Style.LengthScale.NONE, 500, 4, 1f);
    assertThat(MemoryPlan.of(c, plan, conv, DType.BF16, DType.BF16).stateBytes())
        .isEqualTo(7 * 16 * 16 * 4 + 3 * 3 * 7 * 16 * 4);
    Style window = Style.HYDRAHEAD.withWindow(1000, 4);
    MemoryPlan windowed = MemoryPlan.of(c, plan, window, DType.BF16, DType.BF16);
    assertThat(windowed.stateBytes()).isZero();
    assertThat(windowed.kvBytes(100)).isEqualTo(100 * (64 + 2 * 7 * 16 * 2));
    assertThat(windowed.cacheBytes(4096)).isEqualTo(64 * 4096 + 2 * 7 * 16 * 2 * 1004);
    assertThat(
            ReportModels.of("w", c, plan, window, 0, DType.BF16, DType.BF16, "plan.json")
                .memory()
                .cacheBytes(4096))
        .isEqualTo(windowed.cacheBytes(4096));
  }
}
