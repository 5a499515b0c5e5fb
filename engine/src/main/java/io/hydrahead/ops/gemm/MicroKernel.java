package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.Simd;

/**
 * The register-blocked heart of {@link JavaGemm} and {@link TileGemm}: one tile of C, {@link #rows} ×
 * {@link #columns}. All arguments are addresses and strides in bytes.
 *
 * <p>Each element is one chain of fused multiply-adds in the order of k, so its bits depend neither on
 * its place in the tile nor on the tile's neighbours.
 */
interface MicroKernel {
  /** Rows of a tile. */
  int rows();

  /** Columns of a tile. */
  int columns();

  /**
   * C = alpha · A B + beta · C for a whole tile; with beta = 0, C is not read. Element (i, p) of A is
   * at {@code a + i·aRow + p·aStep}; only {@code valid} rows of A exist, and rows of C after them
   * receive copies of the last one. Row p of B is at {@code b + p·bStep}.
   */
  void tile(
      int k, long a, long aRow, long aStep, int valid, long b, long bStep,
      float alpha, float beta, long c, long cRow);

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
