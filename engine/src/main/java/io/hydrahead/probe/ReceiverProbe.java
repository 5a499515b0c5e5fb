package io.hydrahead.probe;

import io.hydrahead.model.FrozenAttention;
import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * Receiver effects of all heads on one counterfactual pair:
 *
 * <p>IE(l,h) = [m(x) − m(x; o_{l,h} ← o_{l,h}(x′))] / [m(x) − m(x′)], attention outputs of later
 * layers frozen at their clean values, MLPs live. With attention frozen, positions do not see each
 * other, so patching all positions and patching the answer's rows give the same readout; only those
 * R rows are computed. L layers, H heads, d head dim, D width.
 */
final class ReceiverProbe implements AutoCloseable {
  /** What a pair says: {@code effects} [L][H], null when the pair must be skipped. */
  record Outcome(
      boolean correct, double cleanReadout, double gap, double[][] effects, double[][] attention) {}

  private final HybridTransformer model;
  private final ModelConfig config;
  private final TrainingPass pass;
  private final int rows;
  private final Workspace memory;
  private final FrozenAttention frozen;
  private final Recording clean;
  private final Recording corrupted;
  private final Tensor logits;
  private final Tensor patchedInput;
  private final Tensor[] patchedMixers;

  /** o′ − o of the answer rows, [R, H·d]; and, for each head, only that head's columns of it. */
  private final Tensor change;

  private final Tensor changeByHead;

  /** What is kept of a forward pass: the answer rows of every layer. */
  private static final class Recording {
    final Tensor[] inputs;
    final Tensor[] mixers;
    final Tensor[] heads;

    Recording(ModelConfig c, int rows, DType type, Workspace memory) {
      inputs = new Tensor[c.layers()];
      mixers = new Tensor[c.layers()];
      heads = new Tensor[c.layers()];
      for (int l = 0; l < c.layers(); l++) {
        inputs[l] = memory.allocate(type, rows, c.hiddenSize());
        mixers[l] = memory.allocate(type, rows, c.hiddenSize());
        heads[l] = memory.allocate(type, rows, (long) c.heads() * c.headDim());
      }
    }
  }

  /** For texts of {@code tokens} tokens whose answers have {@code rows} tokens. */
  ReceiverProbe(HybridTransformer model, int tokens, int rows) {
    this.model = model;
    this.rows = rows;
    config = model.config();
    pass = new TrainingPass(model, 1, tokens, false);
    memory = new Workspace(model.ops().memory());
    DType type = model.ops().activations();
    clean = new Recording(config, rows, type, memory);
    corrupted = new Recording(config, rows, type, memory);
    logits = memory.f32(rows, config.vocabSize());
    int batch = config.heads() * rows;
    frozen = new FrozenAttention(model, batch);
    long heads = (long) config.heads() * config.headDim();
    change = memory.allocate(type, rows, heads);
    changeByHead = memory.allocate(type, batch, heads);
    patchedInput = memory.allocate(type, batch, config.hiddenSize());
    patchedMixers = new Tensor[config.layers()];
    for (int l = 0; l < patchedMixers.length; l++) {
      patchedMixers[l] = memory.allocate(type, batch, config.hiddenSize());
    }
  }

  Outcome run(CounterfactualPair pair, double minimumGap) {
    double[][] attention = new double[config.layers()][config.heads()];
    Tensor logits = record(pair, pair.clean(), clean, attention);
    double m = Readout.of(pair, logits, 0);
    boolean correct = Readout.correct(pair, logits, 0);
    double gap = m - Readout.of(pair, record(pair, pair.corrupted(), corrupted, null), 0);
    if (!correct || gap < minimumGap) {
      return new Outcome(correct, m, gap, null, attention);
    }
    double[][] effects = new double[config.layers()][];
    for (int l = 0; l < config.layers(); l++) {
      effects[l] = layerEffects(pair, l, m, gap);
    }
    return new Outcome(true, m, gap, effects, attention);
  }

  private Tensor record(CounterfactualPair pair, int[] ids, Recording r, double[][] attention) {
    int from = pair.row(0);
    HeadTap tap =
        new HeadTap() {
          @Override
          public void queriesAndKeys(int layer, Tensor q, Tensor k) {
            if (attention != null) {
              RetrievalScore.score(model, pair, layer, q.onHost(), k.onHost(), attention[layer]);
            }
          }

          @Override
          public void headOutputs(int layer, Tensor o) {
            r.heads[layer].copyFrom(o.rows(from, rows));
          }
        };
    pass.forward(
        ids,
        tap,
        (layer, input, mixer) -> {
          r.inputs[layer].copyFrom(input.rows(from, rows));
          r.mixers[layer].copyFrom(mixer.rows(from, rows));
        });
    pass.logits(from, logits);
    return logits.onHost();
  }

  /** All heads of a layer at once: H × R rows through the rest of the model. */
  private double[] layerEffects(CounterfactualPair pair, int layer, double m, double gap) {
    int heads = config.heads();
    for (int h = 0; h < heads; h++) {
      repeat(clean.inputs[layer], patchedInput, h);
      for (int l = layer; l < config.layers(); l++) {
        repeat(clean.mixers[l], patchedMixers[l], h);
      }
    }
    addChanges(layer, patchedMixers[layer]);
    Tensor logits = frozen.run(layer, patchedInput, patchedMixers).onHost();
    double[] effects = new double[heads];
    for (int h = 0; h < heads; h++) {
      effects[h] = (m - Readout.of(pair, logits, h * rows)) / gap;
    }
    return effects;
  }

  private void repeat(Tensor from, Tensor to, int block) {
    to.rows((long) block * rows, rows).copyFrom(from);
  }

  /** To block h of the attention outputs [H·R, D] adds (o′ − o)_h W_oᵀ, h alone changed. */
  private void addChanges(int layer, Tensor mixers) {
    change.copyFrom(corrupted.heads[layer]);
    model.ops().optim().axpy(-1f, clean.heads[layer], change);
    changeByHead.fill(0f);
    int d = config.headDim();
    for (int h = 0; h < config.heads(); h++) {
      Tensor columns = change.columns((long) h * d, d);
      changeByHead.rows((long) h * rows, rows).columns((long) h * d, d).copyFrom(columns);
    }
    model.ops().linear().forward(changeByHead, model.outputProjection(layer), mixers, true);
  }

  @Override
  public void close() {
    pass.close();
    frozen.close();
    memory.close();
  }
}
