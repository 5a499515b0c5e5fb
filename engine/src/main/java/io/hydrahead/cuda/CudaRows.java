package io.hydrahead.cuda;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** How kernels take the rows of a tensor, which may be a column slice of a wider matrix. */
public final class CudaRows {
  private static final int VECTOR_BYTES = 16;

  private CudaRows() {}

  /** Elements from one row of {@code width} elements to the next. */
  public static long stride(Tensor t, long width) {
    if (t.contiguous()) {
      return width;
    }
    if (t.dim(-1) != width) {
      throw new IllegalArgumentException(t + " is a column slice, its rows are not of " + width);
    }
    return t.rowStride();
  }

  /** Elements that a thread reads at once. */
  public static int vector(DType type) {
    return VECTOR_BYTES / type.bytes();
  }

  /**
   * Whether all rows of {@code width} elements start at multiples of 16 bytes; so does a missing
   * tensor.
   */
  public static boolean aligned(Tensor t, long width) {
    if (t == null) {
      return true;
    }
    long apart = stride(t, width) * t.dtype().bytes();
    return aligned(t) && (apart % VECTOR_BYTES == 0 || t.size() <= width);
  }

  /** Whether all rows of the last dimension's length start at multiples of 16 bytes. */
  public static boolean alignedRows(Tensor t) {
    return aligned(t) && t.rowStride() * t.dtype().bytes() % VECTOR_BYTES == 0;
  }

  /** Whether the tensor starts at a multiple of 16 bytes; so does a missing one. */
  public static boolean aligned(Tensor t) {
    return t == null || t.segment().address() % VECTOR_BYTES == 0;
  }

  /** Lanes of a warp that share a row of {@code vectors} vectors: a power of two. */
  public static int team(int vectors) {
    int team = 1;
    while (team < vectors && team < 32) {
      team *= 2;
    }
    return team;
  }
}
