package io.hydrahead.ops.gemm;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.List;

/**
 * The functions of oneDNN that we call, through the Foreign Function &amp; Memory API. The library
 * is the one that {@code -Dhydrahead.onednn=/path/libdnnl.so.3} names, else the one in the jar
 * {@code org.bytedeco:dnnl}, else the system's.
 */
final class OneDnnLibrary {
  private static final String ROOT = "org/bytedeco/dnnl/linux-x86_64/";
  private static final String NAME = "libdnnl.so.3";
  private static final String OPENMP = "libgomp.so.1";

  private static final String SOURCE;
  private static final String VERSION;

  /** {@code dnnl_status_t dnnl_sgemm(char, char, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc)}. */
  private static final MethodHandle SGEMM;

  /** {@code void omp_set_num_threads(int)}, which is for the calling thread only. */
  private static final MethodHandle SET_THREADS;

  private static final ThreadLocal<Boolean> CALMED = ThreadLocal.withInitial(() -> calm());

  static {
    try {
      Path folder = folder();
      SOURCE = folder == null ? "of the system" : "from " + folder;
      SymbolLookup openMp = NativeFunctions.open(folder, OPENMP);
      SymbolLookup dnnl = NativeFunctions.open(folder, NAME);
      SGEMM =
          NativeFunctions.function(
              dnnl,
              "dnnl_sgemm",
              FunctionDescriptor.of(
                  JAVA_INT,
                  JAVA_BYTE,
                  JAVA_BYTE,
                  JAVA_LONG,
                  JAVA_LONG,
                  JAVA_LONG,
                  JAVA_FLOAT,
                  JAVA_LONG,
                  JAVA_LONG,
                  JAVA_LONG,
                  JAVA_LONG,
                  JAVA_FLOAT,
                  JAVA_LONG,
                  JAVA_LONG));
      SET_THREADS =
          NativeFunctions.function(
              openMp, "omp_set_num_threads", FunctionDescriptor.ofVoid(JAVA_INT));
      VERSION = version(dnnl);
    } catch (IOException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    }
  }

  private OneDnnLibrary() {}

  /**
   * Row-major C = alpha · op(A) op(B) + beta · C on the calling thread alone; arguments are
   * addresses and strides in elements.
   *
   * @throws IllegalStateException with oneDNN's status if it refuses
   */
  static void sgemm(
      boolean transA,
      boolean transB,
      long m,
      long n,
      long k,
      float alpha,
      long a,
      long lda,
      long b,
      long ldb,
      float beta,
      long c,
      long ldc) {
    CALMED.get();
    int status;
    try {
      status =
          (int)
              SGEMM.invokeExact(
                  letter(transA), letter(transB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    } catch (Throwable t) {
      throw NativeFunctions.failed(t);
    }
    if (status != 0) {
      throw new IllegalStateException("dnnl_sgemm returned status " + status);
    }
  }

  private static byte letter(boolean transposed) {
    return (byte) (transposed ? 'T' : 'N');
  }

  /** Keeps OpenMP from starting threads of its own beneath this one. */
  private static boolean calm() {
    try {
      SET_THREADS.invokeExact(1);
      return true;
    } catch (Throwable t) {
      throw NativeFunctions.failed(t);
    }
  }

  /** Version, as in {@code 3.13.0}. */
  static String version() {
    return VERSION;
  }

  /** The first ints of {@code dnnl_version_t} are major, minor and patch. */
  private static String version(SymbolLookup dnnl) {
    try {
      MemorySegment version =
          (MemorySegment)
              NativeFunctions.function(dnnl, "dnnl_version", FunctionDescriptor.of(ADDRESS))
                  .invokeExact();
      MemorySegment ints = version.reinterpret(12);
      return ints.getAtIndex(JAVA_INT, 0)
          + "."
          + ints.getAtIndex(JAVA_INT, 1)
          + "."
          + ints.getAtIndex(JAVA_INT, 2);
    } catch (Throwable t) {
      throw NativeFunctions.failed(t);
    }
  }

  /** Where the library came from. */
  static String source() {
    return SOURCE;
  }

  private static Path folder() throws IOException {
    String named = System.getProperty("hydrahead.onednn");
    if (named != null) {
      return Path.of(named).toAbsolutePath().getParent();
    }
    ClassLoader loader = OneDnnLibrary.class.getClassLoader();
    if (loader.getResource(ROOT + NAME) == null) {
      return null;
    }
    return NativeCache.folder(loader, "dnnl-3.13-1.5.14", ROOT, List.of(OPENMP, NAME));
  }
}
