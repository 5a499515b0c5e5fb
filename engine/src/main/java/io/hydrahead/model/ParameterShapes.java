package io.hydrahead.model;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Names and shapes of all parameters of a (config, plan, style), in checkpoint order. Only rows
 * that are used exist. A vanilla model has exactly Qwen3's names. {@code linear_…} are those of the
 * heads that are not full, whatever their {@link Style.LinearKind}. Checkpoints of Qwen3.5 have
 * other names and arrangements: see {@link CheckpointLayout}.
 */
public final class ParameterShapes {
  public static final String EMBEDDING = "model.embed_tokens.weight";
  public static final String FINAL_NORM = "model.norm.weight";
  public static final String LM_HEAD = "lm_head.weight";

  private ParameterShapes() {}

  /** What the names of all layers' parameters begin with. */
  static String layersPrefix() {
    return "model.layers.";
  }

  /** Prefix of layer {@code l}'s parameters. */
  public static String layer(int l) {
    return layersPrefix() + l + ".";
  }

  /** Prefix of layer {@code l}'s attention parameters: what stage 1 of the transfer trains. */
  public static String attention(int l) {
    return layer(l) + "self_attn.";
  }

  /**
   * Matrices of layer {@code l} that its normed input is multiplied with, those that exist: of the
   * full heads q, k, v and gate, of the linear heads q, k, v, gate, and last, since their few rows
   * would spoil the alignment of others, decay and write strength.
   */
  static List<String> attentionInputs(int l, Predicate<String> exists) {
    List<String> out = new ArrayList<>();
    for (String kind : new String[] {"", "linear_"}) {
      for (String name : new String[] {"q", "k", "v", "z"}) {
        out.add(attention(l) + kind + name + "_proj.weight");
      }
    }
    out.add(attention(l) + "linear_a_proj.weight");
    out.add(attention(l) + "linear_b_proj.weight");
    out.removeIf(exists.negate());
    return out;
  }

  /** Matrices of layer {@code l} that the MLP's normed input is multiplied with. */
  static List<String> mlpInputs(int l) {
    return List.of(layer(l) + "mlp.gate_proj.weight", layer(l) + "mlp.up_proj.weight");
  }

  public static Map<String, long[]> of(ModelConfig c, HeadPlan plan, Style style) {
    if (plan.layers() != c.layers() || plan.heads() != c.heads()) {
      throw new IllegalArgumentException(
          "the plan is for "
              + plan.layers()
              + " × "
              + plan.heads()
              + " heads, the model has "
              + c.layers()
              + " × "
              + c.heads());
    }
    Map<String, long[]> s = new LinkedHashMap<>();
    long width = c.hiddenSize();
    s.put(EMBEDDING, shape(c.vocabSize(), width));
    for (int l = 0; l < c.layers(); l++) {
      String p = layer(l);
      s.put(p + "input_layernorm.weight", shape(width));
      attention(s, attention(l), c, plan, style, l);
      s.put(p + "post_attention_layernorm.weight", shape(width));
      s.put(p + "mlp.gate_proj.weight", shape(c.intermediateSize(), width));
      s.put(p + "mlp.up_proj.weight", shape(c.intermediateSize(), width));
      s.put(p + "mlp.down_proj.weight", shape(width, c.intermediateSize()));
    }
    s.put(FINAL_NORM, shape(width));
    if (!c.tiedEmbeddings()) {
      s.put(LM_HEAD, shape(c.vocabSize(), width));
    }
    return s;
  }

  private static void attention(
      Map<String, long[]> s, String p, ModelConfig c, HeadPlan plan, Style style, int l) {
    long width = c.hiddenSize();
    long d = c.headDim();
    long full = plan.fullHeads(l).length;
    long kept = plan.keptKvHeads(l, c.kvHeads()).length;
    long linear = c.heads() - full;
    if (linear > 0 && style.qwen35()) {
      deltaNet(s, p, c);
      return;
    }
    if (full > 0) {
      s.put(p + "q_proj.weight", shape(full * d, width));
      s.put(p + "k_proj.weight", shape(kept * d, width));
      s.put(p + "v_proj.weight", shape(kept * d, width));
      s.put(p + "q_norm.weight", shape(d));
      s.put(p + "k_norm.weight", shape(d));
      if (style.gate()) {
        s.put(p + "z_proj.weight", shape(full * d, width));
      }
      if (style.gateBias()) {
        s.put(p + "z_proj.bias", shape(full * d));
      }
    }
    if (linear > 0) {
      for (String kind : new String[] {"q", "k", "v"}) {
        s.put(p + "linear_" + kind + "_proj.weight", shape(linear * d, width));
        if (style.convKernel() > 0) {
          s.put(p + "linear_" + kind + "_conv.weight", shape(linear * d, style.convKernel()));
        }
      }
      s.put(p + "linear_q_norm.weight", shape(d));
      s.put(p + "linear_k_norm.weight", shape(d));
      if (style.gate()) {
        s.put(p + "linear_z_proj.weight", shape(linear * d, width));
      }
      if (!style.windowed()) {
        s.put(p + "linear_a_proj.weight", shape(linear, width));
        s.put(p + "linear_b_proj.weight", shape(linear, width));
        s.put(p + "linear_A_log", shape(linear));
        s.put(p + "linear_dt_bias", shape(linear));
      }
    }
    if (style.gamma()) {
      s.put(p + "gamma", shape(c.heads()));
    }
    s.put(p + "o_proj.weight", shape(width, c.heads() * d));
  }

  /** A linear layer of Qwen3.5. */
  private static void deltaNet(Map<String, long[]> s, String p, ModelConfig c) {
    DeltaNetConfig n = c.deltaNet();
    long width = c.hiddenSize();
    for (String kind : new String[] {"q", "k", "v"}) {
      long rows = kind.equals("v") ? n.valueWidth() : n.keyWidth();
      s.put(p + "linear_" + kind + "_proj.weight", shape(rows, width));
      s.put(p + "linear_" + kind + "_conv.weight", shape(rows, n.convKernel()));
    }
    s.put(p + "linear_z_proj.weight", shape(n.valueWidth(), width));
    s.put(p + "linear_a_proj.weight", shape(n.valueHeads(), width));
    s.put(p + "linear_b_proj.weight", shape(n.valueHeads(), width));
    s.put(p + "linear_A_log", shape(n.valueHeads()));
    s.put(p + "linear_dt_bias", shape(n.valueHeads()));
    s.put(p + "linear_norm.weight", shape(n.valueDim()));
    s.put(p + "o_proj.weight", shape(width, n.valueWidth()));
  }

  private static long[] shape(long... dims) {
    return dims;
  }
}
