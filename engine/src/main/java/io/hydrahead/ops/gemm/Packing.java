package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

/**
 * Copies blocks of matrices into the order in which a {@link MicroKernel} reads them. Arguments are
 * addresses; strides are in elements.
 */
final class Packing {
  private static final int DEPTH = 16;
  private static final long LOW = 0xFFFFFFFFL;

  private final MicroKernel kernel;
  private final int tileRows;
  private final int tileColumns;

  Packing(MicroKernel kernel) {
    this.kernel = kernel;
    this.tileRows = kernel.rows();
    this.tileColumns = kernel.columns();
  }

  /**
   * {@code count} columns × k rows of B [k, n] to [k][tileColumns], zeros after the last column.
   */
  void columns(long from, long stride, int count, int k, long to) {
    if (count == tileColumns) {
      kernel.copy(from, 4 * stride, k, to);
      return;
    }
    for (int p = 0; p < k; p++) {
      for (int j = 0; j < tileColumns; j++) {
        put(to + 4L * j, j < count ? get(from + 4L * j) : 0f);
      }
      from += 4 * stride;
      to += 4L * tileColumns;
    }
  }

  /** {@code count} rows of Bᵀ [n, k] to [k][tileColumns], zeros after the last one. */
  void transposed(long from, long stride, int count, int k, long to) {
    int paired = count / 2 * 2;
    for (int p = 0; p < k; p += DEPTH) { // a few lines of each row at a time stay in the cache
      int end = Math.min(p + DEPTH, k);
      for (int j = 0; j < paired; j += 2) {
        pair(from + 4 * j * stride, from + 4 * (j + 1) * stride, p, end, to + 4L * j);
      }
      for (int j = paired; j < tileColumns; j++) {
        for (int q = p; q < end; q++) {
          float v = j < count ? get(from + 4 * (j * stride + q)) : 0f;
          put(to + 4L * (q * tileColumns + j), v);
        }
      }
    }
  }

  /** Elements p to end − 1 of two rows, side by side: 2 × 2 blocks move as 64-bit words. */
  private void pair(long first, long second, int p, int end, long to) {
    long step = 4L * tileColumns;
    long out = to + p * step;
    int q = p;
    for (; q + 1 < end; q += 2) {
      long x = ALL.get(JAVA_LONG_UNALIGNED, first + 4L * q);
      long y = ALL.get(JAVA_LONG_UNALIGNED, second + 4L * q);
      ALL.set(JAVA_LONG_UNALIGNED, out, (x & LOW) | (y << 32));
      ALL.set(JAVA_LONG_UNALIGNED, out + step, (x >>> 32) | (y & ~LOW));
      out += 2 * step;
    }
    if (q < end) {
      put(out, get(first + 4L * q));
      put(out + 4, get(second + 4L * q));
    }
  }

  /**
   * Rows {@code from} … of Aᵀ [k, m], all m columns, to tiles of [k][tileRows] that lie {@code
   * tileStride} floats apart; nothing is written after the last column.
   */
  void rows(long from, long stride, int m, int k, long to, long tileStride) {
    for (int p = 0; p < k; p++) {
      long in = from + 4 * p * stride;
      long out = to + 4L * p * tileRows;
      for (int i = 0; i < m; i += tileRows) {
        int count = Math.min(tileRows, m - i);
        int r = 0;
        for (; r + 1 < count; r += 2) {
          long two = ALL.get(JAVA_LONG_UNALIGNED, in + 4L * (i + r));
          ALL.set(JAVA_LONG_UNALIGNED, out + 4L * r, two);
        }
        if (r < count) {
          put(out + 4L * r, get(in + 4L * (i + r)));
        }
        out += 4 * tileStride;
      }
    }
  }

  private static float get(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  private static void put(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }
}
