package io.hydrahead.ops.rotary;

import io.hydrahead.ops.TensorChecks;
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

  /**
   * Fills the tables of T positions from float64 angles: cos(p · f_i) and sin(p · f_i), each times
   * {@code scaling}, at p = position + t, or at a position of each row's own. Allocates nothing.
   *
   * @param position of the first row, [1] I32 in the operations' memory, or of every row, [T]
   * @param frequencies f_i, [d/2] F64
   * @param cos [T, d/2] float32
   * @param sin [T, d/2] float32
   */
  default void angles(Tensor position, Tensor frequencies, double scaling, Tensor cos, Tensor sin) {
    int half = Math.toIntExact(frequencies.size());
    int tokens = (int) (cos.size() / half);
    boolean each = TensorChecks.eachHasPosition(position, tokens);
    int start = position.getInt(0);
    for (int t = 0; t < tokens; t++) {
      int p = each ? position.getInt(t) : start + t;
      for (int i = 0; i < half; i++) {
        double angle = p * frequencies.getDouble(i);
        cos.set((long) t * half + i, (float) (Math.cos(angle) * scaling));
        sin.set((long) t * half + i, (float) (Math.sin(angle) * scaling));
      }
    }
  }
}
