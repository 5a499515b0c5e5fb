package io.hydrahead.plan;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterShapes;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.model.Style;
import io.hydrahead.plan.ConvertOptions.Gamma;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Makes a hybrid's parameters from a Transformer's (HydraHead, arXiv:2606.20097). D width, H heads,
 * d head dim.
 *
 * <p>Reused: W_q by head, W_k and W_v of kept groups for full heads and a copy of their group's for
 * every linear head, q and k norms for both kinds, W_o in the original head order, all that is not
 * attention. New: decays, write strengths, gates, convolutions and γ, as {@link ConvertOptions}
 * says.
 */
public final class Conversion {
  private final ModelConfig config;
  private final ParameterStore teacher;
  private final HeadPlan plan;
  private final Style style;
  private final ConvertOptions options;
  private final double[][] headRms;

  private Conversion(
      HybridTransformer teacher, HeadPlan plan, ConvertRecipe recipe, double[][] headRms) {
    config = teacher.config();
    this.teacher = teacher.parameters();
    this.plan = plan;
    style = recipe.style();
    options = recipe.options();
    this.headRms = headRms;
  }

  /**
   * Converts a plain Transformer; the same arguments give the same bits.
   *
   * @param headRms mean RMS of the teacher's head outputs, [L][H], as {@link HeadScale} measures
   *     them
   * @return a new model in float32 with the teacher's operations; the teacher stays as it is
   * @throws InputException if the teacher is a hybrid already, or the plan is for another shape
   */
  public static HybridTransformer convert(
      HybridTransformer teacher, HeadPlan plan, ConvertRecipe recipe, double[][] headRms) {
    ModelConfig c = teacher.config();
    requireTransformer("the checkpoint", teacher.plan(), teacher.style());
    if (plan.layers() != c.layers() || plan.heads() != c.heads()) {
      throw new InputException(
          "the plan is for "
              + plan.layers()
              + " × "
              + plan.heads()
              + " heads, the checkpoint has "
              + c.layers()
              + " × "
              + c.heads()
              + "; make a plan for this checkpoint");
    }
    if (headRms.length != c.layers()
        || Arrays.stream(headRms).anyMatch(r -> r.length != c.heads())) {
      throw new IllegalArgumentException("headRms is not [" + c.layers() + "][" + c.heads() + "]");
    }
    ParameterStore store = new Conversion(teacher, plan, recipe, headRms).run();
    return new HybridTransformer(c, plan, recipe.style(), store, teacher.ops());
  }

  /**
   * Refuses a hybrid; commands call it before they load or measure anything.
   *
   * @param source what the error calls the model
   * @throws InputException if a head is linear already or the style is not a Transformer's
   */
  public static void requireTransformer(String source, HeadPlan plan, Style style) {
    if (!plan.isAllFull() || !style.isVanilla()) {
      throw new InputException(
          source
              + " has "
              + plan.fullCount()
              + " of "
              + plan.layers() * plan.heads()
              + " heads full in "
              + (style.isVanilla() ? "a Transformer's" : "a hybrid's")
              + " style and is no plain Transformer; give the Transformer that it came from");
    }
  }

  /**
   * What probing, planning, converting and transferring begin with: they are for heads that can be
   * full or linear.
   *
   * @throws InputException if {@code folder} holds a Qwen3.5, whose layers are of either kind for
   *     good
   */
  public static void refuseQwen35(Path folder) {
    Path file = folder.resolve("config.json");
    if (ConfigJson.style(Checkpoint.config(folder), file).qwen35()) {
      throw new InputException(
          folder
              + " is a Qwen3.5, a hybrid of its own whose linear layers stay what they are; give a"
              + " Transformer of the Qwen3 family, or use it as it is: info, logits, check, generate,"
              + " chat, eval and serve take it");
    }
  }

  private ParameterStore run() {
    Map<String, long[]> shapes = ParameterShapes.of(config, plan, style);
    ParameterStore out = new ParameterStore();
    try {
      shapes.forEach((name, shape) -> fill(name, out.allocate(name, DType.F32, shape)));
    } catch (RuntimeException e) {
      out.close();
      throw e;
    }
    return out;
  }

  private void fill(String name, Tensor t) {
    int at = name.indexOf(".self_attn.");
    if (at < 0) {
      t.copyFrom(teacher.get(name));
      return;
    }
    int layer = Integer.parseInt(name.substring("model.layers.".length(), at));
    String prefix = ParameterShapes.attention(layer);
    String kind = name.substring(prefix.length());
    int[] full = plan.fullHeads(layer);
    int[] linear = plan.linearHeads(layer);
    int[] linearGroups = Arrays.stream(linear).map(h -> h / config.group()).toArray();
    int[] kept = plan.keptKvHeads(layer, config.kvHeads());
    switch (kind) {
      case "q_proj.weight" -> copyHeads(teacher.get(name), full, t);
      case "k_proj.weight", "v_proj.weight" -> copyHeads(teacher.get(name), kept, t);
      case "q_norm.weight", "k_norm.weight", "o_proj.weight" -> t.copyFrom(teacher.get(name));
      case "z_proj.weight" -> t.fill(0f);
      case "z_proj.bias" -> t.fill((float) options.gateBias());
      case "linear_q_proj.weight" -> copyHeads(teacher.get(prefix + "q_proj.weight"), linear, t);
      case "linear_k_proj.weight" ->
          copyHeads(teacher.get(prefix + "k_proj.weight"), linearGroups, t);
      case "linear_v_proj.weight" ->
          copyHeads(teacher.get(prefix + "v_proj.weight"), linearGroups, t);
      case "linear_q_norm.weight" -> t.copyFrom(teacher.get(prefix + "q_norm.weight"));
      case "linear_k_norm.weight" -> t.copyFrom(teacher.get(prefix + "k_norm.weight"));
      case "linear_q_conv.weight", "linear_k_conv.weight", "linear_v_conv.weight" -> delta(t);
      case "linear_z_proj.weight" -> gaussian(t, layer, linear, Draw.GATE, options.gateStd());
      case "linear_a_proj.weight" -> gaussian(t, layer, linear, Draw.A, options.projectionStd());
      case "linear_b_proj.weight" -> gaussian(t, layer, linear, Draw.B, options.projectionStd());
      case "linear_A_log" -> decayRates(t, layer, linear);
      case "linear_dt_bias" -> timeSteps(t, layer, linear);
      case "gamma" -> gamma(t, layer);
      default -> throw new IllegalStateException("no rule for parameter " + name);
    }
  }

  /** Block i of the target is block heads[i] of the source; blocks are d rows. */
  private void copyHeads(Tensor from, int[] heads, Tensor to) {
    long d = config.headDim();
    for (int i = 0; i < heads.length; i++) {
      to.rows(i * d, d).copyFrom(from.rows(heads[i] * d, d));
    }
  }

  /** w[c, k − 1] = 1: the convolution starts as the identity. */
  private static void delta(Tensor t) {
    t.fill(0f);
    long taps = t.dim(1);
    for (long c = 0; c < t.dim(0); c++) {
      t.set(c * taps + taps - 1, 1f);
    }
  }

  /** What a stream of random numbers is for: each cell has one of each. */
  private enum Draw {
    GATE,
    A,
    B,
    DECAY,
    TIME_STEP
  }

  private SplittableRandom stream(int layer, int head, Draw draw) {
    long cell = ((long) layer << 32) | ((long) head << 8) | draw.ordinal();
    long mixed = new SplittableRandom(cell).nextLong();
    return new SplittableRandom(options.seed() ^ mixed);
  }

  private void gaussian(Tensor t, int layer, int[] heads, Draw draw, double std) {
    long each = heads.length == 0 ? 0 : t.size() / heads.length;
    for (int i = 0; i < heads.length; i++) {
      SplittableRandom random = stream(layer, heads[i], draw);
      for (long j = i * each; j < (i + 1) * each; j++) {
        t.set(j, (float) (std * random.nextGaussian()));
      }
    }
  }

  private void decayRates(Tensor t, int layer, int[] heads) {
    ConvertOptions.Decay d = options.decay();
    for (int i = 0; i < heads.length; i++) {
      double u = stream(layer, heads[i], Draw.DECAY).nextDouble();
      t.set(i, (float) StrictMath.log(d.minA() + u * (d.maxA() - d.minA())));
    }
  }

  private void timeSteps(Tensor t, int layer, int[] heads) {
    ConvertOptions.Decay d = options.decay();
    double low = StrictMath.log(d.minDt());
    double high = StrictMath.log(d.maxDt());
    for (int i = 0; i < heads.length; i++) {
      double u = stream(layer, heads[i], Draw.TIME_STEP).nextDouble();
      double dt = StrictMath.exp(low + u * (high - low));
      t.set(i, (float) inverseSoftplus(dt));
    }
  }

  /** x with log(1 + eˣ) = y, written so that neither small nor large y loses digits. */
  private static double inverseSoftplus(double y) {
    return y > 20 ? y + StrictMath.log1p(-StrictMath.exp(-y)) : StrictMath.log(StrictMath.expm1(y));
  }

  private void gamma(Tensor t, int layer) {
    for (int h = 0; h < config.heads(); h++) {
      boolean measured = options.gamma() == Gamma.TEACHER_RMS;
      double scale = measured && style.fusionNorm() ? headRms[layer][h] : 1;
      double gate = measured && style.gate() ? gateAtStart(plan.isFull(layer, h)) : 1;
      t.set(h, (float) (scale / gate));
    }
  }

  private double gateAtStart(boolean full) {
    return full ? 1 / (1 + StrictMath.exp(-options.gateBias())) : 0.5;
  }
}
