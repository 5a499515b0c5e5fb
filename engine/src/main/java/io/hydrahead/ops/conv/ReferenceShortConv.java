package io.hydrahead.ops.conv;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** {@link ShortConv} as plain loops with float64 sums. */
public final class ReferenceShortConv implements ShortConv {
  @Override
  public void forward(
      int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor state, Tensor y) {
    int k = ConvShape.check(batch, tokens, x, w, y);
    ConvShape.checkState(batch, w, state);
    int channels = w.size(0);
    float[] line = new float[k - 1 + tokens]; // history, then the tokens, of one channel
    for (int b = 0; b < batch; b++) {
      for (int c = 0; c < channels; c++) {
        for (int i = 0; i < k - 1; i++) {
          line[i] = state.get(((long) b * (k - 1) + i) * channels + c);
        }
        for (int t = 0; t < tokens; t++) {
          line[k - 1 + t] = x.get(((long) b * tokens + t) * channels + c);
        }
        for (int t = 0; t < tokens; t++) {
          double sum = 0;
          for (int j = 0; j < k; j++) {
            sum += (double) w.get((long) c * k + j) * line[t + j];
          }
          y.set(
              ((long) b * tokens + t) * channels + c,
              (float) (f == Activation.SILU ? sum * sigmoid(sum) : sum));
        }
        for (int i = 0; i < k - 1; i++) {
          state.set(((long) b * (k - 1) + i) * channels + c, line[tokens + i]);
        }
      }
    }
  }

  @Override
  public void backward(
      int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor dy, Tensor dx, Tensor dw) {
    int k = ConvShape.check(batch, tokens, x, w, dy);
    TensorChecks.same("dx", dx, x.size(), x);
    TensorChecks.floats("dw", dw, w.size());
    int channels = w.size(0);
    if (f == Activation.SILU) {
      slope(batch, tokens, x, w, dy);
    }
    for (int c = 0; c < channels; c++) {
      double[] sums = new double[k];
      for (int b = 0; b < batch; b++) {
        for (int t = 0; t < tokens; t++) {
          double g = 0;
          for (int j = 0; j < k; j++) {
            int later = t + k - 1 - j; // the output that saw x_t through w[c, j]
            if (later < tokens) {
              double d = dy.get(((long) b * tokens + later) * channels + c);
              g += w.get((long) c * k + j) * d;
              sums[j] += x.get(((long) b * tokens + t) * channels + c) * d;
            }
          }
          dx.set(((long) b * tokens + t) * channels + c, (float) g);
        }
      }
      for (int j = 0; j < k; j++) {
        dw.set((long) c * k + j, (float) (dw.get((long) c * k + j) + sums[j]));
      }
    }
  }

  /** dy becomes the gradient of the sums. */
  private static void slope(int batch, int tokens, Tensor x, Tensor w, Tensor dy) {
    int channels = w.size(0);
    int k = w.size(1);
    for (int b = 0; b < batch; b++) {
      for (int t = 0; t < tokens; t++) {
        for (int c = 0; c < channels; c++) {
          double sum = 0;
          for (int j = Math.max(0, k - 1 - t); j < k; j++) {
            long earlier = (long) b * tokens + t + j - (k - 1);
            sum += (double) w.get((long) c * k + j) * x.get(earlier * channels + c);
          }
          double s = sigmoid(sum);
          long at = ((long) b * tokens + t) * channels + c;
          dy.set(at, (float) (dy.get(at) * s * (1 + sum * (1 - s))));
        }
      }
    }
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }
}
