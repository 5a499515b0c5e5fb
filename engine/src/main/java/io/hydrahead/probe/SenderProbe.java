package io.hydrahead.probe;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;

import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.MemorySegment;

/**
 * Sender effects on one pair (path patching one step back): head s is given its counterfactual
 * output everywhere, the receivers in later layers recompute from the changed residual stream, and
 * every other head keeps its clean output. The effect is the readout's fall over m(x) − m(x′), as
 * for receivers.
 */
final class SenderProbe implements AutoCloseable {
  private final ModelConfig config;
  private final TrainingPass pass;
  private final Workspace memory = new Workspace();
  private final Tensor[] cleanHeads;
  private final Tensor[] corruptedHeads;
  private final Tensor[] cleanInputs;
  private CounterfactualPair pair;
  private double cleanReadout;
  private double gap;

  SenderProbe(HybridTransformer model, int tokens) {
    config = model.config();
    pass = new TrainingPass(model, 1, tokens, false);
    cleanHeads = new Tensor[config.layers()];
    corruptedHeads = new Tensor[config.layers()];
    cleanInputs = new Tensor[config.layers()];
    for (int l = 0; l < config.layers(); l++) {
      cleanHeads[l] = memory.zeros(tokens, (long) config.heads() * config.headDim());
      corruptedHeads[l] = memory.zeros(tokens, (long) config.heads() * config.headDim());
      cleanInputs[l] = memory.zeros(tokens, config.hiddenSize());
    }
  }

  /** Runs the clean and the counterfactual text of a pair and keeps what every head put out. */
  void prepare(CounterfactualPair pair) {
    this.pair = pair;
    pass.forward(pair.corrupted(), keep(corruptedHeads));
    double corrupted = readout();
    pass.forward(
        pair.clean(),
        keep(cleanHeads),
        (layer, input, mixer) -> cleanInputs[layer].copyFrom(input));
    cleanReadout = readout();
    gap = cleanReadout - corrupted;
  }

  private static HeadTap keep(Tensor[] into) {
    return new HeadTap() {
      @Override
      public void headOutputs(int layer, Tensor o) {
        into[layer].copyFrom(o);
      }
    };
  }

  /** Effect of the sender (layer, head) through {@code receivers} [L][H] in later layers. */
  double effect(int layer, int head, boolean[][] receivers) {
    pass.layerInput(layer).copyFrom(cleanInputs[layer]);
    pass.forwardFrom(layer, patch(layer, head, receivers), TrainingPass.LayerObserver.NONE);
    return (cleanReadout - readout()) / gap;
  }

  private HeadTap patch(int sender, int head, boolean[][] receivers) {
    return new HeadTap() {
      @Override
      public boolean replacesAll(int l) {
        return l == sender || !any(receivers[l]);
      }

      @Override
      public void headOutputs(int l, Tensor o) {
        for (int h = 0; h < config.heads(); h++) {
          if (l == sender) {
            copyHead(h == head ? corruptedHeads[l] : cleanHeads[l], o, h);
          } else if (!receivers[l][h]) {
            copyHead(cleanHeads[l], o, h);
          }
        }
      }
    };
  }

  private static boolean any(boolean[] row) {
    for (boolean b : row) {
      if (b) {
        return true;
      }
    }
    return false;
  }

  private void copyHead(Tensor from, Tensor to, int head) {
    int d = config.headDim();
    long row = (long) config.heads() * d;
    long rows = to.dim(0);
    for (long t = 0; t < rows; t++) {
      long at = (t * row + (long) head * d) * 4;
      MemorySegment.copy(from.segment(), JAVA_FLOAT, at, to.segment(), JAVA_FLOAT, at, d);
    }
  }

  private double readout() {
    try (Workspace w = new Workspace()) {
      Tensor logits = w.f32(pair.answerTokens(), config.vocabSize());
      pass.logits(pair.row(0), logits);
      return Readout.of(pair, logits, 0);
    }
  }

  @Override
  public void close() {
    pass.close();
    memory.close();
  }
}
