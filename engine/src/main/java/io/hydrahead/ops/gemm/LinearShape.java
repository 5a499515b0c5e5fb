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
    fits(x, w, y);
  }

  /** Checks dy [N, M], x [N, K], dw [M, K] of a weight gradient. */
  static void checkWeight(Tensor dy, Tensor x, Tensor dw) {
    matrix("dw", dw);
    check(x, dw, dy);
  }

  /**
   * Checks x [N, K], w [M, K], y [N, M] where x and y may be column slices and bf16; bf16 goes into
   * bf16 or float32, float32 into float32.
   */
  static void checkMixed(Tensor x, Tensor w, Tensor y) {
    mixedTypes(x, w, y);
    fits(x, w, y);
  }

  /** Checks dy [N, M], w [M, K], dx [N, K]; the types as in {@link #checkMixed}. */
  static void checkMixedInput(Tensor dy, Tensor w, Tensor dx) {
    mixedTypes(dy, w, dx);
    fits(dx, w, dy);
  }

  private static void mixedTypes(Tensor in, Tensor w, Tensor out) {
    boolean types = isMatrixType(in) && isMatrixType(out) && isFloat(w.dtype());
    types &= in.dtype() == DType.BF16 || out.dtype() == DType.F32;
    if (!types || in.rank() != 2 || w.rank() != 2 || out.rank() != 2) {
      throw new IllegalArgumentException(
          "no product of "
              + in
              + " and W "
              + w
              + " into "
              + out
              + ": matrices of F32 into F32, of BF16 into BF16 or F32");
    }
  }

  /** Checks dy [N, M], x [N, K] of one type, F32 or BF16, and dw [M, K] F32. */
  static void checkMixedWeight(Tensor dy, Tensor x, Tensor dw) {
    matrix("dw", dw);
    if (dy.dtype() != x.dtype() || !isMatrixType(x) || x.rank() != 2 || dy.rank() != 2) {
      throw new IllegalArgumentException(
          "dy and x must be matrices of one type, F32 or BF16, not dy " + dy + ", x " + x);
    }
    fits(x, dw, dy);
  }

  private static boolean isMatrixType(Tensor t) {
    return t.dtype() == DType.F32 || t.dtype() == DType.BF16;
  }

  private static void fits(Tensor x, Tensor w, Tensor y) {
    boolean fits = x.dim(1) == w.dim(1) && y.dim(1) == w.dim(0) && x.dim(0) == y.dim(0);
    if (!fits) {
      throw new IllegalArgumentException("y = x Wᵀ does not fit: x " + x + ", W " + w + ", y " + y);
    }
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
