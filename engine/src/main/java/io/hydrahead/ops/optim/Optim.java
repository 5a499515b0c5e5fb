package io.hydrahead.ops.optim;

import io.hydrahead.tensor.Tensor;

/** Vector operations on whole parameters and gradients, float32. */
public interface Optim {
  /**
   * AdamW (Loshchilov and Hutter, arXiv:1711.05101) in place; {@code step} counts from 1. The
   * gradient is multiplied by {@code gradScale} (clipping) as it is read.
   */
  void adamW(
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
      float gradScale);

  /** Σ x² in float64 over a fixed number of slices: the same bits whatever the thread count. */
  double sumOfSquares(Tensor x);

  /** y += alpha · x. */
  void axpy(float alpha, Tensor x, Tensor y);

  /** out = x + y; out may be the memory of neither. */
  default void sum(Tensor x, Tensor y, Tensor out) {
    out.copyFrom(x);
    axpy(1f, y, out);
  }
}
