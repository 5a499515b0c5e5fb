package io.hydrahead.ops.norm;

import io.hydrahead.tensor.Tensor;

/** {@link L2Norm} as plain loops with float64 sums. */
public final class ReferenceL2Norm implements L2Norm {
  @Override
  public void forward(Tensor x, float eps, Tensor y, Tensor rnorm) {
    int d = NormShape.checkL2(x, y, rnorm);
    int m = NormShape.copies(x, y);
    long n = x.size() / Math.max(1, d);
    for (long r = 0; r < n; r++) {
      double squares = 0;
      for (int i = 0; i < d; i++) {
        double v = x.get(r * d + i);
        squares += v * v;
      }
      double reciprocal = 1 / Math.sqrt(squares + eps);
      for (int i = 0; i < d; i++) {
        float v = (float) (x.get(r * d + i) * reciprocal);
        for (int j = 0; j < m; j++) {
          y.set((r * m + j) * d + i, v);
        }
      }
      if (rnorm != null) {
        rnorm.set(r, (float) reciprocal);
      }
    }
  }

  @Override
  public void backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx) {
    int d = NormShape.checkL2Backward(y, rnorm, dy, dx);
    int m = NormShape.copies(dx, y);
    long n = dx.size() / Math.max(1, d);
    double[] sum = new double[d];
    for (long r = 0; r < n; r++) {
      long first = r * m * d;
      double projection = 0;
      for (int i = 0; i < d; i++) {
        sum[i] = 0;
        for (int j = 0; j < m; j++) {
          sum[i] += dy.get(first + (long) j * d + i);
        }
        projection += y.get(first + i) * sum[i];
      }
      double reciprocal = rnorm.get(r);
      for (int i = 0; i < d; i++) {
        dx.set(r * d + i, (float) (reciprocal * (sum[i] - y.get(first + i) * projection)));
      }
    }
  }
}
