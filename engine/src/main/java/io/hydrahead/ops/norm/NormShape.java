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
    long copies = x.size() == 0 ? 1 : Math.max(1, y.size() / x.size());
    TensorChecks.same("y", y, x.size() * copies, x);
    if (y.dim(-1) != x.dim(-1)) {
      throw new IllegalArgumentException(
          "y is " + y + ", its rows are not as long as those of " + x);
    }
    TensorChecks.floatsOrNull("rnorm", rnorm, TensorChecks.rows(x));
    return x.size(-1);
  }

  static int checkL2Backward(Tensor y, Tensor rnorm, Tensor dy, Tensor dx) {
    TensorChecks.floats("rnorm", rnorm, TensorChecks.rows(dx));
    TensorChecks.same("dy", dy, y.size(), y);
    return checkL2(dx, y, rnorm);
  }

  /** How often each row of the short side of an L2 norm stands in the long one. */
  static int copies(Tensor x, Tensor y) {
    return x.size() == 0 ? 1 : Math.toIntExact(y.size() / x.size());
  }
}
