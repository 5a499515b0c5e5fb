package io.hydrahead.ops.norm;

import io.hydrahead.tensor.Tensor;

/** y = x · rsqrt(Σ x² + eps) over the last dimension; x, y [R, d]. In place allowed (y = x). */
public interface L2Norm {
  /**
   * @param rnorm reciprocal norms, [R], for the backward pass; null when there is none
   */
  void forward(Tensor x, float eps, Tensor y, Tensor rnorm);

  /** dx = rnorm · (dy − y (y·dy)), from the output y; dx may be dy. */
  void backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx);
}
