package io.hydrahead.model;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.IntUnaryOperator;

/**
 * Where the parameters of a model lie among the tensors of a checkpoint. Qwen3 and HydraHead have a
 * tensor for each, of the same name. Qwen3.5, as Hugging Face transformers has it, differs, so that
 * nothing beyond this class need know it:
 *
 * <ul>
 *   <li>{@code q_proj} holds queries and gates, head by head;
 *   <li>{@code linear_attn.in_proj_qkv} and {@code conv1d} hold q, k and v;
 *   <li>norms but {@code linear_attn.norm} multiply by 1 + w;
 *   <li>a head's first dims turn, half-split among themselves: {@link RotaryTable#place}.
 * </ul>
 */
final class CheckpointLayout {
  private static final String ROOT = "model.";
  private static final String MULTIMODAL_ROOT = "model.language_model.";

  /**
   * Some rows of a tensor of the checkpoint.
   *
   * @param shape of the whole tensor
   * @param from first row, where they are adjacent
   * @param order the rows, where they are not; or null
   * @param plus what a parameter has more than the tensor
   */
  private record Source(String tensor, long[] shape, int from, int[] order, float plus) {
    Source under(String root) {
      return tensor.startsWith(ROOT)
          ? new Source(root + tensor.substring(ROOT.length()), shape, from, order, plus)
          : this;
    }

    int row(int i) {
      return order == null ? from + i : order[i];
    }
  }

  private final Map<String, long[]> parameters;
  private final Map<String, Source> sources;
  private final boolean qwen35;

  private CheckpointLayout(
      Map<String, long[]> parameters, Map<String, Source> sources, boolean qwen35) {
    this.parameters = parameters;
    this.sources = sources;
    this.qwen35 = qwen35;
  }

  /** The layout in which a model is written. */
  static CheckpointLayout of(ModelConfig config, HeadPlan plan, Style style) {
    Map<String, long[]> parameters = ParameterShapes.of(config, plan, style);
    Map<String, Source> sources = new LinkedHashMap<>();
    parameters.forEach((name, shape) -> sources.put(name, new Source(name, shape, 0, null, 0)));
    if (style.qwen35()) {
      new Qwen35(config, sources).arrange(plan);
    }
    return new CheckpointLayout(parameters, sources, style.qwen35());
  }

  /** The layout as a checkpoint with tensors of these {@code names} has it. */
  CheckpointLayout in(Set<String> names) {
    if (!qwen35
        || !names.contains(MULTIMODAL_ROOT + ParameterShapes.EMBEDDING.substring(ROOT.length()))) {
      return this;
    }
    Map<String, Source> there = new LinkedHashMap<>();
    sources.forEach((name, s) -> there.put(name, s.under(MULTIMODAL_ROOT)));
    return new CheckpointLayout(parameters, there, true);
  }

  /** Names and shapes of the checkpoint's tensors. */
  Map<String, long[]> tensors() {
    Map<String, long[]> out = new LinkedHashMap<>();
    sources.values().forEach(s -> out.put(s.tensor, s.shape));
    return out;
  }

  /** Names and shapes of the parameters, in checkpoint order. */
  Map<String, long[]> parameters() {
    return parameters;
  }

  /**
   * Whether a tensor belongs to what a Qwen3.5 checkpoint has beside the text model: the vision
   * tower, and layers that guess several tokens ahead.
   */
  boolean leavesOut(String tensor) {
    return qwen35
        && (tensor.startsWith("model.visual.")
            || tensor.startsWith("visual.")
            || tensor.startsWith("mtp."));
  }

  /**
   * A parameter in the host's memory, in the type it is stored in, or float32 where it is not as it
   * is stored; mapped from the file where that can be.
   *
   * @throws io.hydrahead.tensor.InputException naming the tensor, if it is missing, of another
   *     shape, or not of numbers that models have
   */
  Tensor read(Checkpoint checkpoint, String parameter) {
    Source s = sources.get(parameter);
    long[] shape = parameters.get(parameter);
    Tensor stored = checkpoint.get(s.tensor, s.shape);
    ModelFiles.requireFloats(s.tensor, stored, checkpoint.folder());
    if (s.order == null && s.plus == 0) {
      return stored.rows(s.from, shape[0]).view(shape);
    }
    Tensor out = Tensor.allocate(Arena.ofAuto(), s.plus == 0 ? stored.dtype() : DType.F32, shape);
    for (int i = 0; i < shape[0]; i++) {
      out.rows(i, 1).copyFrom(stored.rows(s.row(i), 1));
    }
    add(out, s.plus);
    return out;
  }

  /**
   * The checkpoint's tensors of a model's parameters, or of their gradients, in the host's memory.
   */
  Map<String, Tensor> tensors(ParameterStore store, boolean gradients) {
    Map<String, Tensor> out = new LinkedHashMap<>();
    sources.forEach((name, s) -> {
      Tensor t = store.get(name).onHost();
      if (s.order == null && s.plus == 0 && t.size() == size(s.shape)) {
        out.put(s.tensor, t.view(s.shape));
        return;
      }
      Tensor whole = out.computeIfAbsent(s.tensor, _ -> Tensor.allocate(Arena.ofAuto(), s.shape));
      for (int i = 0; i < t.dim(0); i++) {
        whole.rows(s.row(i), 1).copyFrom(t.rows(i, 1));
      }
      add(whole, gradients ? 0 : -s.plus);
    });
    return out;
  }

  private static long size(long[] shape) {
    return Arrays.stream(shape).reduce(1, (a, b) -> a * b);
  }

  private static void add(Tensor t, float plus) {
    for (long i = 0; plus != 0 && i < t.size(); i++) {
      t.set(i, t.get(i) + plus);
    }
  }

  /** Replaces the sources of parameters that Qwen3.5 keeps elsewhere. */
  private record Qwen35(ModelConfig config, Map<String, Source> sources) {
    void arrange(HeadPlan plan) {
      centred(ParameterShapes.FINAL_NORM);
      for (int l = 0; l < config.layers(); l++) {
        centred(ParameterShapes.layer(l) + "input_layernorm.weight");
        centred(ParameterShapes.layer(l) + "post_attention_layernorm.weight");
        if (plan.fullHeads(l).length > 0) {
          full(ParameterShapes.attention(l));
        } else {
          linear(ParameterShapes.attention(l), ParameterShapes.layer(l) + "linear_attn.");
        }
      }
    }

    private void centred(String norm) {
      put(norm, norm, 0, null, 1, config.hiddenSize());
    }

    private void full(String p) {
      int d = config.headDim();
      int dims = config.rotary().dims(d);
      long width = config.hiddenSize();
      long both = 2L * config.heads() * d;
      IntUnaryOperator place = i -> RotaryTable.place(i % d, dims, d);
      String q = p + "q_proj.weight";
      put(q, q, order(config.heads() * d, i -> i / d * 2 * d + place.applyAsInt(i)), both, width);
      put(
          p + "z_proj.weight",
          q,
          order(config.heads() * d, i -> i / d * 2 * d + d + i % d),
          both,
          width);
      String k = p + "k_proj.weight";
      int keys = config.kvHeads() * d;
      put(k, k, order(keys, i -> i / d * d + place.applyAsInt(i)), keys, width);
      put(p + "q_norm.weight", p + "q_norm.weight", 0, order(d, place), 1, d);
      put(p + "k_norm.weight", p + "k_norm.weight", 0, order(d, place), 1, d);
    }

    private void linear(String here, String there) {
      DeltaNetConfig n = config.deltaNet();
      long width = config.hiddenSize();
      int keys = Math.toIntExact(n.keyWidth());
      long all = 2 * n.keyWidth() + n.valueWidth();
      int from = 0;
      for (String kind : new String[] {"q", "k", "v"}) {
        String p = here + "linear_" + kind;
        put(p + "_proj.weight", there + "in_proj_qkv.weight", from, null, 0, all, width);
        put(p + "_conv.weight", there + "conv1d.weight", from, null, 0, all, 1, n.convKernel());
        from += keys;
      }
      for (String kind : new String[] {"z", "a", "b"}) {
        rename(here + "linear_" + kind + "_proj.weight", there + "in_proj_" + kind + ".weight");
      }
      rename(here + "linear_A_log", there + "A_log");
      rename(here + "linear_dt_bias", there + "dt_bias");
      rename(here + "linear_norm.weight", there + "norm.weight");
      rename(here + "o_proj.weight", there + "out_proj.weight");
    }

    private static int[] order(int rows, IntUnaryOperator row) {
      int[] out = new int[rows];
      Arrays.setAll(out, row);
      return out;
    }

    private void rename(String parameter, String tensor) {
      put(parameter, tensor, 0, null, 0, sources.get(parameter).shape);
    }

    private void put(String parameter, String tensor, int[] order, long... shape) {
      put(parameter, tensor, 0, order, 0, shape);
    }

    private void put(
        String parameter, String tensor, int from, int[] order, float plus, long... shape) {
      sources.put(parameter, new Source(tensor, shape, from, order, plus));
    }
  }
}
