package io.hydrahead.probe;

import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.Arrays;
import java.util.List;

/**
 * General ability: the rise in cross-entropy on plain text when a head's output is replaced by its
 * mean over the positions of that text. Everything downstream is live.
 */
final class GeneralAbility {
  private GeneralAbility() {}

  /**
   * Rise in mean cross-entropy (nats a token) [L][H], mean over {@code texts}.
   *
   * @param texts plain texts of equal length
   */
  static double[][] run(HybridTransformer model, List<int[]> texts, Progress progress) {
    ModelConfig c = model.config();
    double[][] rise = new double[c.layers()][c.heads()];
    int done = 0;
    int tokens = texts.getFirst().length;
    DType type = model.ops().activations();
    try (TrainingPass pass = new TrainingPass(model, 1, tokens, false);
        Workspace memory = new Workspace(model.ops().memory())) {
      Tensor[] inputs = new Tensor[c.layers()];
      for (int l = 0; l < inputs.length; l++) {
        inputs[l] = memory.allocate(type, tokens, c.hiddenSize());
      }
      Tensor replacement = memory.allocate(type, tokens, c.headDim());
      for (int[] text : texts) {
        double[][] means = new double[c.layers()][];
        pass.forward(
            text,
            new HeadTap() {
              @Override
              public void headOutputs(int layer, Tensor o) {
                means[layer] = means(o);
              }
            },
            (layer, input, mixer) -> inputs[layer].copyFrom(input));
        double base = loss(pass, text);
        for (int l = 0; l < c.layers(); l++) {
          for (int h = 0; h < c.heads(); h++) {
            progress.throwIfCancelled();
            pass.layerInput(l).copyFrom(inputs[l]);
            fill(replacement, means[l], h);
            pass.forwardFrom(l, replace(l, h, replacement), TrainingPass.LayerObserver.NONE);
            rise[l][h] += (loss(pass, text) - base) / texts.size();
            progress.advance(++done, "");
          }
        }
      }
    }
    return rise;
  }

  private static double[] means(Tensor o) {
    int width = o.size(1);
    float[] values = o.toFloats();
    double[] mean = new double[width];
    for (int i = 0; i < values.length; i++) {
      mean[i % width] += values[i];
    }
    for (int i = 0; i < width; i++) {
      mean[i] /= o.dim(0);
    }
    return mean;
  }

  /** Every row of {@code to} [T, d] is the mean output of a head. */
  private static void fill(Tensor to, double[] mean, int head) {
    int d = to.size(1);
    float[] rows = new float[Math.toIntExact(to.size())];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = (float) mean[head * d + i % d];
    }
    to.copyFrom(rows);
  }

  private static HeadTap replace(int layer, int head, Tensor replacement) {
    return new HeadTap() {
      @Override
      public void headOutputs(int l, Tensor o) {
        if (l == layer) {
          long d = replacement.dim(1);
          o.columns(head * d, d).copyFrom(replacement);
        }
      }
    };
  }

  private static double loss(TrainingPass pass, int[] text) {
    int[] targets = Arrays.copyOfRange(text, 1, text.length + 1);
    targets[text.length - 1] = -1;
    float[] weights = new float[text.length];
    Arrays.fill(weights, 1f);
    return pass.nextTokenLoss(targets, weights, 1f, null) / (text.length - 1);
  }
}
