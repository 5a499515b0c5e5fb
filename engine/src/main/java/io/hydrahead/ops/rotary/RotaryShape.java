package io.hydrahead.ops.rotary;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link Rotary} shares. */
final class RotaryShape {
  private RotaryShape() {}

  /** Returns the number of rows B·T. */
  static int check(Tensor x, int tokens, int heads, int headDim, Tensor cos, Tensor sin) {
    if (headDim % 2 != 0) {
      throw new IllegalArgumentException("rotary needs an even head dim, not " + headDim);
    }
    long row = (long) heads * headDim;
    long rows = row == 0 ? 0 : x.size() / row;
    if (rows * row != x.size() || tokens < 1 || rows % tokens != 0) {
      throw new IllegalArgumentException(
          "x is " + x + ", not whole sequences of " + tokens + " rows of " + heads + "·" + headDim);
    }
    TensorChecks.activations("x", x, x.size());
    TensorChecks.floats("cos", cos, (long) tokens * headDim / 2);
    TensorChecks.floats("sin", sin, (long) tokens * headDim / 2);
    return Math.toIntExact(rows);
  }
}
