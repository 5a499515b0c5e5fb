package io.hydrahead.probe;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.hydrahead.model.FrozenAttention;
import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterShapes;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.MemorySegment;

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
  private final Workspace memory = new Workspace();
  private final FrozenAttention frozen;
  private final Recording clean;
  private final Recording corrupted;
  private final Tensor logits;
  private final Tensor patchedInput;
  private final Tensor[] patchedMixers;

  /** What is kept of a forward pass: the answer rows of every layer. */
  private static final class Recording {
    final Tensor[] inputs;
    final Tensor[] mixers;
    final Tensor[] heads;

    Recording(ModelConfig c, int rows, Workspace memory) {
      inputs = new Tensor[c.layers()];
      mixers = new Tensor[c.layers()];
      heads = new Tensor[c.layers()];
      for (int l = 0; l < c.layers(); l++) {
        inputs[l] = memory.zeros(rows, c.hiddenSize());
        mixers[l] = memory.zeros(rows, c.hiddenSize());
        heads[l] = memory.zeros(rows, (long) c.heads() * c.headDim());
      }
    }
  }

  /** For texts of {@code tokens} tokens whose answers have {@code rows} tokens. */
  ReceiverProbe(HybridTransformer model, int tokens, int rows) {
    this.model = model;
    this.rows = rows;
    config = model.config();
    pass = new TrainingPass(model, 1, tokens, false);
    clean = new Recording(config, rows, memory);
    corrupted = new Recording(config, rows, memory);
    logits = memory.zeros(rows, config.vocabSize());
    int batch = config.heads() * rows;
    frozen = new FrozenAttention(model, batch);
    patchedInput = memory.zeros(batch, config.hiddenSize());
    patchedMixers = new Tensor[config.layers()];
    for (int l = 0; l < patchedMixers.length; l++) {
      patchedMixers[l] = memory.zeros(batch, config.hiddenSize());
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
              RetrievalScore.score(model, pair, layer, q, k, attention[layer]);
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
    return logits;
  }

  /** All heads of a layer at once: H × R rows through the rest of the model. */
  private double[] layerEffects(CounterfactualPair pair, int layer, double m, double gap) {
    int heads = config.heads();
    long width = config.hiddenSize();
    Tensor o = model.parameters().get(ParameterShapes.attention(layer) + "o_proj.weight");
    for (int h = 0; h < heads; h++) {
      repeat(clean.inputs[layer], patchedInput, h);
      for (int l = layer; l < config.layers(); l++) {
        repeat(clean.mixers[l], patchedMixers[l], h);
      }
      addDifference(o, layer, h, patchedMixers[layer].rows((long) h * rows, rows), width);
    }
    Tensor logits = frozen.run(layer, patchedInput, patchedMixers);
    double[] effects = new double[heads];
    for (int h = 0; h < heads; h++) {
      effects[h] = (m - Readout.of(pair, logits, h * rows)) / gap;
    }
    return effects;
  }

  private void repeat(Tensor from, Tensor to, int block) {
    MemorySegment.copy(
        from.segment(), JAVA_FLOAT, 0, to.segment(), JAVA_FLOAT, block * from.bytes(), from.size());
  }

  /** mixer += (o′ − o)_{head} W_oᵀ for one head's columns. */
  private void addDifference(Tensor o, int layer, int head, Tensor mixer, long width) {
    int d = config.headDim();
    long all = (long) config.heads() * d;
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < width; c++) {
        double sum = 0;
        for (int i = 0; i < d; i++) {
          long at = r * all + (long) head * d + i;
          sum +=
              (corrupted.heads[layer].get(at) - clean.heads[layer].get(at))
                  * (double) o.get(c * all + (long) head * d + i);
        }
        long at = r * width + c;
        mixer.set(at, (float) (mixer.get(at) + sum));
      }
    }
  }

  @Override
  public void close() {
    pass.close();
    frozen.close();
    memory.close();
  }
}
