package io.hydrahead.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import io.hydrahead.train.Schedule;
import io.hydrahead.train.Stage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TransferRecipeTest {
  private static final String RECIPE =
      """
      {
        "name": "r", "seed": 3, "data": {"sources": []},
        "style": {"beta_max": 2, "conv_kernel": 4}, "initialise": {"gate_bias": 3},
        "schedule": {"kind": "cosine", "lr": 1e-3, "final_lr": 1e-5, "warmup_steps": 50},
        "stages": [
          {"name": "align", "objective": "align", "tokens": 3e6, "context": 512, "rows": 16},
          {"name": "distil", "objective": "distil", "tokens": 1000, "context": 512, "rows": 16,
           "micro_rows": 4, "kl_weight": 2, "schedule": {"kind": "constant", "lr": 1e-4}},
          {"name": "lengthen", "objective": "next_token", "tokens": 1000, "context": 2048,
           "rows": 4, "trainable": ["attention", "*norm*"]}
        ]
      }
      """;

  @TempDir Path folder;

  private TransferRecipe read(String json) throws IOException {
    return TransferRecipe.read(Files.writeString(folder.resolve("recipe.json"), json));
  }

  @Test
  void readsThreeStages() throws IOException {
    TransferRecipe r = read(RECIPE);
    assertThat(r.settings().seed()).isEqualTo(3);
    assertThat(r.conversion().style().betaMax()).isEqualTo(2f);
    assertThat(r.conversion().style().convKernel()).isEqualTo(4);
    assertThat(r.conversion().style().fusionNorm()).isTrue();
    assertThat(r.conversion().options().gateBias()).isEqualTo(3);
    Stage align = r.stages().get(0);
    assertThat(align.steps()).isEqualTo(367);
    assertThat(align.objective()).isEqualTo(new Stage.Align(true));
    assertThat(align.trains().test("model.layers.3.self_attn.gamma")).isTrue();
    assertThat(align.trains().test("model.layers.3.mlp.up_proj.weight")).isFalse();
    Stage distil = r.stages().get(1);
    assertThat(distil.objective()).isEqualTo(new Stage.Distil(2, 1));
    assertThat(distil.batching().micros()).isEqualTo(4);
    assertThat(distil.schedule().kind()).isEqualTo(Schedule.Kind.CONSTANT);
    assertThat(distil.trains().test("model.embed_tokens.weight")).isTrue();
    Stage lengthen = r.stages().get(2);
    assertThat(lengthen.trains().test("model.layers.0.post_attention_layernorm.weight")).isTrue();
    assertThat(lengthen.trains().test("model.layers.0.mlp.up_proj.weight")).isFalse();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"objective\": \"align\"|\"objective\": \"aline\"|$.stages[0].objective = \"aline\"",
        "\"rows\": 16}|\"rows\": 16, \"kl_weight\": 1}|$.stages[0].kl_weight = 1 is not a field",
        "\"micro_rows\": 4|\"micro_rows\": 5|$.stages[1].micro_rows = 5 must divide",
        "\"lr\": 1e-4|\"lr\": -1|$.stages[1].schedule.lr = -1",
        "\"beta_max\": 2|\"beta_max\": 3|$.style.beta_max = 3",
        "\"seed\": 3|\"sead\": 3|$.sead = 3 is not a field",
        "\"name\": \"r\",||$.name is missing",
        "\"tokens\": 3e6|\"tokens\": \"3M\"|$.stages[0].tokens = \"3M\"",
        "\"data\": {\"sources\": []},||$.data is missing",
      })
  void namesTheFieldThatIsWrong(String from, String to, String message) {
    String broken =
        RECIPE.replaceFirst(
            java.util.regex.Pattern.quote(from),
            java.util.regex.Matcher.quoteReplacement(to == null ? "" : to));
    assertThat(broken).isNotEqualTo(RECIPE);
    assertThatThrownBy(() -> read(broken))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("recipe.json")
        .hasMessageContaining(message);
  }
}
