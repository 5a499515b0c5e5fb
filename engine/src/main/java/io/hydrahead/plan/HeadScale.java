package io.hydrahead.plan;

import io.hydrahead.model.HeadTap;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;
import java.util.List;

/**
 * How loud each head of a model is: the mean over positions of the RMS of its output o_h, before
 * the output projection. The conversion starts γ_h there.
 */
public final class HeadScale {
  private HeadScale() {}

  /**
   * Runs {@code model} over calibration texts.
   *
   * @param texts token ids; texts of the same length in a row share one set of buffers
   * @return mean RMS, [L][H]
   * @throws InputException if there is no text, or one has no tokens
   */
  public static double[][] measure(HybridTransformer model, List<int[]> texts, Progress progress) {
    if (texts.isEmpty() || texts.stream().anyMatch(t -> t.length == 0)) {
      throw new InputException(
          "the calibration text has no tokens; give text for the conversion to measure heads on");
    }
    ModelConfig c = model.config();
    double[][] sums = new double[c.layers()][c.heads()];
    HeadTap tap =
        new HeadTap() {
          @Override
          public void headOutputs(int layer, Tensor o) {
            addRms(o, c.headDim(), sums[layer]);
          }
        };
    progress.begin("calibrate", texts.size(), "texts");
    TrainingPass pass = null;
    long positions = 0;
    try {
      for (int i = 0; i < texts.size(); i++) {
        progress.throwIfCancelled();
        int[] text = texts.get(i);
        if (pass == null || pass.tokens() != text.length) {
          if (pass != null) {
            pass.close();
          }
          pass = new TrainingPass(model, 1, text.length, false);
        }
        pass.forward(text, tap);
        positions += text.length;
        progress.advance(i + 1, "");
      }
    } finally {
      if (pass != null) {
        pass.close();
      }
      progress.end();
    }
    for (double[] row : sums) {
      long n = positions;
      Arrays.setAll(row, h -> row[h] / n);
    }
    return sums;
  }

  /** Adds the RMS of each row's heads of o [N, H·d]. */
  private static void addRms(Tensor o, int headDim, double[] sums) {
    float[] values = o.toFloats();
    int at = 0;
    while (at < values.length) {
      for (int h = 0; h < sums.length; h++) {
        double squares = 0;
        for (int i = 0; i < headDim; i++, at++) {
          squares += (double) values[at] * values[at];
        }
        sums[h] += Math.sqrt(squares / headDim);
      }
    }
  }
}
