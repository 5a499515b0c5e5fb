package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/**
 * {@link Gemm} in Java: panels of B (and of a transposed A) are packed so that the {@link MicroKernel}
 * streams them, and the team shares rectangles of C.
 *
 * <p>An element is the sum over blocks of {@value #K_BLOCK} along k, each block one chain of fused
 * multiply-adds: the same bits whatever m, n, the row's place and the number of threads. The scratch
 * grows with the largest product seen and is kept.
 */
public final class JavaGemm implements Gemm {
  private static final int K_BLOCK = 256;
  private static final int ROW_LIMIT = 4096;
  private static final int COLUMN_LIMIT = 4096;
  private static final int COLUMN_CHUNK = 512;
  private static final int ROW_TILES = 16;

  private final ComputePool pool;
  private final MicroKernel kernel;
  private final Packing packing;
  private final Scratch scratch = new Scratch();
  private final IntConsumer packTask = this::pack;
  private final IntConsumer computeTask = this::compute;

  // The product under way; written by the caller before the team starts.
  private boolean transA;
  private boolean transB;
  private long a;
  private long b;
  private long c;
  private long lda;
  private long ldb;
  private long ldc;
  private float alpha;
  private float beta;
  private int rowFrom;
  private int rowCount;
  private int columnFrom;
  private int columnCount;
  private int kFrom;
  private int kCount;
  private int panels;
  private int chunkRows;
  private int chunkColumns;
  private int columnChunks;

  public JavaGemm(ComputePool pool) {
    this(pool, MicroKernel.select());
  }

  JavaGemm(ComputePool pool, MicroKernel kernel) {
    this.pool = pool;
    this.kernel = kernel;
    this.packing = new Packing(kernel.rows(), kernel.columns());
  }

  @Override
  public synchronized void multiply(
      boolean transA, boolean transB, int m, int n, int k,
      float alpha, MemorySegment a, long lda, MemorySegment b, long ldb,
      float beta, MemorySegment c, long ldc) {
    this.transA = transA;
    this.transB = transB;
    this.a = GemmShape.address("A", a, transA ? k : m, transA ? m : k, lda);
    this.b = GemmShape.address("B", b, transB ? n : k, transB ? k : n, ldb);
    this.c = GemmShape.address("C", c, m, n, ldc);
    this.lda = lda;
    this.ldb = ldb;
    this.ldc = ldc;
    this.alpha = alpha;
    try {
      run(m, n, k, beta);
    } finally {
      Reference.reachabilityFence(a);
      Reference.reachabilityFence(b);
      Reference.reachabilityFence(c);
    }
  }

  private void run(int m, int n, int k, float beta) {
    int rowStep = transA ? ROW_LIMIT : Math.max(m, 1);
    for (rowFrom = 0; rowFrom < m; rowFrom += rowStep) {
      rowCount = Math.min(rowStep, m - rowFrom);
      for (columnFrom = 0; columnFrom < n; columnFrom += COLUMN_LIMIT) {
        columnCount = Math.min(COLUMN_LIMIT, n - columnFrom);
        this.beta = beta;
        kFrom = 0;
        do { // once even for k = 0, which scales C
          kCount = Math.min(K_BLOCK, k - kFrom);
          block();
          this.beta = 1f;
          kFrom += K_BLOCK;
        } while (kFrom < k);
      }
    }
  }

  private void block() {
    panels = ceil(columnCount, kernel.columns());
    int rowTiles = ceil(rowCount, kernel.rows());
    scratch.reserve(
        (long) panels * kernel.columns() * K_BLOCK,
        transA ? (long) rowTiles * kernel.rows() * K_BLOCK : 0);
    pool.run(panels + (transA ? rowTiles : 0), packTask);
    chunk(rowTiles);
    pool.run(ceil(rowCount, chunkRows) * columnChunks, computeTask);
  }

  /** Rectangles small enough for the caches and numerous enough for the team. */
  private void chunk(int rowTiles) {
    int wanted = pool.threads() == 1 ? 1 : 4 * pool.threads();
    int columnTiles = Math.min(panels, COLUMN_CHUNK / kernel.columns());
    int tiles = Math.min(rowTiles, ROW_TILES);
    while (ceil(rowTiles, tiles) * ceil(panels, columnTiles) < wanted) {
      if (tiles > 4 || (columnTiles == 1 && tiles > 1)) {
        tiles = (tiles + 1) / 2;
      } else if (columnTiles > 1) {
        columnTiles = (columnTiles + 1) / 2;
      } else {
        break;
      }
    }
    chunkRows = tiles * kernel.rows();
    chunkColumns = columnTiles * kernel.columns();
    columnChunks = ceil(panels, columnTiles);
  }

  private void pack(int task) {
    if (task < panels) {
      int column = task * kernel.columns();
      int count = Math.min(kernel.columns(), columnCount - column);
      long to = scratch.b() + 4L * column * K_BLOCK;
      long j = columnFrom + column;
      if (transB) {
        packing.transposed(b + 4 * (j * ldb + kFrom), ldb, count, kCount, to);
      } else {
        packing.columns(b + 4 * (kFrom * ldb + j), ldb, count, kCount, to);
      }
    } else {
      int row = (task - panels) * kernel.rows();
      int count = Math.min(kernel.rows(), rowCount - row);
      long to = scratch.a() + 4L * row * K_BLOCK;
      packing.rows(a + 4 * (kFrom * lda + rowFrom + row), lda, count, kCount, to);
    }
  }

  private void compute(int task) {
    int firstRow = task / columnChunks * chunkRows;
    int firstColumn = task % columnChunks * chunkColumns;
    int lastRow = Math.min(rowCount, firstRow + chunkRows);
    int lastColumn = Math.min(columnCount, firstColumn + chunkColumns);
    int mr = kernel.rows();
    int nr = kernel.columns();
    long tile = Scratch.tile();
    for (int i = firstRow; i < lastRow; i += mr) {
      int rows = Math.min(mr, rowCount - i);
      long from = transA ? scratch.a() + 4L * i * K_BLOCK : a + 4 * ((rowFrom + i) * lda + kFrom);
      long aRow = transA ? 4 : 4 * lda;
      long aStep = transA ? 4L * mr : 4;
      for (int j = firstColumn; j < lastColumn; j += nr) {
        long panel = scratch.b() + 4L * j * K_BLOCK;
        long to = c + 4 * ((rowFrom + i) * ldc + columnFrom + j);
        int columns = Math.min(nr, columnCount - j);
        kernel.sums(kCount, from, aRow, aStep, rows, panel, 4L * nr, tile);
        kernel.merge(tile, rows, columns, alpha, beta, to, 4 * ldc);
      }
    }
  }

  static int ceil(int x, int y) {
    return (x + y - 1) / y;
  }

  @Override
  public String name() {
    return Simd.available() ? "java, " + Simd.floatLanes() + " lanes" : "java, scalar";
  }

  @Override
  public boolean rowInvariant() {
    return true;
  }

  /** Packed panels of one product, and a tile per thread for the edges of C. */
  static final class Scratch {
    private static final ThreadLocal<MemorySegment> TILE =
        ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(MicroKernel.TILE_BYTES, 64));

    private MemorySegment panelsOfB = MemorySegment.NULL;
    private MemorySegment tilesOfA = MemorySegment.NULL;

    void reserve(long bElements, long aElements) {
      panelsOfB = grow(panelsOfB, 4 * bElements);
      tilesOfA = grow(tilesOfA, 4 * aElements);
    }

    private static MemorySegment grow(MemorySegment s, long bytes) {
      return s.byteSize() >= bytes ? s : Arena.ofAuto().allocate(bytes, 64);
    }

    long b() {
      return panelsOfB.address();
    }

    long a() {
      return tilesOfA.address();
    }

    /** Address of this thread's tile, large enough for every micro-kernel. */
    static long tile() {
      return TILE.get().address();
    }
  }
}
