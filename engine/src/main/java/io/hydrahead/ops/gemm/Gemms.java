package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import java.lang.System.Logger.Level;

/** The one lookup of a {@link Gemm} backend; it logs what was chosen and why. */
public final class Gemms {
  private static final System.Logger LOG = System.getLogger(Gemms.class.getName());

  private Gemms() {}

  /**
   * The backend that {@code blas} names.
   *
   * @param blas {@code auto} (the fastest that works), {@code java}, {@code onednn} or {@code
   *     openblas}
   * @throws IllegalArgumentException for another name
   */
  public static Gemm select(String blas, ComputePool pool) {
    return switch (blas) {
      case "auto", "java", "onednn", "openblas" -> java(pool, "the built-in kernels");
      default ->
          throw new IllegalArgumentException(
              "blas \"" + blas + "\" is unknown; take auto, java, onednn or openblas");
    };
  }

  private static Gemm java(ComputePool pool, String why) {
    Gemm gemm = new JavaGemm(pool);
    LOG.log(
        Simd.available() ? Level.DEBUG : Level.INFO, "GEMM: {0} ({1})", gemm.name(), why);
    return gemm;
  }
}
