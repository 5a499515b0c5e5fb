package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.random.RandomGenerator;

/** Small random models for tests. */
public final class TestModels {
  private TestModels() {}

  /** 3 layers × 4 heads in 2 KV groups, d 16. */
  public static ModelConfig config() {
    return new ModelConfig(
        97, 48, 80, 3, 4, 2, 16, 256, 1e-6f, RotaryConfig.plain(10_000), true, -1, List.of());
  }

  /** Row 1 whole: a layer-wise plan. */
  public static HeadPlan layerWise() {
    return HeadPlan.of(List.of(List.of(), List.of(0, 1, 2, 3), List.of()), 3, 4);
  }

  /** Scattered cells: one head, two heads of different groups, and a whole group. */
  public static HeadPlan headWise() {
    return HeadPlan.of(List.of(List.of(2), List.of(1, 2), List.of(0, 1)), 3, 4);
  }

  /** Random parameters of plausible size: norms near 1, decays as at conversion. */
  public static HybridTransformer random(
      ModelConfig c, HeadPlan plan, Style style, Ops ops, long seed) {
    return random(c, plan, style, ops, seed, 1);
  }

  /** Like {@link #random}, with matrices small enough for rounding errors not to grow. */
  public static HybridTransformer gentle(HeadPlan plan, Style style, Ops ops, long seed) {
    return gentle(config(), plan, style, ops, seed);
  }

  /** The same of another size. */
  public static HybridTransformer gentle(
      ModelConfig c, HeadPlan plan, Style style, Ops ops, long seed) {
    return random(c, plan, style, ops, seed, 0.3);
  }

  /**
   * The same with Qwen3.5's layers: 6 value heads, three to a key head, of other sizes than the
   * full heads, of which a quarter of the dims turns.
   */
  static ModelConfig qwen35(ModelConfig c) {
    return new ModelConfig(
        c.vocabSize(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.layers(),
        c.heads(),
        c.kvHeads(),
        c.headDim(),
        c.maxPositionEmbeddings(),
        c.rmsNormEps(),
        new RotaryConfig(c.rotary().theta(), RotaryConfig.Yarn.NONE, 0.25),
        c.tiedEmbeddings(),
        c.bosTokenId(),
        c.eosTokenIds(),
        new DeltaNetConfig(2, 6, 16, 32, 4));
  }

  private static HybridTransformer random(
      ModelConfig given, HeadPlan plan, Style style, Ops ops, long seed, double scale) {
    boolean other = style.qwen35() && given.deltaNet().equals(DeltaNetConfig.NONE);
    ModelConfig c = other ? qwen35(given) : given;
    ParameterStore store = ParameterStore.zeros(ParameterShapes.of(c, plan, style), DType.F32);
    RandomGenerator random = new Random(seed);
    for (String name : store.names()) {
      Tensor t = store.get(name);
      for (long i = 0; i < t.size(); i++) {
        t.set(i, (float) (value(name, random) * (t.rank() == 2 ? scale : 1)));
      }
    }
    return new HybridTransformer(c, plan, style, store, ops);
  }

  /** A random text. */
  public static int[] ids(int n, int vocabulary, long seed) {
    return new Random(seed).ints(n, 0, vocabulary).toArray();
  }

  /** The next token of each in {@code batch} texts, −1 behind the last. */
  static int[] shifted(int[] ids, int batch) {
    int t = ids.length / batch;
    int[] targets = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      targets[i] = i % t == t - 1 ? -1 : ids[i + 1];
    }
    return targets;
  }

  /** Equal weights. */
  static float[] ones(int n) {
    float[] w = new float[n];
    Arrays.fill(w, 1f);
    return w;
  }

  private static double value(String name, RandomGenerator random) {
    if (name.endsWith("A_log")) {
      return Math.log(random.nextDouble(1, 16));
    }
    if (name.endsWith("dt_bias")) {
      return Math.log(Math.expm1(random.nextDouble(0.001, 0.1)));
    }
    if (name.contains("norm") || name.endsWith("gamma")) {
      return 1 + 0.2 * random.nextGaussian();
    }
    if (name.contains("_conv")) {
      return 0.4 * random.nextGaussian();
    }
    return (name.contains("embed") ? 1.0 : 0.15) * random.nextGaussian();
  }
}
