package io.hydrahead.ops.attention;

import io.hydrahead.tensor.Tensor;

/**
 * Full causal softmax attention over a list of heads, with grouped keys and values (GQA).
 *
 * <p>B batch, T queries a sequence, h query heads, g KV heads, d head dim. Query head i reads KV
 * head {@code kvOf[i]}: any list, not only the regular grouping, since a head plan keeps single
 * heads. o_t = Σ_{i ≤ offset + t} softmax_i(scale · q_t·k_i) v_i, or of those i that a {@link
 * Window} leaves.
 *
 * <p>Keys and values are either projections [B·T, g·d], each of which may be a column slice with a
 * row stride of its own, or the cache of one sequence [g, capacity, d]; queries and outputs [B·T,
 * h·d] are dense.
 */
public interface CausalAttention {
  /**
   * What of the past a query sees: key j ≤ i is visible to query i if i − j &lt; size or j &lt;
   * sinks. Keys and values that no query sees may be read and must be finite.
   *
   * @param size at least 1: a query sees its own position
   * @param sinks first positions that every later query sees
   */
  record Window(int size, int sinks) {
    /** The whole past. */
    public static final Window ALL = new Window(Integer.MAX_VALUE, 0);

    public Window {
      if (size < 1 || sinks < 0) {
        throw new IllegalArgumentException("a window of " + size + " and " + sinks + " sinks");
      }
    }
  }

  /** Sizes of one call; {@code keys = offset + queries}, and offset is 0 in training. */
  record Shape(
      int batch, int queries, int heads, int kvHeads, int headDim, float scale, Window window) {
    /** Of queries that see the whole past. */
    public Shape(int batch, int queries, int heads, int kvHeads, int headDim, float scale) {
      this(batch, queries, heads, kvHeads, headDim, scale, Window.ALL);
    }

    /** Whether the window hides anything from queries at {@code offset} …. */
    boolean windowed(int offset) {
      long keys = (long) offset + queries;
      return window.size < keys && window.sinks < keys - window.size;
    }
  }

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
   * @param s without a window: a cache of what a window leaves needs none
   * @param position of the first query, [1] I32 in the operations' memory; the cache's capacity
   *     must hold {@code position + T} positions
   */
  default void decode(
      Shape s, int[] kvOf, Tensor position, Tensor q, Tensor k, Tensor v, Tensor o) {
    forward(s, kvOf, position.getInt(0), q, k, v, o, null);
  }

  /**
   * Stores keys and values [N, g·d], which may be column slices, in the blocks of a pool.
   *
   * @param places where row r goes, [N] I32 in the operations' memory: block · {@value
   *     KvPages#TOKENS} + token in it
   */
  default void store(KvPages pages, Tensor places, Tensor k, Tensor v) {
    PagedAttention.store(pages, places, k, v);
  }

  /**
   * {@link #forward} of a piece of one sequence whose keys and values, those of the piece too, lie
   * in the blocks of a pool; the table has one row.
   */
  default void forwardPaged(Shape s, int[] kvOf, KvPages pages, int offset, Tensor q, Tensor o) {
    PagedAttention.forward(this, s, kvOf, pages, 0, offset, q, o);
  }

  /**
   * One token of each of B sequences (T = 1): row b attends to positions 0 … positions[b] of its
   * own sequence.
   *
   * @param positions [B] I32 in the operations' memory
   */
  default void decodePaged(
      Shape s, int[] kvOf, KvPages pages, Tensor positions, Tensor q, Tensor o) {
    Shape one = new Shape(1, 1, s.heads(), s.kvHeads(), s.headDim(), s.scale());
    for (int b = 0; b < s.batch(); b++) {
      int at = positions.getInt(b);
      PagedAttention.forward(this, one, kvOf, pages, b, at, q.rows(b, 1), o.rows(b, 1));
    }
  }

  /** Most dims of a head that {@link #backward} takes. */
  default int mostGradientDims() {
    return Integer.MAX_VALUE;
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
