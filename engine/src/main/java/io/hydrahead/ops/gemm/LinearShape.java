package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link Linear} shares. */
final class LinearShape {
  private LinearShape() {}

  /** Checks x [N, K], w [M, K], y [N, M] of a forward pass or an input gradient. */
  static void check(Tensor x, Tensor w, Tensor y) {
    matrix("x", x);
    matrix("y", y);
    if (w.rank() != 2 || !(isFloat(w.dtype()))) {
      throw new IllegalArgumentException("W must be a matrix of F32, BF16 or F16, not " + w);
    }
    boolean fits = x.dim(1) == w.dim(1) && y.dim(1) == w.dim(0) && x.dim(0) == y.dim(0);
    if (!fits) {
      throw new IllegalArgumentException("y = x Wᵀ does not fit: x " + x + ", W " + w + ", y " + y);
    }
  }

  /** Checks dy [N, M], x [N, K], dw [M, K] of a weight gradient. */
  static void checkWeight(Tensor dy, Tensor x, Tensor dw) {
    matrix("dw", dw);
    check(x, dw, dy);
  }

  private static boolean isFloat(DType t) {
    return t == DType.F32 || t == DType.BF16 || t == DType.F16;
  }

  private static void matrix(String name, Tensor t) {
    if (t.rank() != 2 || t.dtype() != DType.F32) {
      throw new IllegalArgumentException(name + " must be a float32 matrix, not " + t);
    }
  }
}
