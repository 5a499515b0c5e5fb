package io.hydrahead.model;

import static io.hydrahead.model.TestModels.ids;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.checkpoint.SafetensorsWriter;
import io.hydrahead.json.Json;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.node.ObjectNode;

/** Checkpoints of Qwen3.5, as transformers writes them, of random small models. */
class Qwen35Test {
  private static final Path FILE = Path.of("m/config.json");
  private static final String CONFIG =
      """
      {"model_type": "qwen3_5_text", "vocab_size": 61, "hidden_size": 24, "intermediate_size": 40,
       "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
       "hidden_act": "silu", "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
       "tie_word_embeddings": true, "attn_output_gate": true, "full_attention_interval": 4,
       "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
       "linear_value_head_dim": 12, "linear_conv_kernel_dim": 4,
       "rope_parameters": {"rope_type": "default", "rope_theta": 10000, "mrope_interleaved": true,
                           "mrope_section": [1, 1, 0], "partial_rotary_factor": 0.25}}
      """;

  private static ObjectNode json(String text) {
    return (ObjectNode) Json.parse(text, "test");
  }

  /** Random tensors by transformers' names, norms around 0 where 1 + w is meant. */
  private static Map<String, Tensor> tensors(ModelConfig c, HeadPlan plan) {
    Random random = new Random(5);
    Map<String, Tensor> out = new LinkedHashMap<>();
    CheckpointLayout.of(c, plan, Style.QWEN3_5)
        .tensors()
        .forEach((name, shape) -> {
          int size = 1;
          for (long s : shape) {
            size *= (int) s;
          }
          double deviation = name.contains("embed") ? 1 : 0.3;
          double mean = name.endsWith("linear_attn.norm.weight") ? 1 : 0;
          float[] values = new float[size];
          for (int i = 0; i < size; i++) {
            values[i] = (float) (mean + deviation * random.nextGaussian());
          }
          out.put(name, Tensor.of(values, shape));
        });
    return out;
  }

  private static void assertLogits(Path folder, double[][] want, int[] ids) {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer m = HybridTransformer.load(folder, ops, ModelFiles.LoadOptions.STORED);
        Session s = m.newSession(ids.length)) {
      int half = ids.length / 2;
      s.prefill(
          java.util.Arrays.copyOf(ids, half),
          (from, logits) -> {
            for (int t = 0; t < logits.size(0); t++) {
              assertRow(logits.rows(t, 1), want[from + t]);
            }
          });
      for (int t = half; t < ids.length; t++) {
        assertRow(s.decode(ids[t]), want[t]);
      }
    }
  }

  private static void assertRow(Tensor got, double[] want) {
    for (int v = 0; v < want.length; v++) {
      assertThat((double) got.get(v)).isCloseTo(want[v], within(2e-3));
    }
  }

  @Test
  void transformersTensorsGiveTheLogitsOfTheFormulas(@TempDir Path folder) throws IOException {
    ObjectNode json = json(CONFIG);
    ModelConfig c = ConfigJson.read(json, FILE);
    HeadPlan plan = ConfigJson.plan(json, FILE);
    Map<String, Tensor> tensors = tensors(c, plan);
    assertThat(tensors.get("model.layers.0.linear_attn.conv1d.weight").shape())
        .containsExactly(80, 1, 4);
    assertThat(tensors.get("model.layers.3.self_attn.q_proj.weight").shape())
        .containsExactly(128, 24);
    int[] ids = ids(50, 61, 3);
    double[][] want = new Qwen35Reference(c, plan, tensors).logits(ids);

    Files.writeString(folder.resolve("config.json"), CONFIG);
    SafetensorsWriter.of(tensors).write(folder.resolve("model.safetensors"));
    assertLogits(folder, want, ids);
  }

  /** As published: the text model inside one for images, with layers that guess ahead. */
  @Test
  void whatIsNotTextIsLeftOut(@TempDir Path folder) throws IOException {
    ObjectNode text = json(CONFIG);
    ModelConfig c = ConfigJson.read(text, FILE);
    HeadPlan plan = ConfigJson.plan(text, FILE);
    Map<String, Tensor> tensors = tensors(c, plan);
    int[] ids = ids(20, 61, 4);
    double[][] want = new Qwen35Reference(c, plan, tensors).logits(ids);

    text.remove("tie_word_embeddings");
    ObjectNode outer = Json.object();
    outer.put("model_type", "qwen3_5");
    outer.put("tie_word_embeddings", true);
    outer.put("eos_token_id", 7);
    outer.set("text_config", text);
    outer.putObject("vision_config").put("depth", 12);
    Files.writeString(folder.resolve("config.json"), outer.toString());
    Map<String, Tensor> all = new LinkedHashMap<>();
    tensors.forEach((name, t) -> all.put(name.replace("model.", "model.language_model."), t));
    all.put("model.visual.blocks.0.norm1.weight", Tensor.of(new float[3], 3));
    all.put("mtp.fc.weight", Tensor.of(new float[4], 2, 2));
    SafetensorsWriter.of(all).write(folder.resolve("model.safetensors"));

    assertThat(ConfigJson.read(outer, FILE).eosTokenIds()).containsExactly(7);
    assertLogits(folder, want, ids);

    all.put("model.language_model.layers.9.odd", Tensor.of(new float[1], 1));
    SafetensorsWriter.of(all).write(folder.resolve("model.safetensors"));
    assertThatThrownBy(() -> assertLogits(folder, want, ids))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("layers.9.odd");
  }

  @Test
  void fieldsAreReadAndWritten() {
    ModelConfig c = ConfigJson.read(json(CONFIG), FILE);
    assertThat(c.deltaNet()).isEqualTo(new DeltaNetConfig(2, 4, 8, 12, 4));
    assertThat(c.rotary().dims(16)).isEqualTo(4);
    HeadPlan plan = ConfigJson.plan(json(CONFIG), FILE);
    assertThat(plan.fullHeads(2)).isEmpty();
    assertThat(plan.fullHeads(3)).hasSize(4);
    ObjectNode back = ConfigJson.write(c, plan, Style.QWEN3_5, Map.of());
    assertThat(ConfigJson.read(back, FILE)).isEqualTo(c);
    assertThat(ConfigJson.plan(back, FILE)).isEqualTo(plan);
    assertThat(ConfigJson.style(back, FILE)).isEqualTo(Style.QWEN3_5);

    ObjectNode listed = json(CONFIG);
    listed.putArray("layer_types").add("full_attention").add("linear_attention");
    assertThatThrownBy(() -> ConfigJson.plan(listed, FILE)).hasMessageContaining("list of 4");
    listed
        .putArray("layer_types")
        .add("full_attention")
        .add("linear_attention")
        .add("full_attention")
        .add("linear_attention");
    assertThat(ConfigJson.plan(listed, FILE).toLists())
        .extracting(java.util.List::size)
        .containsExactly(4, 0, 4, 0);
  }

  @Test
  void refusesByName() {
    refused("linear_num_value_heads", 3, "not a multiple");
    refused("linear_key_head_dim", 0, "linear_key_head_dim");
    refused("attention_bias", true, "attention_bias");
    refused("attn_output_gate", false, "attn_output_gate");
    refused("rope_parameters", Map.of("rope_theta", 1e4, "rope_type", "yarn"), "'yarn'");
    refused(
        "rope_parameters",
        Map.of("rope_theta", 1e4, "partial_rotary_factor", 0.2),
        "even number of dims");
    ObjectNode odd = json(CONFIG);
    odd.set("layer_types", Json.of(java.util.List.of("a", "a", "a", "a")));
    assertThatThrownBy(() -> ConfigJson.plan(odd, FILE))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("should be 'full_attention' or 'linear_attention'");
  }

  private static void refused(String field, Object value, String message) {
    ObjectNode wrong = json(CONFIG);
    wrong.set(field, Json.of(value));
    assertThatThrownBy(() -> ConfigJson.read(wrong, FILE))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(message);
  }
}
