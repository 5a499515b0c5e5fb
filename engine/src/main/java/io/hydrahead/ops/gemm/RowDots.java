package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Simd;

/**
 * The bandwidth-bound heart of a matrix–vector product: dot products of rows of W with a few
 * vectors. Arguments are addresses. W's rows are dense; {@code x} has been through {@link
 * #prepare}.
 */
interface RowDots {
  /** Copies a vector of k float32 into the order that {@link #rows} wants for weights of a type. */
  void prepare(DType weights, long x, int k, long to);

  /**
   * For each of {@code rows} rows from {@code w} on: y[i, r] = W[r] · x[i], or += when {@code
   * accumulate}, for the {@code n} prepared vectors that lie k floats apart; y's rows lie {@code
   * yStride} floats apart.
   */
  void rows(
      DType weights,
      long w,
      int rows,
      int k,
      long x,
      int n,
      long y,
      long yStride,
      boolean accumulate);

  /** Widens {@code count} 16-bit weights to float32. */
  void widen(DType weights, long from, long count, long to);

  static RowDots select() {
    return Simd.available() ? new VectorRowDots() : new ScalarRowDots();
  }
}
