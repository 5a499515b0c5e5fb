package io.hydrahead.ops.headprep;

import io.hydrahead.tensor.Tensor;

/** {@link HeadPrep} as plain loops in float64, a head at a time. */
public final class ReferenceHeadPrep implements HeadPrep {
  @Override
  public void forward(Shape s, Tensor x, Tensor w, Tables t, Tensor y, Tensor rstd, Tensor rnorm) {
    int rows = HeadPrepShape.check(s, x, w, t, y, rstd, rnorm);
    int d = s.headDim();
    double[] head = new double[d];
    for (long i = 0; i < (long) rows * s.heads(); i++) {
      int position = (int) (i / s.heads() % s.tokens());
      double squares = 0;
      for (int c = 0; c < d; c++) {
        head[c] = x.get(i * d + c);
        squares += head[c] * head[c];
      }
      double reciprocal = 1 / Math.sqrt(squares / d + s.normEps());
      for (int c = 0; c < d; c++) {
        head[c] *= reciprocal * w.get(c);
      }
      if (rstd != null) {
        rstd.set(i, (float) reciprocal);
      }
      rotate(head, t, position, false);
      if (s.l2()) {
        double norm = s.l2Eps();
        for (double v : head) {
          norm += v * v;
        }
        norm = 1 / Math.sqrt(norm);
        for (int c = 0; c < d; c++) {
          head[c] *= norm;
        }
        if (rnorm != null) {
          rnorm.set(i, (float) norm);
        }
      }
      double scale = t.scale() == null ? 1 : t.scale().get(position);
      for (int c = 0; c < d; c++) {
        y.set(i * d + c, (float) (scale * head[c]));
      }
    }
  }

  @Override
  public void backward(
      Shape s,
      Tensor x,
      Tensor w,
      Tables t,
      Tensor y,
      Tensor rstd,
      Tensor rnorm,
      Tensor dy,
      Tensor dx,
      Tensor dw) {
    int rows = HeadPrepShape.checkBackward(s, x, w, t, y, rstd, rnorm, dy, dx, dw);
    int d = s.headDim();
    double[] g = new double[d];
    double[] sums = new double[d];
    for (long i = 0; i < (long) rows * s.heads(); i++) {
      for (int c = 0; c < d; c++) {
        g[c] = dy.get(i * d + c);
      }
      if (s.l2()) { // rnorm · (g − y (y·g))
        double projection = 0;
        for (int c = 0; c < d; c++) {
          projection += y.get(i * d + c) * g[c];
        }
        for (int c = 0; c < d; c++) {
          g[c] = rnorm.get(i) * (g[c] - y.get(i * d + c) * projection);
        }
      }
      rotate(g, t, (int) (i / s.heads() % s.tokens()), true);
      double projection = 0;
      for (int c = 0; c < d; c++) {
        double normed = x.get(i * d + c) * (double) rstd.get(i);
        sums[c] += g[c] * normed;
        projection += g[c] * w.get(c) * normed;
      }
      for (int c = 0; c < d; c++) {
        double normed = x.get(i * d + c) * (double) rstd.get(i);
        dx.set(i * d + c, (float) (rstd.get(i) * (g[c] * w.get(c) - normed * projection / d)));
      }
    }
    for (int c = 0; c < d; c++) {
      dw.set(c, (float) (dw.get(c) + sums[c]));
    }
  }

  private static void rotate(double[] head, Tables t, int position, boolean inverse) {
    if (t.cos() == null) {
      return;
    }
    int half = head.length / 2;
    for (int c = 0; c < half; c++) {
      double cos = t.cos().get((long) position * half + c);
      double sin = t.sin().get((long) position * half + c);
      sin = inverse ? -sin : sin;
      double first = head[c];
      double second = head[half + c];
      head[c] = first * cos - second * sin;
      head[half + c] = second * cos + first * sin;
    }
  }
}
