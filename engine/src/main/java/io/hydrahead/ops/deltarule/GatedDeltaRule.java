package io.hydrahead.ops.deltarule;

import io.hydrahead.tensor.Tensor;

/**
 * Gated delta rule (Gated DeltaNet). B batch, T tokens, H heads, K key dim, V value dim.
 *
 * <p>S_t = e^{g_t} (I − β_t k_t k_tᵀ) S_{t−1} + β_t k_t v_tᵀ, S ∈ R^{K×V}; o_t = S_tᵀ q_t / √K. q
 * and k [B, T, H, K] arrive L2-normalised; v [B, T, H, V]; g ≤ 0 and β [B, T, H]; state [B, H, K,
 * V]. All float32.
 */
public interface GatedDeltaRule {
  /** Tokens a chunk, on a grid of absolute positions. */
  int CHUNK = 64;

  record Shape(int batch, int tokens, int heads, int keyDim, int valueDim) {}

  record Inputs(Tensor q, Tensor k, Tensor v, Tensor g, Tensor beta) {
    /** Those of rows {@code from} …, where all are matrices with a row a token. */
    public Inputs rows(long from, long count) {
      return new Inputs(
          q.rows(from, count),
          k.rows(from, count),
          v.rows(from, count),
          g.rows(from, count),
          beta.rows(from, count));
    }
  }

  /**
   * What the backward pass needs besides the inputs; backends lay it out as they like, in {@link
   * #savedFloats} floats.
   */
  long savedFloats(Shape s);

  /**
   * Chunked forward. {@code state} [B, H, K, V] is read as the initial state and overwritten with
   * the final one.
   *
   * @param start absolute position of the first token: the first chunk ends at the next multiple of
   *     {@link #CHUNK}
   * @param saved [savedFloats], or null when no backward follows (training starts at position 0)
   */
  void forward(Shape s, Inputs in, int start, Tensor state, Tensor out, Tensor saved);

  /**
   * Backward at start 0: assigns the gradients of all inputs. {@code dState} [B, H, K, V] holds the
   * gradient of the final state and is overwritten with that of the initial one.
   */
  void backward(Shape s, Inputs in, Tensor saved, Tensor dOut, Tensor dState, Inputs grads);

  /**
   * One token a sequence (T = 1), in place on {@code state}: the decode step. Allocates nothing.
   */
  void step(Shape s, Inputs in, Tensor state, Tensor out);

  /**
   * {@link #step} of sequences whose states lie in slots of a pool, in any order.
   *
   * @param slots of each sequence, [B] I32 in the operations' memory; no two alike, but for
   *     sequences whose outputs nobody reads
   * @param states [slots, H·K·V] float32, possibly columns of a wider pool
   */
  default void step(Shape s, Inputs in, Tensor slots, Tensor states, Tensor out) {
    Shape one = new Shape(1, 1, s.heads(), s.keyDim(), s.valueDim());
    for (int b = 0; b < s.batch(); b++) {
      Tensor state = states.rows(slots.getInt(b), 1).view(1, s.heads(), s.keyDim(), s.valueDim());
      step(one, in.rows(b, 1), state, out.rows(b, 1));
    }
  }
}
