package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.NativeMemory;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;

/**
 * Single-threaded products of small strided tiles (m, n, k up to a few hundred) for kernels that
 * are themselves tasks of the team. C = alpha · op(A) op(B) + beta · C; with beta = 0, C is not
 * read. Offsets and row strides are in float32 elements; nothing is allocated after a thread's
 * first call.
 */
public final class TileGemm {
  private static final MicroKernel KERNEL = MicroKernel.select();
  private static final Packing PACKING = new Packing(KERNEL);
  private static final int K_BLOCK = JavaGemm.K_BLOCK;

  private TileGemm() {}

  /** A [m,k], B [k,n]. */
  public static void nn(
      int m,
      int n,
      int k,
      float alpha,
      MemorySegment a,
      long aFrom,
      long lda,
      MemorySegment b,
      long bFrom,
      long ldb,
      float beta,
      MemorySegment c,
      long cFrom,
      long ldc) {
    long aAt = at(a, aFrom, m, k, lda);
    long bAt = at(b, bFrom, k, n, ldb);
    run(m, n, k, alpha, aAt, lda, 1, bAt, ldb, false, beta, at(c, cFrom, m, n, ldc), ldc);
    keep(a, b, c);
  }

  /** A [m,k], B [n,k], taken transposed. */
  public static void nt(
      int m,
      int n,
      int k,
      float alpha,
      MemorySegment a,
      long aFrom,
      long lda,
      MemorySegment b,
      long bFrom,
      long ldb,
      float beta,
      MemorySegment c,
      long cFrom,
      long ldc) {
    long aAt = at(a, aFrom, m, k, lda);
    long bAt = at(b, bFrom, n, k, ldb);
    run(m, n, k, alpha, aAt, lda, 1, bAt, ldb, true, beta, at(c, cFrom, m, n, ldc), ldc);
    keep(a, b, c);
  }

  /** A [k,m], taken transposed, B [k,n]. */
  public static void tn(
      int m,
      int n,
      int k,
      float alpha,
      MemorySegment a,
      long aFrom,
      long lda,
      MemorySegment b,
      long bFrom,
      long ldb,
      float beta,
      MemorySegment c,
      long cFrom,
      long ldc) {
    long aAt = at(a, aFrom, k, m, lda);
    long bAt = at(b, bFrom, k, n, ldb);
    run(m, n, k, alpha, aAt, 1, lda, bAt, ldb, false, beta, at(c, cFrom, m, n, ldc), ldc);
    keep(a, b, c);
  }

  private static void keep(MemorySegment a, MemorySegment b, MemorySegment c) {
    Reference.reachabilityFence(a);
    Reference.reachabilityFence(b);
    Reference.reachabilityFence(c);
  }

  private static long at(MemorySegment s, long from, int rows, int columns, long stride) {
    if (from < 0 || stride < columns) {
      throw new IllegalArgumentException("offset " + from + ", stride " + stride);
    }
    if (rows <= 0 || columns <= 0) {
      return 0;
    }
    return NativeMemory.address(s, 4 * (from + (rows - 1) * stride + columns)) + 4 * from;
  }

  private static void run(
      int m,
      int n,
      int k,
      float alpha,
      long a,
      long aRow,
      long aStep,
      long b,
      long ldb,
      boolean transB,
      float beta,
      long c,
      long ldc) {
    int kFrom = 0;
    do {
      int kCount = Math.min(K_BLOCK, k - kFrom);
      long bAt = b + 4 * (transB ? kFrom : kFrom * ldb);
      for (int j = 0; j < n; j += KERNEL.columns()) {
        int columns = Math.min(KERNEL.columns(), n - j);
        long aAt = a + 4 * kFrom * aStep;
        if (transB) {
          long panel = JavaGemm.Scratch.panel();
          PACKING.transposed(bAt + 4 * j * ldb, ldb, columns, kCount, panel);
          strip(
              m,
              columns,
              kCount,
              alpha,
              aAt,
              aRow,
              aStep,
              panel,
              KERNEL.columns(),
              beta,
              c + 4L * j,
              ldc);
        } else if (columns < KERNEL.columns()) {
          long panel = JavaGemm.Scratch.panel();
          PACKING.columns(bAt + 4L * j, ldb, columns, kCount, panel);
          strip(
              m,
              columns,
              kCount,
              alpha,
              aAt,
              aRow,
              aStep,
              panel,
              KERNEL.columns(),
              beta,
              c + 4L * j,
              ldc);
        } else {
          strip(
              m,
              columns,
              kCount,
              alpha,
              aAt,
              aRow,
              aStep,
              bAt + 4L * j,
              ldb,
              beta,
              c + 4L * j,
              ldc);
        }
      }
      beta = 1f;
      kFrom += K_BLOCK;
    } while (kFrom < k);
  }

  /** All rows of one strip of C that is one tile wide. */
  private static void strip(
      int m,
      int columns,
      int k,
      float alpha,
      long a,
      long aRow,
      long aStep,
      long b,
      long ldb,
      float beta,
      long c,
      long ldc) {
    int mr = KERNEL.rows();
    long tile = JavaGemm.Scratch.tile();
    for (int i = 0; i < m; i += mr) {
      int rows = Math.min(mr, m - i);
      KERNEL.sums(k, a + 4 * i * aRow, 4 * aRow, 4 * aStep, rows, b, 4 * ldb, tile);
      KERNEL.merge(tile, rows, columns, alpha, beta, c + 4 * i * ldc, 4 * ldc);
    }
  }
}
