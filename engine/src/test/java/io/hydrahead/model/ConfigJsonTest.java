package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Json;
import io.hydrahead.model.Style.LengthScale;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class ConfigJsonTest {
  private static final Path FILE = Path.of("m/config.json");
  private static final String QWEN3 =
      """
      {"model_type": "qwen3", "vocab_size": 256, "hidden_size": 64, "intermediate_size": 160,
       "num_hidden_layers": 2, "num_attention_heads": 8, "num_key_value_heads": 4,
       "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "tie_word_embeddings": true,
       "eos_token_id": [2, 0], "hidden_act": "silu", "use_sliding_window": false,
       "sliding_window": 100, "attention_bias": false%s}\
      """;

  private static JsonNode json(String more) {
    return Json.parse(String.format(QWEN3, more.isEmpty() ? "" : ", " + more), "test");
  }

  private static ModelConfig read(String more) {
    return ConfigJson.read(json(more), FILE);
  }

  @Test
  void bothSpellingsOfRotary() {
    ModelConfig old = read("\"rope_theta\": 1e6, \"rope_scaling\": null");
    assertThat(old.rotary()).isEqualTo(RotaryConfig.plain(1e6));
    assertThat(old.headDim()).isEqualTo(8);
    assertThat(old.eosTokenIds()).containsExactly(2, 0);
    assertThat(old.bosTokenId()).isEqualTo(-1);
    assertThat(old.tiedEmbeddings()).isTrue();
    assertThat(read("\"rope_parameters\": {\"rope_theta\": 1e6, \"rope_type\": \"default\"}"))
        .isEqualTo(old);
    assertThat(
            read("\"rope_theta\": 1e6, \"eos_token_id\": 2".replace(", \"eos_token_id\": 2", "")))
        .isEqualTo(old);
  }

  @Test
  void bothSpellingsOfYarn() {
    ModelConfig old =
        read(
            "\"rope_theta\": 1e6, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0,"
                + " \"original_max_position_embeddings\": 128}");
    assertThat(old.rotary().yarn()).isEqualTo(new RotaryConfig.Yarn(4, 128, 32, 1, 0, true));
    assertThat(
            read(
                "\"rope_parameters\": {\"rope_theta\": 1e6, \"rope_type\": \"yarn\","
                    + " \"factor\": 4.0, \"original_max_position_embeddings\": 128}"))
        .isEqualTo(old);
    assertThat(
            read(
                "\"rope_theta\": 1e6, \"rope_scaling\": {\"rope_type\": \"yarn\","
                    + " \"original_max_position_embeddings\": 128}"))
        .as("factor from the ratio of lengths")
        .isEqualTo(old);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "model_type | \"llama\" | supported are 'qwen3', 'qwen3_5_text' and 'hydrahead'",
        "model_type | null | is missing",
        "hidden_act | \"gelu\" | hidden_act",
        "attention_bias | true | attention_bias",
        "use_sliding_window | true | use_sliding_window",
        "layer_types | [\"full_attention\",\"sliding_attention\"] | layer_types",
        "hidden_size | 0 | hidden_size should be between",
        "hidden_size | 64.5 | hidden_size should be a whole number",
        "hidden_size | 1e99 | hidden_size",
        "hidden_size | 99999999999 | hidden_size",
        "hidden_size | \"64\" | hidden_size",
        "hidden_size | 63 | head_dim",
        "num_hidden_layers | 2000000000 | num_hidden_layers",
        "num_key_value_heads | 3 | num_key_value_heads 3",
        "head_dim | 7 | head_dim 7 is odd",
        "vocab_size | null | vocab_size is missing",
        "rope_theta | null | rope_theta is missing",
        "rope_theta | -1 | rope_theta",
        "rope_scaling | {\"rope_type\":\"llama3\"} | 'llama3' is not supported",
        "rope_scaling | {\"type\":\"yarn\",\"factor\":0.5} | rope_scaling.factor",
        "rope_parameters | 3 | rope_parameters should be an object",
        "eos_token_id | 256 | outside the vocabulary",
        "eos_token_id | \"x\" | eos_token_id",
        "tie_word_embeddings | 1 | tie_word_embeddings",
      })
  void refusesByName(String field, String value, String message) {
    ObjectNode config = (ObjectNode) json("\"rope_theta\": 1e6");
    config.set(field, Json.parse(value, "test"));
    assertThatThrownBy(() -> ConfigJson.read(config, FILE))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(message)
        .hasMessageContaining(FILE.toString());
  }

  @Test
  void vanillaRoundTripIsQwen3() {
    ModelConfig c =
        read(
            "\"rope_theta\": 1e6, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0,"
                + " \"original_max_position_embeddings\": 128}");
    HeadPlan plan = HeadPlan.allFull(2, 8);
    ObjectNode out =
        ConfigJson.write(c, plan, Style.VANILLA, Map.of("dtype", "bfloat16", "n", List.of(1)));
    JsonNode back = Json.parse(Json.write(out), "test");
    assertThat(back.path("model_type").stringValue()).isEqualTo("qwen3");
    assertThat(back.path("dtype").stringValue()).isEqualTo("bfloat16");
    assertThat(back.has("full_attention_heads")).isFalse();
    assertThat(ConfigJson.read(back, FILE)).isEqualTo(c);
    assertThat(ConfigJson.plan(back)).isEqualTo(plan);
    assertThat(ConfigJson.style(back)).isEqualTo(Style.VANILLA);
    assertThatThrownBy(() -> ConfigJson.write(c, plan, Style.VANILLA, Map.of("vocab_size", 1)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void hybridRoundTrip() {
    ModelConfig c = read("\"rope_theta\": 1e6, \"bos_token_id\": 5");
    HeadPlan plan = HeadPlan.of(List.of(List.of(3), List.of()), 2, 8);
    Style style = new Style(true, false, true, false, false, LengthScale.LOG, 250.5, 4, 2f);
    Style windowed = Style.HYDRAHEAD.withWindow(1024, 4);
    for (Style s : List.of(style, Style.HYDRAHEAD, windowed, windowed.withWindow(1, 0))) {
      JsonNode back = Json.parse(Json.write(ConfigJson.write(c, plan, s, Map.of())), "test");
      assertThat(back.path("model_type").stringValue()).isEqualTo("hydrahead");
      assertThat(ConfigJson.read(back, FILE)).isEqualTo(c);
      assertThat(ConfigJson.plan(back)).isEqualTo(plan);
      assertThat(ConfigJson.style(back)).isEqualTo(s);
    }
  }

  @Test
  void brokenHybrid() {
    ModelConfig c = read("\"rope_theta\": 1e6");
    HeadPlan plan = HeadPlan.of(List.of(List.of(3), List.of()), 2, 8);
    ObjectNode out = ConfigJson.write(c, plan, Style.HYDRAHEAD, Map.of());
    refusedPlan(out, "[[8],[]]", "head 8");
    refusedPlan(out, "[[1]]", "1 layers");
    refusedPlan(out, "[[1,1],[]]", "twice");
    refusedPlan(out, "[1,2]", "list for every layer");
    refusedPlan(out, "3", "list of lists");
    ObjectNode h = (ObjectNode) out.get("hydrahead");
    h.put("gama", true);
    assertThatThrownBy(() -> ConfigJson.style(out)).hasMessageContaining("hydrahead.gama");
    h.remove("gama");
    h.put("window", 3);
    assertThatThrownBy(() -> ConfigJson.style(out)).hasMessageContaining("hydrahead.window");
    h.put("linear_kind", "mamba");
    assertThatThrownBy(() -> ConfigJson.style(out)).hasMessageContaining("'mamba'");
    h.put("linear_kind", "window");
    assertThatThrownBy(() -> ConfigJson.style(out)).hasMessageContaining("sinks is missing");
    h.put("sinks", -1);
    assertThatThrownBy(() -> ConfigJson.style(out)).hasMessageContaining("hydrahead.sinks");
    h.put("sinks", 0);
    h.put("conv_kernel", 4);
    assertThatThrownBy(() -> ConfigJson.style(out)).hasMessageContaining("hydrahead.conv_kernel");
    h.put("conv_kernel", 0);
    assertThat(ConfigJson.style(out)).isEqualTo(Style.HYDRAHEAD.withWindow(3, 0));
    h.put("format_version", 2);
    assertThatThrownBy(() -> ConfigJson.style(out)).hasMessageContaining("format_version");
    out.remove("hydrahead");
    assertThatThrownBy(() -> ConfigJson.style(out))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("hydrahead is missing");
  }

  private static void refusedPlan(ObjectNode config, String heads, String message) {
    config.set("full_attention_heads", Json.parse(heads, "test"));
    assertThatThrownBy(() -> ConfigJson.plan(config))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("full_attention_heads")
        .hasMessageContaining(message);
  }

  /** Random damage: the config is read, or refused in one line; nothing else. */
  @Test
  void damagedConfig() {
    ModelConfig c =
        read("\"rope_theta\": 1e6, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4.0}");
    HeadPlan plan = HeadPlan.of(List.of(List.of(3), List.of()), 2, 8);
    String good = ConfigJson.write(c, plan, Style.HYDRAHEAD, Map.of()).toString();
    String other = "0123456789-.eE\"[]{},:truefalsn";
    Random random = new Random(5);
    int refused = 0;
    for (int i = 0; i < 5000; i++) {
      StringBuilder bad = new StringBuilder(good);
      for (int k = random.nextInt(3); k >= 0; k--) {
        bad.setCharAt(random.nextInt(bad.length()), other.charAt(random.nextInt(other.length())));
      }
      try {
        JsonNode json = Json.parse(bad.toString(), "test");
        ConfigJson.read(json, FILE);
        ConfigJson.plan(json);
        ConfigJson.style(json);
      } catch (InputException e) {
        refused++;
        assertThat(e.getMessage()).hasLineCount(1);
      }
    }
    assertThat(refused).isBetween(1000, 4999);
  }
}
