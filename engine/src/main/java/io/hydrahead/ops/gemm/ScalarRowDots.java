package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.hydrahead.tensor.DType;
import java.lang.foreign.MemorySegment;

/** {@link RowDots} without the Vector API. */
final class ScalarRowDots implements RowDots {
  @Override
  public void prepare(DType weights, long x, int k, long to) {
    MemorySegment.copy(ALL, x, ALL, to, 4L * k);
  }

  @Override
  public void rows(
      DType weights,
      long w,
      int rows,
      int k,
      long x,
      int n,
      long y,
      long yStride,
      boolean accumulate) {
    for (int r = 0; r < rows; r++) {
      long row = w + (long) r * k * weights.bytes();
      for (int i = 0; i < n; i++) {
        float sum = dot(weights, row, x + 4L * i * k, 0, k);
        add(y + 4 * (i * yStride + r), sum, accumulate);
      }
    }
  }

  /** Elements {@code from} to {@code to − 1} of a dot product. */
  static float dot(DType weights, long w, long x, int from, int to) {
    float even = 0;
    float odd = 0;
    int p = from;
    for (; p + 1 < to; p += 2) {
      even += at(weights, w, p) * ALL.get(JAVA_FLOAT_UNALIGNED, x + 4L * p);
      odd += at(weights, w, p + 1) * ALL.get(JAVA_FLOAT_UNALIGNED, x + 4L * p + 4);
    }
    if (p < to) {
      even += at(weights, w, p) * ALL.get(JAVA_FLOAT_UNALIGNED, x + 4L * p);
    }
    return even + odd;
  }

  static void add(long y, float sum, boolean accumulate) {
    float old = accumulate ? ALL.get(JAVA_FLOAT_UNALIGNED, y) : 0f;
    ALL.set(JAVA_FLOAT_UNALIGNED, y, old + sum);
  }

  private static float at(DType weights, long w, long index) {
    return weights == DType.F32
        ? ALL.get(JAVA_FLOAT_UNALIGNED, w + 4 * index)
        : weights.widen(ALL.get(JAVA_SHORT_UNALIGNED, w + 2 * index));
  }

  @Override
  public void widen(DType weights, long from, long count, long to) {
    for (long i = 0; i < count; i++) {
      ALL.set(JAVA_FLOAT_UNALIGNED, to + 4 * i, at(weights, from, i));
    }
  }
}
