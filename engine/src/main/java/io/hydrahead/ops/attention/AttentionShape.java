package io.hydrahead.ops.attention;

import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** What every backend checks before it touches memory. */
final class AttentionShape {
  private AttentionShape() {}

  /** On the host: all in float32. */
  static void check(
      Shape s, int[] kvOf, int offset, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse) {
    check(DType.F32, s, kvOf, offset, q, k, v, o, lse);
  }

  /**
   * @param type of all but lse, which is float32
   */
  static void check(
      DType type,
      Shape s,
      int[] kvOf,
      int offset,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor o,
      Tensor lse) {
    if (offset < 0) {
      throw new IllegalArgumentException("offset " + offset + " is negative");
    }
    checkQueries(type, s, kvOf, q, o);
    long rows = (long) s.batch() * s.queries() * s.heads();
    keysOrValues("k", k, type, s, offset + s.queries());
    keysOrValues("v", v, type, s, offset + s.queries());
    if (lse != null) {
      atLeast("lse", lse, DType.F32, rows);
    }
  }

  /** All but keys and values. */
  static void checkQueries(DType type, Shape s, int[] kvOf, Tensor q, Tensor o) {
    if (kvOf.length != s.heads()) {
      throw new IllegalArgumentException(
          kvOf.length + " entries of kvOf for " + s.heads() + " heads");
    }
    for (int g : kvOf) {
      if (g < 0 || g >= s.kvHeads()) {
        throw new IllegalArgumentException("KV head " + g + " of " + s.kvHeads());
      }
    }
    long rows = (long) s.batch() * s.queries() * s.heads();
    atLeast("q", q, type, rows * s.headDim());
    atLeast("o", o, type, rows * s.headDim());
  }

  private static void keysOrValues(String name, Tensor t, DType type, Shape s, int keys) {
    boolean fits =
        isCache(t)
            ? s.batch() == 1
                && t.dim(0) == s.kvHeads()
                && t.dim(1) >= keys
                && t.dim(2) == s.headDim()
            : t.rank() == 2
                && t.dim(0) % s.batch() == 0
                && t.dim(0) / s.batch() >= keys
                && t.dim(1) == (long) s.kvHeads() * s.headDim();
    if (!fits || t.dtype() != type) {
      throw new IllegalArgumentException(
          name + " is " + t + ", not " + type + " with " + keys + " keys a sequence of " + s);
    }
  }

  /** Whether keys or values are a cache [g, capacity, d] and not rows [B·T, g·d]. */
  static boolean isCache(Tensor t) {
    return t.rank() == 3;
  }

  /** Elements from one sequence to the next in keys or values; 0 for a cache, which has one. */
  static long batchStride(Tensor t, Shape s) {
    return isCache(t) ? 0 : t.dim(0) / s.batch() * t.rowStride();
  }

  /** Elements from one KV head to the next. */
  static long headStride(Tensor t, Shape s) {
    return isCache(t) ? t.dim(1) * t.dim(2) : s.headDim();
  }

  /** Elements from one position to the next. */
  static long tokenStride(Tensor t) {
    return t.rowStride();
  }

  static void atLeast(String name, Tensor t, DType type, long elements) {
    if (t.dtype() != type || t.size() < elements) {
      throw new IllegalArgumentException(
          name + " is " + t + ", attention needs " + elements + " elements of " + type);
    }
  }
}
