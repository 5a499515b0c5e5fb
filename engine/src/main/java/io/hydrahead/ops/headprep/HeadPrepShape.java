package io.hydrahead.ops.headprep;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link HeadPrep} shares; each returns the rows N. */
final class HeadPrepShape {
  private HeadPrepShape() {}

  static int check(
      HeadPrep.Shape s,
      Tensor x,
      Tensor w,
      HeadPrep.Tables t,
      Tensor y,
      Tensor rstd,
      Tensor rnorm) {
    long width = (long) s.heads() * s.headDim();
    long rows = width == 0 ? 0 : x.size() / width;
    if (rows * width != x.size() || s.tokens() < 1 || rows % s.tokens() != 0) {
      throw new IllegalArgumentException("x is " + x + ", not whole sequences of " + s);
    }
    elements("x", x, rows * width, x.dtype());
    elements("y", y, rows * width, x.dtype());
    TensorChecks.weights("w", w, s.headDim());
    if (t.cos() != null) {
      if (s.headDim() % 2 != 0) {
        throw new IllegalArgumentException("rotary needs an even head dim, not " + s.headDim());
      }
      TensorChecks.floats("cos", t.cos(), (long) s.tokens() * s.headDim() / 2);
      TensorChecks.floats("sin", t.sin(), (long) s.tokens() * s.headDim() / 2);
    }
    TensorChecks.floatsOrNull("scale", t.scale(), s.tokens());
    TensorChecks.floatsOrNull("rstd", rstd, rows * s.heads());
    TensorChecks.floatsOrNull("rnorm", rnorm, rows * s.heads());
    return Math.toIntExact(rows);
  }

  static int checkBackward(
      HeadPrep.Shape s,
      Tensor x,
      Tensor w,
      HeadPrep.Tables t,
      Tensor y,
      Tensor rstd,
      Tensor rnorm,
      Tensor dy,
      Tensor dx,
      Tensor dw) {
    int rows = check(s, x, w, t, y, rstd, rnorm);
    TensorChecks.floats("rstd", rstd, (long) rows * s.heads());
    if (s.l2()) {
      TensorChecks.floats("rnorm", rnorm, (long) rows * s.heads());
    }
    if (t.scale() != null) {
      throw new IllegalArgumentException("the scale by position is for inference only");
    }
    elements("dy", dy, x.size(), x.dtype());
    elements("dx", dx, x.size(), x.dtype());
    TensorChecks.floats("dw", dw, s.headDim());
    return rows;
  }

  private static void elements(String name, Tensor t, long size, DType dtype) {
    if (t.size() != size || t.dtype() != dtype) {
      throw new IllegalArgumentException(
          name + " must be " + size + " elements of " + dtype + ", not " + t);
    }
  }
}
