package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.Simd;

/**
 * The register-blocked heart of {@link JavaGemm} and {@link TileGemm}: one tile of C, {@link #rows}
 * × {@link #columns}. All arguments are addresses and strides in bytes.
 *
 * <p>Each element of a tile is one chain of multiply-adds in the order of k, so its bits depend
 * neither on its place in the tile nor on the tile's neighbours.
 */
interface MicroKernel {
  /** Bytes that a row of a tile takes at most. */
  int ROW_BYTES = 64 * Float.BYTES;

  /** Bytes that a dense tile takes at most. */
  int TILE_BYTES = 6 * ROW_BYTES;

  /** Rows of a tile. */
  int rows();

  /** Columns of a tile. */
  int columns();

  /**
   * Writes A B to a dense {@code tile}. Element (i, p) of A is at {@code a + i·aRow + p·aStep};
   * only {@code valid} rows of A exist, and rows of the tile after them are copies of the last one.
   * Row p of B is at {@code b + p·bStep}.
   */
  void sums(int k, long a, long aRow, long aStep, int valid, long b, long bStep, long tile);

  /**
   * C = alpha · tile + beta · C for the part of a tile that lies in C; beta = 0 does not read C.
   */
  void merge(long tile, int rows, int columns, float alpha, float beta, long c, long cRow);

  /** Copies {@code count} rows of {@link #columns} floats to dense rows. */
  void copy(long from, long fromStride, int count, long to);

  /** The fastest one for this machine. */
  static MicroKernel select() {
    if (!Simd.available()) {
      return new ScalarKernel();
    }
    boolean manyRegisters =
        Simd.floatLanes() >= 16 || System.getProperty("os.arch").equals("aarch64");
    return manyRegisters ? new VectorKernel6x4() : new VectorKernel6x2();
  }
}
