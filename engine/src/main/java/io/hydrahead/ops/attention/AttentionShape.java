package io.hydrahead.ops.attention;

import io.hydrahead.ops.attention.CausalAttention.Layout;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** What every backend checks before it touches memory. */
final class AttentionShape {
  private AttentionShape() {}

  static void check(
      Shape s,
      int[] kvOf,
      int offset,
      Tensor q,
      Tensor k,
      Tensor v,
      Layout kv,
      Tensor o,
      Tensor lse) {
    if (kvOf.length != s.heads()) {
      throw new IllegalArgumentException(
          kvOf.length + " entries of kvOf for " + s.heads() + " heads");
    }
    for (int g : kvOf) {
      if (g < 0 || g >= s.kvHeads()) {
        throw new IllegalArgumentException("KV head " + g + " of " + s.kvHeads());
      }
    }
    if (offset < 0) {
      throw new IllegalArgumentException("offset " + offset + " is negative");
    }
    long rows = (long) s.batch() * s.queries() * s.heads();
    atLeast("q", q, rows * s.headDim());
    atLeast("o", o, rows * s.headDim());
    atLeast("k", k, extent(s, kv, offset + s.queries()));
    atLeast("v", v, extent(s, kv, offset + s.queries()));
    if (lse != null) {
      atLeast("lse", lse, rows);
    }
  }

  /** Floats from the first to the last element that keys or values occupy. */
  static long extent(Shape s, Layout kv, int keys) {
    return (s.batch() - 1) * kv.batchStride()
        + (s.kvHeads() - 1) * kv.headStride()
        + (keys - 1) * kv.tokenStride()
        + s.headDim();
  }

  static void atLeast(String name, Tensor t, long floats) {
    if (t.dtype() != DType.F32 || t.size() < floats) {
      throw new IllegalArgumentException(
          name + " is " + t + ", attention needs " + floats + " float32 elements");
    }
  }
}
