package io.hydrahead.ops.norm;

import io.hydrahead.tensor.Tensor;

/**
 * y = x · rsqrt(mean(x²) + eps) · w over the last dimension. x, y [N, C], w [C] (F32, BF16 or F16),
 * float32 accumulation. A per-head norm is the same on a view [N·h, d].
 */
public interface RmsNorm {
  /**
   * @param rstd reciprocal root, [N], for the backward pass; null when there is none
   */
  void forward(Tensor x, Tensor w, float eps, Tensor y, Tensor rstd);

  /** dx assigned, or added to when {@code accumulate}; dw += (parameter gradients accumulate). */
  void backward(
      Tensor x, Tensor w, Tensor rstd, Tensor dy, Tensor dx, boolean accumulate, Tensor dw);

  /**
   * The residual stream's step: sum = x + a, then y = norm(sum). sum may be the memory of x.
   *
   * @param rstd of the sum, or null
   */
  void addForward(Tensor x, Tensor a, Tensor w, float eps, Tensor sum, Tensor y, Tensor rstd);
}
