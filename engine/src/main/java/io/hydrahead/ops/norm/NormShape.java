package io.hydrahead.ops.norm;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of the norms shares; each returns the row length. */
final class NormShape {
  private NormShape() {}

  static int check(Tensor x, Tensor w, Tensor y, Tensor rstd) {
    int c = x.size(-1);
    TensorChecks.activations("x", x, x.size());
    TensorChecks.weights("w", w, c);
    TensorChecks.same("y", y, x.size(), x);
    TensorChecks.floatsOrNull("rstd", rstd, TensorChecks.rows(x));
    return c;
  }

  static int checkBackward(Tensor x, Tensor w, Tensor rstd, Tensor dy, Tensor dx, Tensor dw) {
    int c = check(x, w, dy, rstd);
    TensorChecks.floats("rstd", rstd, TensorChecks.rows(x));
    TensorChecks.same("dx", dx, x.size(), x);
    TensorChecks.floats("dw", dw, c);
    return c;
  }

  static int checkL2(Tensor x, Tensor y, Tensor rnorm) {
    TensorChecks.activations("x", x, x.size());
    TensorChecks.same("y", y, x.size(), x);
    TensorChecks.floatsOrNull("rnorm", rnorm, TensorChecks.rows(x));
    return x.size(-1);
  }

  static int checkL2Backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx) {
    TensorChecks.floats("rnorm", rnorm, TensorChecks.rows(y));
    TensorChecks.same("dx", dx, y.size(), y);
    return checkL2(y, dy, rnorm);
  }
}
