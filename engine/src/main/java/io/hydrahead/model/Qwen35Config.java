package io.hydrahead.model;

import io.hydrahead.json.Json;
import java.util.Arrays;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What {@code config.json} says of a Qwen3.5 model, both ways: {@code model_type} {@code
 * qwen3_5_text}, or {@code qwen3_5} with that as {@code text_config} beside a vision tower. Field
 * names and defaults are those of {@code Qwen3_5TextConfig} in Hugging Face transformers.
 */
final class Qwen35Config {
  static final String TYPE = "qwen3_5_text";
  private static final String MULTIMODAL = "qwen3_5";
  private static final String FULL = "full_attention";
  private static final String LINEAR = "linear_attention";
  private static final int INTERVAL = 4;
  private static final double PARTIAL = 0.25;
  private static final int MOST = 1 << 16;

  private Qwen35Config() {}

  /** The text model's fields: {@code f} itself, unless it is of a model with a vision tower. */
  static ConfigFields textOf(ConfigFields f) {
    if (!f.text("model_type", "").equals(MULTIMODAL)) {
      return f;
    }
    ConfigFields inner = f.object("text_config");
    ObjectNode text = Json.object();
    text.setAll((ObjectNode) inner.json());
    for (String shared : new String[] {"bos_token_id", "eos_token_id"}) {
      if (f.has(shared) && !inner.has(shared)) {
        text.set(shared, f.json().get(shared));
      }
    }
    // The whole model's embeddings are the text model's: the outer word counts.
    if (f.has("tie_word_embeddings")) {
      text.set("tie_word_embeddings", f.json().get("tie_word_embeddings"));
    }
    return new ConfigFields(text, inner.prefix(), f.source());
  }

  static DeltaNetConfig deltaNet(ConfigFields f) {
    if (!f.truth("attn_output_gate", true)) {
      throw f.wrong("attn_output_gate", "false is not supported");
    }
    return new DeltaNetConfig(
        f.positive("linear_num_key_heads", MOST),
        f.positive("linear_num_value_heads", MOST),
        f.positive("linear_key_head_dim", MOST),
        f.positive("linear_value_head_dim", MOST),
        f.positive("linear_conv_kernel_dim", 64));
  }

  /**
   * Whole layers: those that {@code layer_types} names, or each {@code full_attention_interval}th.
   */
  static HeadPlan plan(ConfigFields f, int layers, int heads) {
    boolean[][] full = new boolean[layers][heads];
    JsonNode types = f.json().path("layer_types");
    if (!f.has("layer_types")) {
      int interval = f.positive("full_attention_interval", MOST, INTERVAL);
      for (int l = interval - 1; l < layers; l += interval) {
        Arrays.fill(full[l], true);
      }
      return HeadPlan.of(full);
    }
    if (!types.isArray() || types.size() != layers) {
      throw f.wrong("layer_types", "should be a list of " + layers + " names, one a layer");
    }
    for (int l = 0; l < layers; l++) {
      JsonNode type = types.get(l);
      String name = type.isString() ? type.stringValue() : "";
      if (!name.equals(FULL) && !name.equals(LINEAR)) {
        throw f.wrong(
            "layer_types", type + " should be '" + FULL + "' or '" + LINEAR + "' in layer " + l);
      }
      Arrays.fill(full[l], name.equals(FULL));
    }
    return HeadPlan.of(full);
  }

  /**
   * Text has one position for all dims, so that {@code mrope_section} does not matter.
   *
   * @param inner the object with the rotary fields
   */
  static RotaryConfig rotary(ConfigFields f, ConfigFields inner, double theta) {
    String type = inner.text("rope_type", inner.text("type", "default"));
    if (!type.equals("default")) {
      throw inner.wrong("rope_type", "'" + type + "' is not supported for Qwen3.5, only 'default'");
    }
    ConfigFields holder = inner.has("partial_rotary_factor") ? inner : f;
    double partial = holder.positiveNumber("partial_rotary_factor", PARTIAL);
    if (partial > 1) {
      throw holder.wrong("partial_rotary_factor", "should be at most 1, not " + partial);
    }
    return new RotaryConfig(theta, RotaryConfig.Yarn.NONE, partial);
  }

  /** The fields that other models do not have. */
  static void write(ObjectNode out, ModelConfig c, HeadPlan plan) {
    out.putArray("architectures").add("Qwen3_5ForCausalLM");
    out.put("model_type", TYPE);
    ArrayNode types = out.putArray("layer_types");
    for (int l = 0; l < c.layers(); l++) {
      types.add(plan.fullHeads(l).length > 0 ? FULL : LINEAR);
    }
    DeltaNetConfig n = c.deltaNet();
    out.put("linear_num_key_heads", n.keyHeads());
    out.put("linear_num_value_heads", n.valueHeads());
    out.put("linear_key_head_dim", n.keyDim());
    out.put("linear_value_head_dim", n.valueDim());
    out.put("linear_conv_kernel_dim", n.convKernel());
    ObjectNode rope = out.putObject("rope_parameters");
    rope.put("rope_type", "default");
    rope.put("rope_theta", c.rotary().theta());
    rope.put("partial_rotary_factor", c.rotary().partial());
  }
}
