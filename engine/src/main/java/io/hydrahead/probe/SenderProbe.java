package io.hydrahead.probe;

import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * Sender effects on one pair (path patching one step back): head s is given its counterfactual
 * output everywhere, the receivers in later layers recompute from the changed residual stream, and
 * every other head keeps its clean output. The effect is the readout's fall over m(x) − m(x′), as
 * for receivers.
 */
final class SenderProbe implements AutoCloseable {
  private final ModelConfig config;
  private final TrainingPass pass;
  private final Workspace memory;
  private final Tensor[] cleanHeads;
  private final Tensor[] corruptedHeads;
  private final Tensor[] cleanInputs;
  private CounterfactualPair pair;
  private Tensor logits;
  private double cleanReadout;
  private double gap;

  SenderProbe(HybridTransformer model, int tokens) {
    config = model.config();
    pass = new TrainingPass(model, 1, tokens, false);
    memory = new Workspace(model.ops().memory());
    DType type = model.ops().activations();
    cleanHeads = new Tensor[config.layers()];
    corruptedHeads = new Tensor[config.layers()];
    cleanInputs = new Tensor[config.layers()];
    for (int l = 0; l < config.layers(); l++) {
      cleanHeads[l] = memory.allocate(type, tokens, (long) config.heads() * config.headDim());
      corruptedHeads[l] = memory.allocate(type, tokens, (long) config.heads() * config.headDim());
      cleanInputs[l] = memory.allocate(type, tokens, config.hiddenSize());
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
    to.columns((long) head * d, d).copyFrom(from.columns((long) head * d, d));
  }

  private double readout() {
    if (logits == null) {
      logits = memory.f32(pair.answerTokens(), config.vocabSize());
    }
    pass.logits(pair.row(0), logits);
    return Readout.of(pair, logits.onHost(), 0);
  }

  @Override
  public void close() {
    pass.close();
    memory.close();
  }
}
