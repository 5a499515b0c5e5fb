package io.hydrahead.ops.optim;

import io.hydrahead.tensor.Tensor;

/** {@link Optim} as plain loops in float64. */
public final class ReferenceOptim implements Optim {
  @Override
  public void adamW(
      Rule rule,
      Tensor param,
      Tensor grad,
      Tensor m,
      Tensor v,
      Tensor working,
      Tensor rates,
      Tensor squares) {
    long size = OptimShape.check(param, grad, m, v, working, rates, squares);
    if (!Double.isFinite(squares.getDouble(0))) {
      return;
    }
    double gradScale = rule.gradScale(squares.getDouble(0));
    double decay = 1 - (double) rates.get(0) * rule.weightDecay();
    for (long i = 0; i < size; i++) {
      double g = grad.get(i) * gradScale;
      double mean = (double) rule.beta1() * m.get(i) + (1 - (double) rule.beta1()) * g;
      double square = (double) rule.beta2() * v.get(i) + (1 - (double) rule.beta2()) * g * g;
      double update = mean / (Math.sqrt(square) * rates.get(2) + rule.eps());
      m.set(i, (float) mean);
      v.set(i, (float) square);
      param.set(i, (float) (param.get(i) * decay - rates.get(1) * update));
    }
    if (working != null) {
      working.copyFrom(param);
    }
  }

  @Override
  public void addSquares(Tensor x, Tensor sum) {
    double total = 0;
    for (long i = 0; i < x.size(); i++) {
      double value = x.get(i);
      total += value * value;
    }
    sum.setDouble(0, sum.getDouble(0) + total);
  }

  @Override
  public void squaredError(Tensor x, Tensor y, Tensor factor, Tensor norm, Tensor dx, Tensor sum) {
    long size = OptimShape.check(x, y, factor, norm, dx, sum);
    double weight = factor.getDouble(0) / norm.getDouble(0);
    double total = 0;
    for (long i = 0; i < size; i++) {
      double error = (double) x.get(i) - y.get(i);
      total += error * error;
      dx.set(i, (float) (2 * weight * error));
    }
    sum.setDouble(0, sum.getDouble(0) + weight * total);
  }

  @Override
  public void axpy(float alpha, Tensor x, Tensor y) {
    long size = OptimShape.check(x, y);
    for (long i = 0; i < size; i++) {
      y.set(i, (float) (y.get(i) + (double) alpha * x.get(i)));
    }
  }
}
