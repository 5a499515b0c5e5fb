package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;

/**
 * A decoder-only Transformer of the Qwen3 family in which every attention head is either full or
 * linear: vanilla, layer-wise and head-wise models are this class with different plans and styles.
 *
 * <p>Holds parameters, no activations: those belong to a {@link Session} (inference) or a {@link
 * TrainingPass}. Used from one thread at a time. Closing it frees the parameters, not the
 * operations.
 */
public final class HybridTransformer implements AutoCloseable {
  private final ModelConfig config;
  private final HeadPlan plan;
  private final Style style;
  private final ParameterStore parameters;
  private final Ops ops;
  private final String label;
  private final LayerPass.Weights[] weights;

  /** The parameters in the form that the operations take. */
  private final ParameterStore working;

  /**
   * Takes over {@code parameters}. Where the operations want them elsewhere, or next to each other,
   * they are copied there, and the given store is closed.
   *
   * @throws InputException naming the parameter, if the store lacks one, has one too many, or one
   *     has another shape than plan and config say
   */
  public HybridTransformer(
      ModelConfig config, HeadPlan plan, Style style, ParameterStore parameters, Ops ops) {
    this.config = config;
    this.plan = plan;
    this.style = style;
    this.ops = ops;
    label =
        config.layers() + " layers x " + config.heads() + " heads, " + plan.fullCount() + " full";
    requireShapes(ParameterShapes.of(config, plan, style), parameters);
    this.parameters = placed(parameters);
    working = this.parameters.working(ops.activations());
    refresh();
    weights = new LayerPass.Weights[config.layers()];
    for (int l = 0; l < weights.length; l++) {
      weights[l] = LayerPass.Weights.of(working, plan, style, ops.packed(), l);
    }
  }

  private ParameterStore placed(ParameterStore given) {
    boolean arranged = given.isArranged() || ops.memory().host() && !ops.packed();
    if (arranged && given.memory() == ops.memory()) {
      return given;
    }
    boolean float32 = given.names().stream().allMatch(n -> given.get(n).dtype() == DType.F32);
    ParameterStore there =
        ParameterStore.arranged(
            ops.memory(),
            ParameterLayout.of(config, plan, style),
            float32 ? DType.F32 : ops.activations());
    given.names().forEach(name -> there.get(name).copyFrom(given.get(name)));
    given.close();
    return there;
  }

  /** After the parameters were changed by hand: operations may work with a rounded copy of them. */
  public void refresh() {
    parameters.refreshWorking(ops.optim());
  }

  private static void requireShapes(Map<String, long[]> shapes, ParameterStore store) {
    shapes.forEach((name, shape) -> {
      if (!store.contains(name)) {
        throw new InputException(
            "the checkpoint has no tensor " + name + ", which its config.json calls for");
      }
      if (!Arrays.equals(store.get(name).shape(), shape)) {
        throw new InputException(
            "tensor "
                + name
                + " has shape "
                + Arrays.toString(store.get(name).shape())
                + "; config.json calls for "
                + Arrays.toString(shape));
      }
    });
    for (String name : store.names()) {
      if (!shapes.containsKey(name)) {
        throw new InputException(
            "the checkpoint has a tensor " + name + " that its config.json does not call for");
      }
    }
  }

  /**
   * {@link ModelFiles#load}.
   *
   * @throws InputException naming the file and what is wrong with it
   */
  public static HybridTransformer load(Path folder, Ops ops, ModelFiles.LoadOptions options) {
    return ModelFiles.load(folder, ops, options);
  }

  /**
   * {@link ModelFiles#save}.
   *
   * @throws InputException if the folder exists and may not be replaced, or cannot be written
   */
  public void save(Path folder, ModelFiles.SaveOptions options) {
    ModelFiles.save(this, folder, options);
  }

  /** Tells models apart where people read it: {@code 12 layers x 16 heads, 24 full}. */
  public String label() {
    return label;
  }

  /** Shape and constants. */
  public ModelConfig config() {
    return config;
  }

  /** Which heads are full. */
  public HeadPlan plan() {
    return plan;
  }

  /** How the two kinds of heads work. */
  public Style style() {
    return style;
  }

  /** The parameters by name, in the operations' memory; after changes call {@link #refresh}. */
  public ParameterStore parameters() {
    return parameters;
  }

  /** What the model computes with; stays open when the model is closed. */
  public Ops ops() {
    return ops;
  }

  /**
   * Caches and buffers to read up to {@code capacity} tokens of one sequence, prompt and reply.
   *
   * @throws InputException if a device's memory does not suffice, with the largest capacity that
   *     does
   * @throws IllegalArgumentException if {@code capacity} is not positive
   */
  public Session newSession(int capacity) {
    return new Session(this, capacity);
  }

  LayerPass.Weights weights(int layer) {
    return weights[layer];
  }

  /** A layer's output projection W_o [D, H·d], as operations take it. */
  public Tensor outputProjection(int layer) {
    return weights[layer].o();
  }

  Tensor embedding() {
    return working.get(ParameterShapes.EMBEDDING);
  }

  Tensor finalNorm() {
    return working.get(ParameterShapes.FINAL_NORM);
  }

  String lmHeadName() {
    return config.tiedEmbeddings() ? ParameterShapes.EMBEDDING : ParameterShapes.LM_HEAD;
  }

  Tensor lmHead() {
    return working.get(lmHeadName());
  }

  /**
   * @throws InputException naming the first id outside the vocabulary
   */
  void requireIds(int[] ids, int from, int count) {
    for (int i = from; i < from + count; i++) {
      if (ids[i] < 0 || ids[i] >= config.vocabSize()) {
        throw new InputException(
            "token id "
                + ids[i]
                + " at place "
                + i
                + " is outside the vocabulary 0…"
                + (config.vocabSize() - 1));
      }
    }
  }

  @Override
  public void close() {
    parameters.close();
  }
}
