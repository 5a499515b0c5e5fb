package io.hydrahead.ops.optim;

import io.hydrahead.tensor.Tensor;

/** {@link Optim} as plain loops in float64. */
public final class ReferenceOptim implements Optim {
  @Override
  public void adamW(
      Tensor param,
      Tensor grad,
      Tensor m,
      Tensor v,
      float lr,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      int step,
      float gradScale) {
    long size = OptimShape.check(param, grad, m, v, step);
    double correction1 = 1 - Math.pow(beta1, step);
    double correction2 = 1 - Math.pow(beta2, step);
    for (long i = 0; i < size; i++) {
      double g = (double) grad.get(i) * gradScale;
      double mean = (double) beta1 * m.get(i) + (1 - (double) beta1) * g;
      double square = (double) beta2 * v.get(i) + (1 - (double) beta2) * g * g;
      double decayed = param.get(i) * (1 - (double) lr * weightDecay);
      double update = mean / correction1 / (Math.sqrt(square / correction2) + eps);
      m.set(i, (float) mean);
      v.set(i, (float) square);
      param.set(i, (float) (decayed - lr * update));
    }
  }

  @Override
  public double sumOfSquares(Tensor x) {
    long size = OptimShape.check("x", x);
    double sum = 0;
    for (long i = 0; i < size; i++) {
      double value = x.get(i);
      sum += value * value;
    }
    return sum;
  }

  @Override
  public void axpy(float alpha, Tensor x, Tensor y) {
    long size = OptimShape.check(x, y);
    for (long i = 0; i < size; i++) {
      y.set(i, (float) (y.get(i) + (double) alpha * x.get(i)));
    }
  }
}
