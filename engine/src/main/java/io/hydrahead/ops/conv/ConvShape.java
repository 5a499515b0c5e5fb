package io.hydrahead.ops.conv;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link ShortConv} shares. */
final class ConvShape {
  private ConvShape() {}

  /** Returns the kernel length k. */
  static int check(int batch, int tokens, Tensor x, Tensor w, Tensor y) {
    long rows = (long) batch * tokens;
    TensorChecks.activations("x", x, rows * w.dim(0));
    TensorChecks.activations("w", w, w.size());
    TensorChecks.same("y", y, x.size(), x);
    if (w.rank() != 2 || w.dim(1) < 1) {
      throw new IllegalArgumentException("w must be [channels, kernel], not " + w);
    }
    return w.size(1);
  }

  static void checkState(int batch, Tensor w, Tensor state) {
    TensorChecks.floats("state", state, batch * (w.dim(1) - 1) * w.dim(0));
  }
}
