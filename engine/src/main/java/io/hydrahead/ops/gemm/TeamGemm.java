package io.hydrahead.ops.gemm;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.hydrahead.tensor.ComputePool;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/**
 * {@link Gemm} through a native library. The team divides C into rectangles and each member calls
 * the library for one at a time, single-threaded: so no second team of native threads ever competes
 * with ours, and on a busy machine whoever is free takes the next rectangle.
 *
 * <p>Libraries pick their kernels by the shape, so a row's last bits change with its company.
 */
abstract class TeamGemm implements Gemm {
  private static final int GRAIN = 32;
  private static final long SMALL = 1 << 21;

  private final ComputePool pool;
  private final IntConsumer task = this::part;

  // The product under way; written by the caller before the team starts.
  private boolean transA;
  private boolean transB;
  private int m;
  private int n;
  private int k;
  private long a;
  private long b;
  private long c;
  private long lda;
  private long ldb;
  private long ldc;
  private float alpha;
  private float beta;
  private int rowParts;
  private int columnParts;

  TeamGemm(ComputePool pool) {
    this.pool = pool;
  }

  /** C = alpha · op(A) op(B) + beta · C on the calling thread alone; a, b, c are addresses. */
  abstract void serial(
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
      long ldc);

  @Override
  public final synchronized void multiply(
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
    this.a = GemmShape.address("A", a, transA ? k : m, transA ? m : k, lda);
    this.b = GemmShape.address("B", b, transB ? n : k, transB ? k : n, ldb);
    this.c = GemmShape.address("C", c, m, n, ldc);
    if (m == 0 || n == 0 || k == 0) { // which libraries refuse
      scale(c, m, n, beta, ldc);
      return;
    }
    this.transA = transA;
    this.transB = transB;
    this.m = m;
    this.n = n;
    this.k = k;
    this.alpha = alpha;
    this.lda = lda;
    this.ldb = ldb;
    this.beta = beta;
    this.ldc = ldc;
    divide();
    try {
      pool.run(rowParts * columnParts, task);
    } finally {
      Reference.reachabilityFence(a);
      Reference.reachabilityFence(b);
      Reference.reachabilityFence(c);
    }
  }

  private static void scale(MemorySegment c, int m, int n, float beta, long ldc) {
    for (int i = 0; i < m; i++) {
      for (int j = 0; j < n; j++) {
        long at = 4 * (i * ldc + j);
        float old = beta == 0f ? 0f : beta * c.get(JAVA_FLOAT_UNALIGNED, at);
        c.set(JAVA_FLOAT_UNALIGNED, at, old);
      }
    }
  }

  /** Halves the longer side until every thread has two rectangles, or they get small. */
  private void divide() {
    rowParts = 1;
    columnParts = 1;
    if (pool.threads() == 1) {
      return;
    }
    int wanted = 2 * pool.threads();
    while (rowParts * columnParts < wanted) {
      int rows = m / rowParts;
      int columns = n / columnParts;
      boolean enough = rowParts * columnParts >= pool.threads();
      if (Math.max(rows, columns) < 2 * GRAIN
          || (enough && (long) rows * columns * k < 2 * SMALL)) {
        break;
      }
      if (rows >= columns) {
        rowParts *= 2;
      } else {
        columnParts *= 2;
      }
    }
  }

  private void part(int index) {
    int row = index / columnParts;
    int column = index % columnParts;
    int top = cut(m, row, rowParts);
    int left = cut(n, column, columnParts);
    int rows = cut(m, row + 1, rowParts) - top;
    int columns = cut(n, column + 1, columnParts) - left;
    long fromA = a + 4 * (transA ? top : top * lda);
    long fromB = b + 4 * (transB ? left * ldb : left);
    long to = c + 4 * (top * ldc + left);
    serial(transA, transB, rows, columns, k, alpha, fromA, lda, fromB, ldb, beta, to, ldc);
  }

  /** Start of a part, on a multiple of 16. */
  private static int cut(int size, int part, int parts) {
    return part == parts ? size : (int) ((long) size * part / parts / 16 * 16);
  }

  @Override
  public final boolean rowInvariant() {
    return false;
  }
}
