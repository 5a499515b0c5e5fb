package io.hydrahead.ops.gemm;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.tensor.Simd;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.List;

/**
 * The functions of OpenBLAS that we call: of the library that {@code
 * -Dhydrahead.openblas=/path/file} names, else of the system's.
 */
final class OpenBlasLibrary {
  private static final int ROW_MAJOR = 101;
  private static final int PLAIN = 111;
  private static final int TRANSPOSED = 112;
  private static final List<String> NAMES =
      List.of("libopenblas.so.0", "libopenblas.so", "libopenblas.dylib");

  private static final String SOURCE;

  /**
   * {@code void cblas_sgemm(order, transA, transB, m, n, k, alpha, A, lda, B, ldb, beta, C, ldc)}.
   */
  private static final MethodHandle SGEMM;

  static {
    NativeFunctions.environment("OPENBLAS_NUM_THREADS", "1"); // the team brings the threads
    if (Simd.floatLanes() == 16) { // else it takes AVX2 kernels on recent AMD processors
      NativeFunctions.environment("OPENBLAS_CORETYPE", "SkylakeX");
    }
    String named = System.getProperty("hydrahead.openblas");
    SymbolLookup library = named == null ? system() : named(named);
    SOURCE = named == null ? "of the system" : named;
    SGEMM =
        NativeFunctions.function(
            library,
            "cblas_sgemm",
            FunctionDescriptor.ofVoid(
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_INT,
                JAVA_FLOAT,
                JAVA_LONG,
                JAVA_INT,
                JAVA_LONG,
                JAVA_INT,
                JAVA_FLOAT,
                JAVA_LONG,
                JAVA_INT));
    try {
      NativeFunctions.function(
              library, "openblas_set_num_threads", FunctionDescriptor.ofVoid(JAVA_INT))
          .invokeExact(1);
    } catch (Throwable t) {
      throw NativeFunctions.failed(t);
    }
  }

  private OpenBlasLibrary() {}

  private static SymbolLookup named(String file) {
    return SymbolLookup.libraryLookup(Path.of(file), Arena.global());
  }

  private static SymbolLookup system() {
    for (String name : NAMES) {
      try {
        return SymbolLookup.libraryLookup(name, Arena.global());
      } catch (IllegalArgumentException e) {
        continue; // the next name
      }
    }
    throw new IllegalArgumentException(
        "no OpenBLAS on this system (looked for " + String.join(", ", NAMES) + ")");
  }

  /** Where the library came from. */
  static String source() {
    return SOURCE;
  }

  /** Row-major C = alpha · op(A) op(B) + beta · C on the calling thread; a, b, c are addresses. */
  static void sgemm(
      boolean transA,
      boolean transB,
      int m,
      int n,
      int k,
      float alpha,
      long a,
      int lda,
      long b,
      int ldb,
      float beta,
      long c,
      int ldc) {
    try {
      SGEMM.invokeExact(
          ROW_MAJOR,
          transA ? TRANSPOSED : PLAIN,
          transB ? TRANSPOSED : PLAIN,
          m,
          n,
          k,
          alpha,
          a,
          lda,
          b,
          ldb,
          beta,
          c,
          ldc);
    } catch (Throwable t) {
      throw NativeFunctions.failed(t);
    }
  }
}
