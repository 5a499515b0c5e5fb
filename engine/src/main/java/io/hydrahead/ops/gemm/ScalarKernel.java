package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

/** {@link MicroKernel} without the Vector API: 2 × 4 sums in locals. */
final class ScalarKernel implements MicroKernel {
  @Override
  public int rows() {
    return 2;
  }

  @Override
  public int columns() {
    return 4;
  }

  @Override
  public void sums(int k, long a, long aRow, long aStep, int valid, long b, long bStep, long tile) {
    long second = valid > 1 ? aRow : 0;
    float c00 = 0, c01 = 0, c02 = 0, c03 = 0;
    float c10 = 0, c11 = 0, c12 = 0, c13 = 0;
    for (int p = 0; p < k; p++) {
      float b0 = get(b);
      float b1 = get(b + 4);
      float b2 = get(b + 8);
      float b3 = get(b + 12);
      float x = get(a);
      float y = get(a + second);
      c00 += x * b0;
      c01 += x * b1;
      c02 += x * b2;
      c03 += x * b3;
      c10 += y * b0;
      c11 += y * b1;
      c12 += y * b2;
      c13 += y * b3;
      a += aStep;
      b += bStep;
    }
    row(tile, c00, c01, c02, c03);
    row(tile + 16, c10, c11, c12, c13);
  }

  private static void row(long tile, float v0, float v1, float v2, float v3) {
    put(tile, v0);
    put(tile + 4, v1);
    put(tile + 8, v2);
    put(tile + 12, v3);
  }

  @Override
  public void copy(long from, long fromStride, int count, long to) {
    for (int p = 0; p < count; p++) {
      for (int j = 0; j < 4; j++) {
        put(to + 16L * p + 4L * j, get(from + p * fromStride + 4L * j));
      }
    }
  }

  @Override
  public void merge(long tile, int rows, int columns, float alpha, float beta, long c, long cRow) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        long to = c + i * cRow + 4L * j;
        float value = alpha * get(tile + 16L * i + 4L * j);
        put(to, beta == 0f ? value : beta * get(to) + value);
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
