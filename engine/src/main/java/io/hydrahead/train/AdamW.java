package io.hydrahead.train;

import io.hydrahead.json.Fields;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.ops.optim.Optim;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.function.Predicate;

/**
 * AdamW over the trainable parameters of one model, with clipping by the global norm of their
 * gradients. Weight decay goes to matrices only: norms, biases and per-head scalars (rank 1) have
 * none.
 */
public final class AdamW implements AutoCloseable {
  /**
   * @param weightDecay decoupled decay λ; the parameter shrinks by lr·λ a step
   * @param clip largest global gradient norm; 0 is off
   */
  public record Settings(double beta1, double beta2, double eps, double weightDecay, double clip) {
    /** β (0.9, 0.95), no decay, clip 1: what HypeNet (arXiv:2601.22156) trains hybrids with. */
    public static final Settings DEFAULT = new Settings(0.9, 0.95, 1e-8, 0, 1);

    /** Reads {@code {"beta1", "beta2", "eps", "weight_decay", "clip"}}; each has a default. */
    static Settings read(Fields f) {
      Settings s =
          new Settings(
              f.number("beta1", 0, 0.999999, DEFAULT.beta1),
              f.number("beta2", 0, 0.999999, DEFAULT.beta2),
              f.number("eps", 1e-20, 1, DEFAULT.eps),
              f.number("weight_decay", 0, 10, DEFAULT.weightDecay),
              f.number("clip", 0, 1e6, DEFAULT.clip));
      f.end();
      return s;
    }

    private Optim.Rule rule(float decay) {
      return new Optim.Rule((float) beta1, (float) beta2, (float) eps, decay, clip);
    }
  }

  private record Slot(
      Tensor param, Tensor grad, Tensor m, Tensor v, Tensor working, boolean decays) {}

  private final Optim optim;
  private final Optim.Rule matrices;
  private final Optim.Rule vectors;
  private final Workspace memory;
  private final Tensor rates;
  private final Tensor squares;
  private final List<Slot> slots = new ArrayList<>();
  private final List<String> trained;
  private final ParameterStore params;
  private final ParameterStore means;
  private final ParameterStore variances;

  /**
   * @param params all parameters of the model, float32, by name
   * @param grads their gradients, same names and shapes
   * @param trainable which of them change; only these get moments
   */
  public AdamW(
      Optim optim,
      Settings settings,
      ParameterStore params,
      ParameterStore grads,
      Predicate<String> trainable) {
    this.optim = optim;
    matrices = settings.rule((float) settings.weightDecay);
    vectors = settings.rule(0f);
    memory = new Workspace(params.memory());
    rates = memory.f32(3);
    squares = memory.allocate(DType.F64, 1);
    trained = params.names().stream().filter(trainable).toList();
    means = params.zerosLike(trainable);
    variances = params.zerosLike(trainable);
    this.params = params;
    for (ParameterStore.Group g : params.groups(trainable)) {
      slots.add(
          new Slot(
              params.flat(g),
              grads.flat(g),
              means.flat(g),
              variances.flat(g),
              params.flatWorking(g),
              g.decays()));
    }
  }

  /**
   * One update with the gradients as they stand, clipped by their norm over the trainable
   * parameters, in the order of their names in the model. Gradients that are not finite change
   * nothing.
   *
   * @param step counts from 1 since the moments were zero
   * @return the norm before clipping
   */
  public double step(long step, double lr) {
    squares.setDouble(0, 0);
    for (Slot s : slots) {
      optim.addSquares(s.grad, squares);
    }
    matrices.rates((float) lr, Math.toIntExact(step), rates);
    for (Slot s : slots) {
      optim.adamW(
          s.decays ? matrices : vectors, s.param, s.grad, s.m, s.v, s.working, rates, squares);
    }
    return Math.sqrt(squares.getDouble(0));
  }

  /** Number of scalars that are trained. */
  public long trained() {
    return trained.stream().mapToLong(name -> params.get(name).size()).sum();
  }

  /** The moments, live, as {@code m.<name>} and {@code v.<name>}: what a run state saves. */
  public SequencedMap<String, Tensor> moments() {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    for (String name : trained) {
      out.put("m." + name, means.get(name));
      out.put("v." + name, variances.get(name));
    }
    return out;
  }

  @Override
  public void close() {
    means.close();
    variances.close();
    memory.close();
  }
}
