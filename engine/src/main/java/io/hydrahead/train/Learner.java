package io.hydrahead.train;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/**
 * A model that learns, with its gradients and, within a stage, its optimiser. A pretraining has
 * one, a transfer one for each arm.
 */
public final class Learner implements AutoCloseable {
  private final String name;
  private final ParameterStore grads;
  private HybridTransformer model;
  private AdamW optimizer;
  private long updates;

  /**
   * @param name of the arm, such as {@code hydrahead}
   * @param model in float32; its parameters change in place
   */
  public Learner(String name, HybridTransformer model) {
    this.name = name;
    this.model = model;
    this.grads = model.parameters().zerosLike();
  }

  public String name() {
    return name;
  }

  public HybridTransformer model() {
    return model;
  }

  /** Gradients, zero before each step; kernels accumulate into them. */
  public ParameterStore grads() {
    return grads;
  }

  /** Scalars that the current stage trains. */
  public long trained() {
    return optimizer.trained();
  }

  /** The same parameters under another config, such as a longer context. */
  public void replace(HybridTransformer sameParameters) {
    if (sameParameters.parameters() != model.parameters()) {
      throw new IllegalArgumentException("the learner " + name + " keeps its parameters");
    }
    model = sameParameters;
  }

  /**
   * A new optimiser for {@code stage}; with {@code keepMoments} it goes on where the last one was.
   */
  void begin(Stage stage) {
    AdamW next =
        new AdamW(
            model.ops().optim(), stage.optimizer(), model.parameters(), grads, stage.trains());
    AdamW last = optimizer;
    if (last != null && stage.keepMoments()) {
      SequencedMap<String, Tensor> moments = next.moments();
      last.moments()
          .forEach((key, old) -> {
            if (moments.containsKey(key)) {
              moments.get(key).copyFrom(old);
            }
          });
    } else {
      updates = 0;
    }
    optimizer = next;
    if (last != null) {
      last.close();
    }
  }

  /** Updates since the moments were zero. */
  long updates() {
    return updates;
  }

  /** Goes on from a saved state, which {@link #state} now holds. */
  void restored(long updates) {
    this.updates = updates;
    model.refresh();
  }

  /** Clips and applies the gradients; returns their norm before clipping. */
  double update(double lr) {
    double norm = optimizer.step(updates + 1, lr);
    if (Double.isFinite(norm)) {
      updates++;
    }
    return norm;
  }

  /** Everything that changes, live, with the learner's name in front. */
  SequencedMap<String, Tensor> state() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    for (String p : model.parameters().names()) {
      out.put(name + "/param." + p, model.parameters().get(p));
    }
    optimizer.moments().forEach((key, t) -> out.put(name + "/" + key, t));
    return out;
  }

  /** Frees gradients and moments, not the model. */
  @Override
  public void close() {
    grads.close();
    if (optimizer != null) {
      optimizer.close();
    }
  }
}
