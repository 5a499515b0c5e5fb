package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/** Shapes of known models, and models of those shapes with random weights, for benchmarks. */
public final class ModelShapes {
  private static final int PATTERN = 1 << 16;
  private static final Map<String, ModelConfig> SHAPES = new LinkedHashMap<>();

  static {
    SHAPES.put("qwen3-1.7b", qwen3(2048, 6144));
    SHAPES.put("qwen3-0.6b", qwen3(1024, 3072));
    SHAPES.put("qwen3.5-0.8b", qwen35());
    SHAPES.put(
        "teacher-24m",
        new ModelConfig(
            8192,
            384,
            1024,
            12,
            16,
            8,
            32,
            4096,
            1e-6f,
            RotaryConfig.plain(1e6),
            true,
            -1,
            List.of()));
    SHAPES.put(
        "tiny",
        new ModelConfig(
            1024, 128, 384, 4, 8, 8, 32, 512, 1e-6f, RotaryConfig.plain(1e6), true, -1, List.of()));
  }

  private ModelShapes() {}

  private static ModelConfig qwen3(int width, int intermediate) {
    return new ModelConfig(
        151_936,
        width,
        intermediate,
        28,
        16,
        8,
        128,
        40_960,
        1e-6f,
        RotaryConfig.plain(1e6),
        true,
        -1,
        List.of());
  }

  /**
   * The text model of Qwen/Qwen3.5-0.8B, after public model cards (sizes) and the family's code
   * (kernel 4, rotary on a quarter).
   */
  private static ModelConfig qwen35() {
    return new ModelConfig(
        248_320,
        1024,
        3584,
        24,
        8,
        2,
        256,
        262_144,
        1e-6f,
        new RotaryConfig(1e7, RotaryConfig.Yarn.NONE, 0.25),
        true,
        -1,
        List.of(),
        new DeltaNetConfig(16, 16, 128, 128, 4));
  }

  /** Whether a shape's layers are Qwen3.5's: {@link Style#QWEN3_5}, with its own plan. */
  public static boolean qwen35(ModelConfig c) {
    return !c.deltaNet().equals(DeltaNetConfig.NONE);
  }

  /** The plan of a shape's model as it was made: every fourth layer full in Qwen3.5, else all. */
  public static HeadPlan plan(ModelConfig c) {
    if (!qwen35(c)) {
      return HeadPlan.allFull(c.layers(), c.heads());
    }
    boolean[][] full = new boolean[c.layers()][c.heads()];
    for (int l = 3; l < c.layers(); l += 4) {
      java.util.Arrays.fill(full[l], true);
    }
    return HeadPlan.of(full);
  }

  /** Names that {@link #get} knows. */
  public static List<String> names() {
    return List.copyOf(SHAPES.keySet());
  }

  /**
   * @throws InputException listing the names, if {@code name} is none of them
   */
  public static ModelConfig get(String name) {
    ModelConfig c = SHAPES.get(name);
    if (c == null) {
      throw new InputException(
          "unknown shape '" + name + "'; known: " + String.join(", ", names()));
    }
    return c;
  }

  /**
   * A model with random weights of deviation 0.02 (norms and γ are 1): matrices in {@code dtype},
   * vectors in float32. The weights repeat with a period of 65,521 elements, which no kernel can
   * notice.
   */
  public static HybridTransformer random(
      ModelConfig config, HeadPlan plan, Style style, DType dtype, Ops ops) {
    float[] pattern = new float[PATTERN - 15];
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < pattern.length; i++) {
      pattern[i] = (float) (0.02 * random.nextGaussian());
    }
    Tensor block = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), dtype, pattern.length);
    block.copyFrom(pattern);
    ParameterStore store = store(config, plan, style, dtype, ops);
    for (String name : store.names()) {
      Tensor t = store.get(name);
      if (ParameterLayout.isMatrix(name, t.shape())) {
        t.repeat(block);
      } else {
        boolean one = name.contains("norm") || name.endsWith("gamma");
        t.fill(one ? 1f : 0.02f);
      }
    }
    return new HybridTransformer(config, plan, style, store, ops);
  }

  private static ParameterStore store(
      ModelConfig config, HeadPlan plan, Style style, DType dtype, Ops ops) {
    if (ops.packed() || !ops.memory().host()) {
      return ParameterStore.arranged(ops.memory(), ParameterLayout.of(config, plan, style), dtype);
    }
    ParameterStore store = new ParameterStore();
    ParameterShapes.of(config, plan, style)
        .forEach((name, shape) ->
            store.allocate(name, ParameterLayout.isMatrix(name, shape) ? dtype : DType.F32, shape));
    return store;
  }
}
