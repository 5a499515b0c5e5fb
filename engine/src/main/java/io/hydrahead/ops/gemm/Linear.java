package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.Tensor;
import java.util.List;

/**
 * The linear map y = x Wᵀ of a transformer. Shapes: x [N, K], W [M, K] (as in checkpoints), y [N,
 * M]. On the processor x, y and gradients are float32 and dense; W is F32, BF16 or F16 in the
 * forward pass. On a GPU x, y and their gradients may be column slices of wider matrices, and F32
 * or BF16 (BF16 goes into BF16 or F32, F32 into F32); W is best of their type. Gradients of W are
 * float32. None of the methods allocates.
 */
public interface Linear {
  /** y = x Wᵀ, or y += x Wᵀ when {@code accumulate}. Few rows go through a bandwidth-bound GEMV. */
  void forward(Tensor x, Tensor w, Tensor y, boolean accumulate);

  /**
   * y_i = x W_iᵀ for several matrices at once: the projections of one input. A team that decodes a
   * token then meets once instead of once a matrix.
   */
  default void forwardEach(Tensor x, List<Tensor> w, Tensor[] y) {
    for (int i = 0; i < y.length; i++) {
      forward(x, w.get(i), y[i], false);
    }
  }

  /** dx = dy W, or dx += dy W when {@code accumulate}. */
  void backwardInput(Tensor dy, Tensor w, Tensor dx, boolean accumulate);

  /** dw += dyᵀ x: parameter gradients accumulate. */
  void backwardWeight(Tensor dy, Tensor x, Tensor dw);
}
