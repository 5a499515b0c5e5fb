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
  public void tile(
      int k, long a, long aRow, long aStep, int valid, long b, long bStep,
      float alpha, float beta, long c, long cRow) {
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
    row(alpha, beta, c, c00, c01, c02, c03);
    row(alpha, beta, c + cRow, c10, c11, c12, c13);
  }

  private static void row(
      float alpha, float beta, long c, float v0, float v1, float v2, float v3) {
    put(alpha, beta, c, v0);
    put(alpha, beta, c + 4, v1);
    put(alpha, beta, c + 8, v2);
    put(alpha, beta, c + 12, v3);
  }

  private static float get(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  private static void put(float alpha, float beta, long c, float sum) {
    float value = beta == 0f ? alpha * sum : Math.fma(get(c), beta, alpha * sum);
    ALL.set(JAVA_FLOAT_UNALIGNED, c, value);
  }
}
