package io.hydrahead.ops.norm;

import io.hydrahead.tensor.Tensor;

/** {@link RmsNorm} as plain loops with float64 sums. */
public final class ReferenceRmsNorm implements RmsNorm {
  @Override
  public void forward(Tensor x, Tensor w, float eps, Tensor y, Tensor rstd) {
    int c = NormShape.check(x, w, y, rstd);
    long n = x.size() / Math.max(1, c);
    for (long r = 0; r < n; r++) {
      double squares = 0;
      for (int i = 0; i < c; i++) {
        double v = x.get(r * c + i);
        squares += v * v;
      }
      double reciprocal = 1 / Math.sqrt(squares / c + eps);
      for (int i = 0; i < c; i++) {
        y.set(r * c + i, (float) (x.get(r * c + i) * reciprocal * w.get(i)));
      }
      if (rstd != null) {
        rstd.set(r, (float) reciprocal);
      }
    }
  }

  /** With x̂ = x·rstd: dw = Σ dy x̂, dx = rstd · (dy w − x̂ · mean(dy w x̂)). */
  @Override
  public void backward(
      Tensor x, Tensor w, Tensor rstd, Tensor dy, Tensor dx, boolean accumulate, Tensor dw) {
    int c = NormShape.checkBackward(x, w, rstd, dy, dx, dw);
    long n = x.size() / Math.max(1, c);
    double[] sums = new double[c];
    for (long r = 0; r < n; r++) {
      double reciprocal = rstd.get(r);
      double projection = 0;
      for (int i = 0; i < c; i++) {
        double normed = x.get(r * c + i) * reciprocal;
        double g = dy.get(r * c + i);
        sums[i] += g * normed;
        projection += g * w.get(i) * normed;
      }
      for (int i = 0; i < c; i++) {
        double normed = x.get(r * c + i) * reciprocal;
        double g = reciprocal * (dy.get(r * c + i) * w.get(i) - normed * projection / c);
        dx.set(r * c + i, (float) (accumulate ? dx.get(r * c + i) + g : g));
      }
    }
    for (int i = 0; i < c; i++) {
      dw.set(i, (float) (dw.get(i) + sums[i]));
    }
  }

  @Override
  public void addForward(
      Tensor x, Tensor a, Tensor w, float eps, Tensor sum, Tensor y, Tensor rstd) {
    NormShape.check(x, w, a, rstd);
    NormShape.check(sum, w, y, rstd);
    for (long i = 0; i < x.size(); i++) {
      sum.set(i, x.get(i) + a.get(i));
    }
    forward(sum, w, eps, y, rstd);
  }
}
