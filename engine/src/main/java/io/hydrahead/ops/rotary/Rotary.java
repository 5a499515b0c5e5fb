package io.hydrahead.ops.rotary;

import io.hydrahead.tensor.Tensor;

/**
 * Rotary position embedding, half-split as in Llama and Qwen: (x1, x2) → (x1 cos − x2 sin, x2 cos +
 * x1 sin) with x1 the first and x2 the second half of a head.
 */
public interface Rotary {
  /**
   * Rotates x [B·T, h·d] in place.
   *
   * @param cos [T, d/2] of the T positions, already multiplied by the attention scaling
   * @param sin [T, d/2]
   * @param inverse rotate back: the backward pass
   */
  void apply(Tensor x, int tokens, int heads, int headDim, Tensor cos, Tensor sin, boolean inverse);
}
