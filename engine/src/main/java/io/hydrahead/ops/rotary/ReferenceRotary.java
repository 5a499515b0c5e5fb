package io.hydrahead.ops.rotary;

import io.hydrahead.tensor.Tensor;

/** {@link Rotary} as plain loops. */
public final class ReferenceRotary implements Rotary {
  @Override
  public void apply(
      Tensor x, int tokens, int heads, int headDim, Tensor cos, Tensor sin, boolean inverse) {
    int rows = RotaryShape.check(x, tokens, heads, headDim, cos, sin);
    int half = headDim / 2;
    for (long r = 0; r < rows; r++) {
      long angles = r % tokens * half;
      for (int h = 0; h < heads; h++) {
        long head = (r * heads + h) * headDim;
        for (int i = 0; i < half; i++) {
          double c = cos.get(angles + i);
          double s = inverse ? -sin.get(angles + i) : sin.get(angles + i);
          double first = x.get(head + i);
          double second = x.get(head + half + i);
          x.set(head + i, (float) (first * c - second * s));
          x.set(head + half + i, (float) (second * c + first * s));
        }
      }
    }
  }
}
