package io.hydrahead.ops.gemm;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/** {@link Gemm} as three plain loops with a float64 sum. */
public final class ReferenceGemm implements Gemm {
  @Override
  public void multiply(
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
      long ldc) {
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        double sum = 0;
        for (int p = 0; p < k; p++) {
          float x = at(a, transA ? p * lda + i : i * lda + p);
          float y = at(b, transB ? j * ldb + p : p * ldb + j);
          sum += (double) x * y;
        }
        double old = beta == 0f ? 0 : (double) beta * at(c, i * ldc + j);
        c.set(JAVA_FLOAT_UNALIGNED, 4 * (i * ldc + j), (float) (alpha * sum + old));
      }
    }
  }

  private static float at(MemorySegment s, long index) {
    return s.get(JAVA_FLOAT_UNALIGNED, 4 * index);
  }

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public boolean rowInvariant() {
    return true;
  }
}
