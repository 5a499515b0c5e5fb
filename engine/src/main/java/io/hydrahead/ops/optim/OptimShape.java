package io.hydrahead.ops.optim;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link Optim} shares; each returns the element count. */
final class OptimShape {
  private OptimShape() {}

  static long check(
      Tensor param, Tensor grad, Tensor m, Tensor v, Tensor working, Tensor rates, Tensor squares) {
    long size = param.size();
    TensorChecks.floats("param", param, size);
    TensorChecks.floats("grad", grad, size);
    TensorChecks.floats("m", m, size);
    TensorChecks.floats("v", v, size);
    if (working != null && (working.dtype() != DType.BF16 || working.size() != size)) {
      throw new IllegalArgumentException(
          "working must be " + size + " BF16 elements, not " + working);
    }
    TensorChecks.floats("rates", rates, 3);
    TensorChecks.scalar("squares", squares, DType.F64);
    return size;
  }

  static long check(Tensor x, Tensor y, Tensor factor, Tensor norm, Tensor dx, Tensor sum) {
    TensorChecks.scalar("factor", factor, DType.F64);
    TensorChecks.scalar("norm", norm, DType.F64);
    TensorChecks.scalar("sum", sum, DType.F64);
    check(x, y);
    return check(x, dx);
  }

  static long check(String name, Tensor x) {
    TensorChecks.activations(name, x, x.size());
    return x.size();
  }

  static long check(Tensor x, Tensor y) {
    TensorChecks.same("y", y, x.size(), x);
    return check("x", x);
  }
}
