package io.hydrahead.model;

import io.hydrahead.json.Json;
import io.hydrahead.model.RotaryConfig.Yarn;
import io.hydrahead.model.Style.LengthScale;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * {@code config.json}, both ways. Reads {@code model_type} {@code qwen3} in either spelling of the
 * rotary fields ({@code rope_theta} and {@code rope_scaling} at the top, or {@code
 * rope_parameters}), {@code qwen3_5_text} (see {@link Qwen35Config}) and {@code hydrahead}, which
 * adds {@code full_attention_heads} and an object {@code hydrahead} with the style, a format
 * version and the producer. What this engine cannot compute is refused by name.
 */
public final class ConfigJson {
  /**
   * Field of a model that was made of another one: the context in tokens that the first Transformer
   * had. {@code max_position_embeddings} is that of the longest training since.
   */
  public static final String NATIVE_CONTEXT = "native_context";

  /** Version of the {@code hydrahead} fields that this class writes. */
  public static final int FORMAT_VERSION = 1;

  static final String QWEN3 = "qwen3";
  static final String HYDRAHEAD = "hydrahead";
  private static final Path UNNAMED = Path.of("config.json");
  private static final int MANY = 1 << 16;
  private static final int HUGE = 1 << 30;

  private ConfigJson() {}

  /**
   * Shape and constants of the model.
   *
   * @param forErrors the file that {@code config} came from
   * @throws InputException naming the file, the field and its value
   */
  public static ModelConfig read(JsonNode config, Path forErrors) {
    ConfigFields f = fields(config, forErrors);
    boolean qwen35 = modelType(f).equals(Qwen35Config.TYPE);
    refuseUnsupported(f, qwen35);
    int hidden = f.positive("hidden_size", HUGE);
    int heads = f.positive("num_attention_heads", MANY);
    int headDim = f.positive("head_dim", MANY, 0);
    if (headDim == 0) {
      if (hidden % heads != 0) {
        throw f.wrong(
            "head_dim",
            "is missing, and hidden_size "
                + hidden
                + " is not a multiple of num_attention_heads "
                + heads);
      }
      headDim = hidden / heads;
    }
    int vocab = f.positive("vocab_size", HUGE);
    int positions = f.positive("max_position_embeddings", HUGE);
    List<Integer> bos = f.tokenIds("bos_token_id", vocab);
    try {
      RotaryConfig rotary = rotary(f, positions, qwen35);
      return new ModelConfig(
          vocab,
          hidden,
          f.positive("intermediate_size", HUGE),
          f.positive("num_hidden_layers", MANY),
          heads,
          f.positive("num_key_value_heads", MANY, heads),
          headDim,
          positions,
          (float) f.positiveNumber("rms_norm_eps", 1e-6),
          rotary,
          f.truth("tie_word_embeddings", false),
          bos.isEmpty() ? -1 : bos.getFirst(),
          f.tokenIds("eos_token_id", vocab),
          qwen35 ? Qwen35Config.deltaNet(f) : DeltaNetConfig.NONE);
    } catch (InputException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw new InputException(forErrors + ": " + e.getMessage());
    }
  }

  /**
   * Context in tokens that the Transformer had of which the model was made, its own if it is one; 0
   * if a hybrid does not say.
   */
  public static int nativeContext(JsonNode config, Path forErrors) {
    ConfigFields f = fields(config, forErrors);
    int made = f.positive(NATIVE_CONTEXT, HUGE, 0);
    return made > 0 || modelType(f).equals(HYDRAHEAD)
        ? made
        : f.positive("max_position_embeddings", HUGE);
  }

  /**
   * The cells with full attention: all of them in {@code qwen3}, whole layers in {@code
   * qwen3_5_text}, in {@code hydrahead} those that it lists.
   */
  public static HeadPlan plan(JsonNode config, Path forErrors) {
    ConfigFields f = fields(config, forErrors);
    int layers = f.positive("num_hidden_layers", MANY);
    int heads = f.positive("num_attention_heads", MANY);
    switch (modelType(f)) {
      case QWEN3 -> {
        return HeadPlan.allFull(layers, heads);
      }
      case Qwen35Config.TYPE -> {
        return Qwen35Config.plan(f, layers, heads);
      }
      default -> {}
    }
    try {
      return HeadPlan.of(f.lists("full_attention_heads"), layers, heads);
    } catch (InputException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw new InputException(forErrors + ": full_attention_heads: " + e.getMessage());
    }
  }

  /** Like {@link #plan(JsonNode, Path)}. */
  public static HeadPlan plan(JsonNode config) {
    return plan(config, UNNAMED);
  }

  /**
   * How the heads work: {@link Style#VANILLA} for {@code qwen3}, {@link Style#QWEN3_5} for {@code
   * qwen3_5_text}, else the object {@code hydrahead}.
   */
  public static Style style(JsonNode config, Path forErrors) {
    ConfigFields f = fields(config, forErrors);
    return switch (modelType(f)) {
      case QWEN3 -> Style.VANILLA;
      case Qwen35Config.TYPE -> Style.QWEN3_5;
      default -> style(f.object(HYDRAHEAD));
    };
  }

  /** Like {@link #style(JsonNode, Path)}. */
  public static Style style(JsonNode config) {
    return style(config, UNNAMED);
  }

  private static ConfigFields fields(JsonNode config, Path forErrors) {
    if (!config.isObject()) {
      throw new InputException(forErrors + ": should be a JSON object");
    }
    return Qwen35Config.textOf(new ConfigFields(config, "", forErrors.toString()));
  }

  private static String modelType(ConfigFields f) {
    String type = f.text("model_type", "");
    if (type.equals(QWEN3) || type.equals(HYDRAHEAD) || type.equals(Qwen35Config.TYPE)) {
      return type;
    }
    throw f.wrong(
        "model_type",
        (type.isEmpty() ? "is missing" : "'" + type + "' is not supported")
            + "; supported are 'qwen3', 'qwen3_5_text' and 'hydrahead'");
  }

  private static void refuseUnsupported(ConfigFields f, boolean qwen35) {
    String act = f.text("hidden_act", "silu");
    if (!act.equals("silu")) {
      throw f.wrong("hidden_act", "'" + act + "' is not supported, only 'silu'");
    }
    if (f.truth("attention_bias", false)) {
      throw f.wrong("attention_bias", "true is not supported");
    }
    if (f.truth("use_sliding_window", false) && f.has("sliding_window")) {
      throw f.wrong("use_sliding_window", "true is not supported: every layer must see all tokens");
    }
    if (qwen35) {
      return;
    }
    for (JsonNode type : f.json().path("layer_types")) {
      if (!type.isString() || !type.stringValue().equals("full_attention")) {
        throw f.wrong("layer_types", type + " is not supported, only 'full_attention'");
      }
    }
    if (f.number("partial_rotary_factor", 1) != 1) {
      throw f.wrong("partial_rotary_factor", "other than 1 is not supported");
    }
  }

  private static RotaryConfig rotary(ConfigFields f, int positions, boolean qwen35) {
    ConfigFields inner = f;
    if (f.has("rope_parameters")) {
      inner = f.object("rope_parameters");
    } else if (f.has("rope_scaling")) {
      inner = f.object("rope_scaling");
    }
    ConfigFields holder = inner.has("rope_theta") ? inner : f;
    if (!holder.has("rope_theta")) {
      throw f.wrong("rope_theta", "is missing, at the top as in rope_parameters");
    }
    double theta = holder.positiveNumber("rope_theta", 1);
    if (qwen35) {
      return Qwen35Config.rotary(f, inner, theta);
    }
    if (inner == f) {
      return RotaryConfig.plain(theta);
    }
    String type = inner.text("rope_type", inner.text("type", "default"));
    return switch (type) {
      case "default" -> {
        if (inner.number("partial_rotary_factor", 1) != 1) {
          throw inner.wrong("partial_rotary_factor", "other than 1 is not supported");
        }
        yield RotaryConfig.plain(theta);
      }
      case "yarn" -> new RotaryConfig(theta, yarn(inner, positions));
      default ->
          throw inner.wrong(
              "rope_type", "'" + type + "' is not supported; supported are 'default' and 'yarn'");
    };
  }

  private static Yarn yarn(ConfigFields f, int positions) {
    int original = f.positive("original_max_position_embeddings", HUGE, positions);
    double factor = f.positiveNumber("factor", positions / (double) original);
    if (factor < 1) {
      throw f.wrong("factor", "should be at least 1, not " + factor);
    }
    double attention = f.number("attention_factor", 0);
    if (attention < 0) {
      throw f.wrong("attention_factor", "should be above 0, not " + attention);
    }
    double all = f.number("mscale_all_dim", 0);
    double some = f.number("mscale", 0);
    if (attention == 0 && all != 0 && some != 0) {
      attention = mscale(factor, some) / mscale(factor, all);
    }
    return new Yarn(
        factor,
        original,
        f.positiveNumber("beta_fast", Yarn.NONE.betaFast()),
        f.positiveNumber("beta_slow", Yarn.NONE.betaSlow()),
        attention,
        f.truth("truncate", true));
  }

  private static double mscale(double factor, double m) {
    return factor <= 1 ? 1 : 0.1 * m * Math.log(factor) + 1;
  }

  private static final Set<String> SWITCHES =
      Set.of(
          "format_version",
          "producer",
          "full_rotary",
          "fusion_norm",
          "gamma",
          "gate",
          "linear_rotary",
          "length_scale",
          "log_scale_base",
          "conv_kernel",
          "beta_max",
          "linear_kind",
          "window",
          "sinks");

  private static Style style(ConfigFields f) {
    int version = f.positive("format_version", Integer.MAX_VALUE);
    if (version > FORMAT_VERSION) {
      throw f.wrong(
          "format_version",
          version
              + " is newer than "
              + FORMAT_VERSION
              + ", which this version reads; update HydraHead");
    }
    for (String name : f.json().propertyNames()) {
      if (!SWITCHES.contains(name)) {
        throw f.wrong(name, "is not a known switch; known are " + new TreeSet<>(SWITCHES));
      }
    }
    Style d = Style.HYDRAHEAD;
    int conv =
        f.has("conv_kernel") && f.number("conv_kernel", 0) != 0 ? f.positive("conv_kernel", 64) : 0;
    double betaMax = f.positiveNumber("beta_max", d.betaMax());
    if (betaMax > 2) {
      throw f.wrong("beta_max", "should be at most 2, not " + betaMax);
    }
    double base = f.positiveNumber("log_scale_base", d.logScaleBase());
    if (base <= 1) {
      throw f.wrong("log_scale_base", "should be above 1, not " + base);
    }
    Style style =
        new Style(
            f.truth("full_rotary", d.fullRotary()),
            f.truth("fusion_norm", d.fusionNorm()),
            f.truth("gamma", d.gamma()),
            f.truth("gate", d.gate()),
            f.truth("linear_rotary", d.linearRotary()),
            lengthScale(f),
            base,
            conv,
            (float) betaMax);
    return windowed(f, conv) ? windowed(f, style) : style;
  }

  private static boolean windowed(ConfigFields f, int conv) {
    String kind = f.text("linear_kind", "gated_delta");
    boolean windowed = kind.equals("window");
    if (!windowed && !kind.equals("gated_delta")) {
      throw f.wrong("linear_kind", "'" + kind + "' should be 'gated_delta' or 'window'");
    }
    for (String name : new String[] {"window", "sinks"}) {
      if (!windowed && f.has(name)) {
        throw f.wrong(name, "is for linear_kind 'window'");
      }
    }
    if (windowed && conv > 0) {
      throw f.wrong("conv_kernel", "should be 0 with linear_kind 'window', not " + conv);
    }
    return windowed;
  }

  private static Style windowed(ConfigFields f, Style style) {
    boolean none = f.has("sinks") && f.number("sinks", 0) == 0;
    return style.withWindow(
        f.positive("window", Style.MOST_WINDOW), none ? 0 : f.positive("sinks", Style.MOST_WINDOW));
  }

  private static LengthScale lengthScale(ConfigFields f) {
    String text = f.text("length_scale", "none");
    return switch (text) {
      case "none" -> LengthScale.NONE;
      case "log" -> LengthScale.LOG;
      default -> throw f.wrong("length_scale", "'" + text + "' should be 'none' or 'log'");
    };
  }

  /**
   * The {@code config.json} of a model: {@code qwen3} if every head is full and the style is that
   * of a plain Transformer, or {@code qwen3_5_text}, both loadable by transformers, else {@code
   * hydrahead}.
   *
   * @param extras further top-level fields (strings, numbers, truth values, lists, maps, JSON
   *     nodes); they cannot replace the model's own
   */
  public static ObjectNode write(
      ModelConfig config, HeadPlan plan, Style style, Map<String, ?> extras) {
    boolean plain = isPlainQwen3(plan, style);
    ObjectNode out = Json.object();
    if (style.qwen35()) {
      Qwen35Config.write(out, config, plan);
    } else {
      out.putArray("architectures").add(plain ? "Qwen3ForCausalLM" : "HydraHeadForCausalLM");
      out.put("model_type", plain ? QWEN3 : HYDRAHEAD);
    }
    out.put("vocab_size", config.vocabSize());
    out.put("hidden_size", config.hiddenSize());
    out.put("intermediate_size", config.intermediateSize());
    out.put("num_hidden_layers", config.layers());
    out.put("num_attention_heads", config.heads());
    out.put("num_key_value_heads", config.kvHeads());
    out.put("head_dim", config.headDim());
    out.put("hidden_act", "silu");
    out.put("max_position_embeddings", config.maxPositionEmbeddings());
    out.put("rms_norm_eps", config.rmsNormEps());
    if (!style.qwen35()) {
      out.put("rope_theta", config.rotary().theta());
      writeYarn(out, config.rotary().yarn());
    }
    out.put("tie_word_embeddings", config.tiedEmbeddings());
    out.put("attention_bias", false);
    out.put("use_sliding_window", false);
    if (config.bosTokenId() >= 0) {
      out.put("bos_token_id", config.bosTokenId());
    } else {
      out.putNull("bos_token_id");
    }
    writeEos(out, config.eosTokenIds());
    if (!plain && !style.qwen35()) {
      ArrayNode layers = out.putArray("full_attention_heads");
      for (List<Integer> row : plan.toLists()) {
        ArrayNode heads = layers.addArray();
        row.forEach(heads::add);
      }
      writeStyle(out.putObject(HYDRAHEAD), style);
    }
    for (Map.Entry<String, ?> e : extras.entrySet()) {
      if (out.has(e.getKey())) {
        throw new IllegalArgumentException(
            "extra field " + e.getKey() + " is one of the model's own");
      }
      out.set(e.getKey(), Json.of(e.getValue()));
    }
    return out;
  }

  private static boolean isPlainQwen3(HeadPlan plan, Style style) {
    return plan.isAllFull()
        && style.isVanilla()
        && style.fullRotary()
        && style.lengthScale() == LengthScale.NONE;
  }

  private static void writeYarn(ObjectNode out, Yarn yarn) {
    if (yarn.equals(Yarn.NONE)) {
      out.putNull("rope_scaling");
      return;
    }
    ObjectNode y = out.putObject("rope_scaling");
    y.put("rope_type", "yarn");
    y.put("factor", yarn.factor());
    y.put("original_max_position_embeddings", yarn.originalMaxPosition());
    y.put("beta_fast", yarn.betaFast());
    y.put("beta_slow", yarn.betaSlow());
    y.put("truncate", yarn.truncate());
    if (yarn.attentionFactor() != 0) {
      y.put("attention_factor", yarn.attentionFactor());
    }
  }

  private static void writeEos(ObjectNode out, List<Integer> ids) {
    switch (ids.size()) {
      case 0 -> out.putNull("eos_token_id");
      case 1 -> out.put("eos_token_id", ids.getFirst());
      default -> {
        ArrayNode list = out.putArray("eos_token_id");
        ids.forEach(list::add);
      }
    }
  }

  private static void writeStyle(ObjectNode out, Style style) {
    String version = ConfigJson.class.getPackage().getImplementationVersion();
    out.put("format_version", FORMAT_VERSION);
    out.put("producer", version == null ? "hydrahead-jvm" : "hydrahead-jvm " + version);
    out.put("full_rotary", style.fullRotary());
    out.put("fusion_norm", style.fusionNorm());
    out.put("gamma", style.gamma());
    out.put("gate", style.gate());
    out.put("linear_rotary", style.linearRotary());
    out.put("length_scale", style.lengthScale().name().toLowerCase(Locale.ROOT));
    out.put("log_scale_base", style.logScaleBase());
    out.put("conv_kernel", style.convKernel());
    out.put("beta_max", style.betaMax());
    if (style.windowed()) {
      out.put("linear_kind", "window");
      out.put("window", style.window());
      out.put("sinks", style.sinks());
    }
  }
}
