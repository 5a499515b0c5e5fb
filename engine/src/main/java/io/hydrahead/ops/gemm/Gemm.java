package io.hydrahead.ops.gemm;

import java.lang.foreign.MemorySegment;

/** Dense float32 matrix product: C[m,n] = alpha · op(A)[m,k] · op(B)[k,n] + beta · C, row-major. */
public interface Gemm {
  /**
   * Runs on the whole compute team. {@code a} is [m,k] with row stride {@code lda}, or [k,m] when
   * {@code transA}; {@code b} is [k,n] with row stride {@code ldb}, or [n,k] when {@code transB};
   * strides in elements. With beta = 0, C is written without being read. C overlaps neither A nor
   * B.
   */
  void multiply(
      boolean transA,
      boolean transB,
      int m,
      int n,
      int k,
      float alpha,
      MemorySegment a,
      long lda,
      MemorySegment b,
      long ldb,
      float beta,
      MemorySegment c,
      long ldc);

  /** Name for logs and benchmarks, such as {@code onednn 3.13}. */
  String name();

  /**
   * Whether each element of C is the same bits whatever m, n, the row's place and the thread count:
   * what deterministic mode needs.
   */
  boolean rowInvariant();
}
