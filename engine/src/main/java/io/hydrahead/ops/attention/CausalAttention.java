package io.hydrahead.ops.attention;

import io.hydrahead.tensor.Tensor;

/**
 * Full causal softmax attention over a list of heads, with grouped keys and values (GQA).
 *
 * <p>B batch, T queries a sequence, h query heads, g KV heads, d head dim. Query head i reads KV
 * head {@code kvOf[i]}: any list, not only the regular grouping, since a head plan keeps single
 * heads. o_t = Σ_{i ≤ offset + t} softmax_i(scale · q_t·k_i) v_i.
 *
 * <p>Keys and values are either projections [B·T, g·d], each of which may be a column slice with a
 * row stride of its own, or the cache of one sequence [g, capacity, d]; queries and outputs [B·T,
 * h·d] are dense.
 */
public interface CausalAttention {
  /** Sizes of one call; {@code keys = offset + queries}, and offset is 0 in training. */
  record Shape(int batch, int queries, int heads, int kvHeads, int headDim, float scale) {}

  /**
   * o [B·T, h·d] from q [B·T, h·d] and the keys and values of positions 0 … offset + T − 1.
   *
   * @param lse log-sum-exp of each row's scaled scores, [B, h, T], for the backward pass; null when
   *     there is none
   */
  void forward(Shape s, int[] kvOf, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse);

  /**
   * {@link #forward} of a few new tokens against a cache, when their position changes from one
   * replay of a recorded step to the next.
   *
   * @param position of the first query, [1] I32 in the operations' memory; the cache's capacity
   *     must hold {@code position + T} positions
   */
  default void decode(
      Shape s, int[] kvOf, Tensor position, Tensor q, Tensor k, Tensor v, Tensor o) {
    forward(s, kvOf, position.getInt(0), q, k, v, o, null);
  }

  /**
   * Gradients at offset 0: assigns dq [B·T, h·d] and dk, dv (like k and v, [B·T, g·d] or slices).
   *
   * @param o output of the forward pass, {@code dO} its gradient, [B·T, h·d]
   */
  void backward(
      Shape s,
      int[] kvOf,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse,
      Tensor dO,
      Tensor dq,
      Tensor dk,
      Tensor dv);
}
