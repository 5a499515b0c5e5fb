package io.hydrahead.probe;

import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
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
    try (TrainingPass pass = new TrainingPass(model, 1, tokens, false)) {
      for (int[] text : texts) {
        Tensor[] inputs = new Tensor[c.layers()];
        double[][] means = new double[c.layers()][];
        pass.forward(
            text,
            new HeadTap() {
              @Override
              public void headOutputs(int layer, Tensor o) {
                means[layer] = means(o);
              }
            },
            (layer, input, mixer) -> inputs[layer] = copy(input));
        double base = loss(pass, text);
        for (int l = 0; l < c.layers(); l++) {
          for (int h = 0; h < c.heads(); h++) {
            progress.throwIfCancelled();
            pass.layerInput(l).copyFrom(inputs[l]);
            pass.forwardFrom(
                l, replace(l, h, c.headDim(), means[l]), TrainingPass.LayerObserver.NONE);
            rise[l][h] += (loss(pass, text) - base) / texts.size();
            progress.advance(++done, "");
          }
        }
      }
    }
    return rise;
  }

  private static Tensor copy(Tensor t) {
    return Tensor.of(t.toFloats(), t.shape());
  }

  private static double[] means(Tensor o) {
    int width = o.size(1);
    double[] mean = new double[width];
    for (long t = 0; t < o.dim(0); t++) {
      for (int i = 0; i < width; i++) {
        mean[i] += o.get(t * width + i);
      }
    }
    for (int i = 0; i < width; i++) {
      mean[i] /= o.dim(0);
    }
    return mean;
  }

  private static HeadTap replace(int layer, int head, int d, double[] mean) {
    return new HeadTap() {
      @Override
      public void headOutputs(int l, Tensor o) {
        if (l != layer) {
          return;
        }
        long width = o.dim(1);
        for (long t = 0; t < o.dim(0); t++) {
          for (int i = head * d; i < (head + 1) * d; i++) {
            o.set(t * width + i, (float) mean[i]);
          }
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
