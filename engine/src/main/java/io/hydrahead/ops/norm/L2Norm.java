package io.hydrahead.ops.norm;

import io.hydrahead.tensor.Tensor;

/**
 * y = x · rsqrt(Σ x² + eps) over the last dimension; x [R, d], y [R·m, d]: each row stands m times
 * in y, one behind the other, for m heads that share it. In place allowed where m = 1 (y = x).
 */
public interface L2Norm {
  /**
   * @param rnorm reciprocal norms, [R], for the backward pass; null when there is none
   */
  void forward(Tensor x, float eps, Tensor y, Tensor rnorm);

  /**
   * dx [R, d] = rnorm · (d − y (y·d)), d the sum of a row's m rows of dy [R·m, d], from the output
   * y; where m = 1, dx may be dy.
   */
  void backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx);
}
