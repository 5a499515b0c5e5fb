package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Simd;
import java.lang.System.Logger.Level;

/** The one lookup of a {@link Gemm} backend; it logs what was chosen and why. */
public final class Gemms {
  private static final System.Logger LOG = System.getLogger(Gemms.class.getName());

  private Gemms() {}

  /**
   * The backend that {@code blas} names; a library that cannot be loaded gives the built-in kernels
   * and a warning that says why.
   *
   * @param blas {@code auto} (the fastest that works), {@code java}, {@code onednn} or {@code
   *     openblas}
   * @throws InputException for another name
   */
  public static Gemm select(String blas, ComputePool pool) {
    return switch (blas) {
      case "java" -> chosen(new JavaGemm(pool), "as asked");
      case "auto", "onednn" -> oneDnn(blas, pool);
      case "openblas" -> openBlas(pool);
      default ->
          throw new InputException(
              "blas \"" + blas + "\" is unknown; take auto, java, onednn or openblas");
    };
  }

  private static Gemm oneDnn(String blas, ComputePool pool) {
    try {
      Gemm gemm = new OneDnnGemm(pool);
      return chosen(gemm, OneDnnLibrary.source());
    } catch (IllegalArgumentException e) {
      Level level = blas.equals("auto") ? Level.INFO : Level.WARNING;
      LOG.log(level, "no oneDNN, Java kernels instead: {0}", e.getMessage());
      return chosen(new JavaGemm(pool), "the fallback");
    }
  }

  private static Gemm openBlas(ComputePool pool) {
    try {
      return chosen(new OpenBlasGemm(pool), OpenBlasLibrary.source());
    } catch (IllegalArgumentException e) {
      LOG.log(Level.WARNING, "no OpenBLAS, Java kernels instead: {0}", e.getMessage());
      return chosen(new JavaGemm(pool), "the fallback");
    }
  }

  private static Gemm chosen(Gemm gemm, String why) {
    LOG.log(Level.DEBUG, "GEMM: {0} ({1}), {2} float lanes", gemm.name(), why, Simd.floatLanes());
    return gemm;
  }
}
