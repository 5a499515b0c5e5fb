package io.hydrahead.ops.conv;

import io.hydrahead.tensor.Tensor;

/**
 * Depthwise causal convolution over time: y_t[c] = f(Σ_j w[c, j] · x_{t−(k−1)+j}[c]) with the
 * identity or SiLU as f. x, y [B·T, C], w [C, k]; w[c, k−1] = 1 and the rest 0 makes y = f(x).
 */
public interface ShortConv {
  /** f. */
  enum Activation {
    NONE,
    /** f(x) = x σ(x), as in Qwen3.5. */
    SILU
  }

  /**
   * @param state the k − 1 inputs before the first token, [B, k−1, C], oldest first; overwritten
   *     with the last k − 1 inputs. Zeros at the start of a sequence.
   */
  void forward(int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor state, Tensor y);

  /** Without activation. */
  default void forward(int batch, int tokens, Tensor x, Tensor w, Tensor state, Tensor y) {
    forward(batch, tokens, x, w, Activation.NONE, state, y);
  }

  /**
   * {@link #forward} of one token of each of B sequences whose states lie in slots of a pool.
   *
   * @param x [B, C], and y
   * @param slots of each sequence, [B] I32 in the operations' memory
   * @param states [slots, (k − 1)·C] float32, possibly columns of a wider pool
   */
  default void step(Tensor x, Tensor w, Activation f, Tensor slots, Tensor states, Tensor y) {
    for (int b = 0; b < x.dim(0); b++) {
      Tensor state = states.rows(slots.getInt(b), 1).view(1, w.dim(1) - 1, w.dim(0));
      forward(1, 1, x.rows(b, 1), w, f, state, y.rows(b, 1));
    }
  }

  /**
   * For a forward pass from a zero state: assigns dx; dw accumulates.
   *
   * @param dy is scratch afterwards where there is an activation
   */
  void backward(
      int batch, int tokens, Tensor x, Tensor w, Activation f, Tensor dy, Tensor dx, Tensor dw);

  /** Without activation. */
  default void backward(
      int batch, int tokens, Tensor x, Tensor w, Tensor dy, Tensor dx, Tensor dw) {
    backward(batch, tokens, x, w, Activation.NONE, dy, dx, dw);
  }
}
