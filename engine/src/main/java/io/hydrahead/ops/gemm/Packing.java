package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * Copies blocks of matrices into the order in which a {@link MicroKernel} reads them. Arguments are
 * addresses; strides are in elements.
 */
final class Packing {
  private final int tileRows;
  private final int tileColumns;

  Packing(int tileRows, int tileColumns) {
    this.tileRows = tileRows;
    this.tileColumns = tileColumns;
  }

  /** {@code count} columns × k rows of B [k, n] to [k][tileColumns], zeros after the last column. */
  void columns(long from, long stride, int count, int k, long to) {
    for (int p = 0; p < k; p++) {
      MemorySegment.copy(ALL, from + 4 * p * stride, ALL, to, 4L * count);
      for (int j = count; j < tileColumns; j++) {
        ALL.set(JAVA_FLOAT_UNALIGNED, to + 4L * j, 0f);
      }
      to += 4L * tileColumns;
    }
  }

  /** {@code count} rows of Bᵀ [n, k] to [k][tileColumns], zeros after the last one. */
  void transposed(long from, long stride, int count, int k, long to) {
    for (int j = 0; j < tileColumns; j++) {
      long out = to + 4L * j;
      long in = from + 4 * j * stride;
      for (int p = 0; p < k; p++) {
        float v = j < count ? ALL.get(JAVA_FLOAT_UNALIGNED, in + 4L * p) : 0f;
        ALL.set(JAVA_FLOAT_UNALIGNED, out + 4L * p * tileColumns, v);
      }
    }
  }

  /** {@code count} columns of Aᵀ [k, m] to [k][tileRows]; nothing is written after the last one. */
  void rows(long from, long stride, int count, int k, long to) {
    for (int p = 0; p < k; p++) {
      for (int i = 0; i < count; i++) {
        float v = ALL.get(JAVA_FLOAT_UNALIGNED, from + 4 * (p * stride + i));
        ALL.set(JAVA_FLOAT_UNALIGNED, to + 4L * i, v);
      }
      to += 4L * tileRows;
    }
  }
}
