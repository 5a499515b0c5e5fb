package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;

/** {@link Gemm} through {@code cblas_sgemm} of an OpenBLAS that the system has. */
public final class OpenBlasGemm extends TeamGemm {
  /**
   * @throws IllegalArgumentException with the loader's reason if the library cannot be loaded
   */
  public OpenBlasGemm(ComputePool pool) {
    super(pool);
    NativeFunctions.initialise(OpenBlasLibrary::source);
  }

  @Override
  void serial(
      boolean transA,
      boolean transB,
      int m,
      int n,
      int k,
      float alpha,
      long a,
      long lda,
      long b,
      long ldb,
      float beta,
      long c,
      long ldc) {
    OpenBlasLibrary.sgemm(
        transA,
        transB,
        m,
        n,
        k,
        alpha,
        a,
        Math.toIntExact(lda),
        b,
        Math.toIntExact(ldb),
        beta,
        c,
        Math.toIntExact(ldc));
  }

  @Override
  public String name() {
    return "openblas";
  }
}
