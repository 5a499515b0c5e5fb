package io.hydrahead.ops.norm;

import io.hydrahead.tensor.Tensor;

/** {@link L2Norm} as plain loops with float64 sums. */
public final class ReferenceL2Norm implements L2Norm {
  @Override
  public void forward(Tensor x, float eps, Tensor y, Tensor rnorm) {
    int d = NormShape.checkL2(x, y, rnorm);
    long n = x.size() / Math.max(1, d);
    for (long r = 0; r < n; r++) {
      double squares = 0;
      for (int i = 0; i < d; i++) {
        double v = x.get(r * d + i);
        squares += v * v;
      }
      double reciprocal = 1 / Math.sqrt(squares + eps);
      for (int i = 0; i < d; i++) {
        y.set(r * d + i, (float) (x.get(r * d + i) * reciprocal));
      }
      if (rnorm != null) {
        rnorm.set(r, (float) reciprocal);
      }
    }
  }

  @Override
  public void backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx) {
    int d = NormShape.checkL2Backward(y, rnorm, dy, dx);
    long n = y.size() / Math.max(1, d);
    for (long r = 0; r < n; r++) {
      double projection = 0;
      for (int i = 0; i < d; i++) {
        projection += (double) y.get(r * d + i) * dy.get(r * d + i);
      }
      double reciprocal = rnorm.get(r);
      for (int i = 0; i < d; i++) {
        double g = dy.get(r * d + i) - y.get(r * d + i) * projection;
        dx.set(r * d + i, (float) (reciprocal * g));
      }
    }
  }
}
