package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Simd;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Reference;
import java.util.function.IntConsumer;

/**
 * {@link Gemm} in Java: panels of B (and of a transposed A) are packed so that the {@link
 * MicroKernel} streams them, and the team shares rectangles of C. With few rows, where each panel
 * of B serves one task only, that task packs it itself.
 *
 * <p>An element is the sum over blocks of {@value #K_BLOCK} along k, each block one chain of
 * multiply-adds: the same bits whatever m, n, the row's place and the number of threads. The
 * scratch grows with the largest product seen and is kept.
 */
public final class JavaGemm implements Gemm {
  static final int K_BLOCK = 256;
  private static final int ROW_LIMIT = 4096;
  private static final int COLUMN_LIMIT = 4096;
  private static final int PACKED_LIMIT = 1 << 18; // floats
  private static final int COLUMN_CHUNK = 512;
  private static final int ROW_TILES = 16;
  private static final int A_SLICE = 64;

  private final ComputePool pool;
  private final MicroKernel kernel;
  private final Packing packing;
  private final Scratch scratch = new Scratch();
  private final IntConsumer packTask = this::pack;
  private final IntConsumer computeTask = this::compute;
  private final IntConsumer fewRowsTask = this::fewRows;

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
  private int k;

  // The part of it that is packed: rows, columns and a range of k.
  private int rowFrom;
  private int rowCount;
  private int columnFrom;
  private int columnCount;
  private int kFrom;
  private int kCount;
  private int packedColumns;
  private int packedRows;
  private int panelTasks;
  private int chunkRows;
  private int chunkColumns;
  private int columnChunks;

  public JavaGemm(ComputePool pool) {
    this(pool, MicroKernel.select());
  }

  JavaGemm(ComputePool pool, MicroKernel kernel) {
    this.pool = pool;
    this.kernel = kernel;
    this.packing = new Packing(kernel);
  }

  @Override
  public synchronized void multiply(
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
    this.transA = transA;
    this.transB = transB;
    this.a = GemmShape.address("A", a, transA ? k : m, transA ? m : k, lda);
    this.b = GemmShape.address("B", b, transB ? n : k, transB ? k : n, ldb);
    this.c = GemmShape.address("C", c, m, n, ldc);
    this.lda = lda;
    this.ldb = ldb;
    this.ldc = ldc;
    this.alpha = alpha;
    this.beta = beta;
    this.k = k;
    try {
      if (m <= ROW_TILES * kernel.rows() && !transA) {
        rowCount = m;
        columnCount = n;
        pool.run(ceil(n, kernel.columns()), fewRowsTask);
      } else {
        manyRows(m, n, beta);
      }
    } finally {
      Reference.reachabilityFence(a);
      Reference.reachabilityFence(b);
      Reference.reachabilityFence(c);
    }
  }

  /** One panel of C: packs B block by block in this thread's own scratch. */
  private void fewRows(int task) {
    int j = task * kernel.columns();
    int columns = Math.min(kernel.columns(), columnCount - j);
    long panel = Scratch.panel();
    long tile = Scratch.tile();
    int p = 0;
    do { // once even for k = 0, which scales C
      int count = Math.min(K_BLOCK, k - p);
      packPanel(p, count, j, columns, panel);
      float scale = p == 0 ? beta : 1f;
      for (int i = 0; i < rowCount; i += kernel.rows()) {
        int rows = Math.min(kernel.rows(), rowCount - i);
        long from = a + 4 * (i * lda + p);
        kernel.sums(count, from, 4 * lda, 4, rows, panel, 4L * kernel.columns(), tile);
        kernel.merge(tile, rows, columns, alpha, scale, c + 4 * (i * ldc + j), 4 * ldc);
      }
      p += K_BLOCK;
    } while (p < k);
  }

  private void packPanel(int p, int count, long j, int columns, long to) {
    if (transB) {
      packing.transposed(b + 4 * (j * ldb + p), ldb, columns, count, to);
    } else {
      packing.columns(b + 4 * (p * ldb + j), ldb, columns, count, to);
    }
  }

  private void manyRows(int m, int n, float firstBeta) {
    int rowStep = transA ? ROW_LIMIT : Math.max(m, 1);
    for (rowFrom = 0; rowFrom < m; rowFrom += rowStep) {
      rowCount = Math.min(rowStep, m - rowFrom);
      packedRows = ceil(rowCount, kernel.rows()) * kernel.rows();
      for (columnFrom = 0; columnFrom < n; columnFrom += COLUMN_LIMIT) {
        columnCount = Math.min(COLUMN_LIMIT, n - columnFrom);
        packedColumns = ceil(columnCount, kernel.columns()) * kernel.columns();
        int lines = packedColumns + (transA ? packedRows : 0);
        int step = Math.max(1, PACKED_LIMIT / lines / K_BLOCK) * K_BLOCK;
        beta = firstBeta;
        kFrom = 0;
        do {
          kCount = Math.min(step, k - kFrom);
          block();
          beta = 1f;
          kFrom += step;
        } while (kFrom < k);
      }
    }
  }

  private void block() {
    int blocks = ceil(kCount, K_BLOCK);
    scratch.reserve(
        (long) packedColumns * blocks * K_BLOCK, transA ? (long) packedRows * blocks * K_BLOCK : 0);
    panelTasks = packedColumns / kernel.columns() * blocks;
    pool.run(panelTasks + (transA ? ceil(kCount, A_SLICE) : 0), packTask);
    chunk(packedRows / kernel.rows(), packedColumns / kernel.columns());
    pool.run(ceil(rowCount, chunkRows) * columnChunks, computeTask);
  }

  /** Rectangles small enough for the caches and numerous enough for the team. */
  private void chunk(int rowTiles, int panels) {
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

  /** Packed B: blocks along k, in each block panels. Packed A likewise, with tiles for panels. */
  private long packedB(int p, int column) {
    return scratch.b() + 4 * ((long) p * packedColumns + (long) column * K_BLOCK);
  }

  private long packedA(int p, int row) {
    return scratch.a() + 4 * ((long) p * packedRows + (long) row * K_BLOCK);
  }

  private void pack(int task) {
    if (task < panelTasks) {
      int panels = packedColumns / kernel.columns();
      int p = task / panels * K_BLOCK;
      int column = task % panels * kernel.columns();
      int columns = Math.min(kernel.columns(), columnCount - column);
      int count = Math.min(K_BLOCK, kCount - p);
      packPanel(kFrom + p, count, columnFrom + column, columns, packedB(p, column));
    } else {
      int p = (task - panelTasks) * A_SLICE;
      int inBlock = p % K_BLOCK;
      long to = packedA(p - inBlock, 0) + 4L * inBlock * kernel.rows();
      packing.rows(
          a + 4 * ((kFrom + p) * lda + rowFrom),
          lda,
          rowCount,
          Math.min(A_SLICE, kCount - p),
          to,
          (long) kernel.rows() * K_BLOCK);
    }
  }

  private void compute(int task) {
    int firstRow = task / columnChunks * chunkRows;
    int firstColumn = task % columnChunks * chunkColumns;
    int p = 0;
    do {
      rectangle(
          firstRow,
          Math.min(rowCount, firstRow + chunkRows),
          firstColumn,
          Math.min(columnCount, firstColumn + chunkColumns),
          p);
      p += K_BLOCK;
    } while (p < kCount);
  }

  private void rectangle(int firstRow, int lastRow, int firstColumn, int lastColumn, int p) {
    int mr = kernel.rows();
    int nr = kernel.columns();
    int count = Math.min(K_BLOCK, kCount - p);
    float scale = p == 0 ? beta : 1f;
    long aRow = transA ? 4 : 4 * lda;
    long aStep = transA ? 4L * mr : 4;
    long tile = Scratch.tile();
    for (int i = firstRow; i < lastRow; i += mr) {
      int rows = Math.min(mr, rowCount - i);
      long from = transA ? packedA(p, i) : a + 4 * ((rowFrom + i) * lda + kFrom + p);
      for (int j = firstColumn; j < lastColumn; j += nr) {
        kernel.sums(count, from, aRow, aStep, rows, packedB(p, j), 4L * nr, tile);
        long to = c + 4 * ((rowFrom + i) * ldc + columnFrom + j);
        kernel.merge(tile, rows, Math.min(nr, columnCount - j), alpha, scale, to, 4 * ldc);
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

  /** Packed panels of one product; and for each thread a tile of C and a panel of its own. */
  static final class Scratch {
    private static final ThreadLocal<MemorySegment> OWN =
        ThreadLocal.withInitial(() ->
            Arena.ofAuto()
                .allocate(MicroKernel.TILE_BYTES + (long) K_BLOCK * MicroKernel.ROW_BYTES, 64));

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
      return OWN.get().address();
    }

    /** Address of this thread's panel of {@value JavaGemm#K_BLOCK} rows. */
    static long panel() {
      return OWN.get().address() + MicroKernel.TILE_BYTES;
    }
  }
}
