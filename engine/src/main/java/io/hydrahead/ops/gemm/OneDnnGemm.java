package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;

/** {@link Gemm} through oneDNN's {@code dnnl_sgemm}. */
public final class OneDnnGemm extends TeamGemm {
  /**
   * @throws IllegalArgumentException with the loader's reason if the library cannot be loaded
   */
  public OneDnnGemm(ComputePool pool) {
    super(pool);
    NativeFunctions.initialise(OneDnnLibrary::source);
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
    OneDnnLibrary.sgemm(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
  }

  @Override
  public String name() {
    return "onednn " + OneDnnLibrary.version();
  }
}
