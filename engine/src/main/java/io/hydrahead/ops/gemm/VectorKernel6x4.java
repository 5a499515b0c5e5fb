package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link MicroKernel} of 6 rows × 4 vectors, for machines with 32 vector registers. Written out by
 * hand, since sums stay in registers only as locals.
 */
final class VectorKernel6x4 implements MicroKernel {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final int L = Float.BYTES * S.length();

  @Override
  public int rows() {
    return 6;
  }

  @Override
  public int columns() {
    return 4 * S.length();
  }

  @Override
  public void tile(
      int k, long a, long aRow, long aStep, int valid, long b, long bStep,
      float alpha, float beta, long c, long cRow) {
    long a0 = a;
    long a1 = a + Math.min(1, valid - 1) * aRow;
    long a2 = a + Math.min(2, valid - 1) * aRow;
    long a3 = a + Math.min(3, valid - 1) * aRow;
    long a4 = a + Math.min(4, valid - 1) * aRow;
    long a5 = a + Math.min(5, valid - 1) * aRow;
    FloatVector c00 = FloatVector.zero(S);
    FloatVector c01 = FloatVector.zero(S);
    FloatVector c02 = FloatVector.zero(S);
    FloatVector c03 = FloatVector.zero(S);
    FloatVector c10 = FloatVector.zero(S);
    FloatVector c11 = FloatVector.zero(S);
    FloatVector c12 = FloatVector.zero(S);
    FloatVector c13 = FloatVector.zero(S);
    FloatVector c20 = FloatVector.zero(S);
    FloatVector c21 = FloatVector.zero(S);
    FloatVector c22 = FloatVector.zero(S);
    FloatVector c23 = FloatVector.zero(S);
    FloatVector c30 = FloatVector.zero(S);
    FloatVector c31 = FloatVector.zero(S);
    FloatVector c32 = FloatVector.zero(S);
    FloatVector c33 = FloatVector.zero(S);
    FloatVector c40 = FloatVector.zero(S);
    FloatVector c41 = FloatVector.zero(S);
    FloatVector c42 = FloatVector.zero(S);
    FloatVector c43 = FloatVector.zero(S);
    FloatVector c50 = FloatVector.zero(S);
    FloatVector c51 = FloatVector.zero(S);
    FloatVector c52 = FloatVector.zero(S);
    FloatVector c53 = FloatVector.zero(S);
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = load(b);
      FloatVector b1 = load(b + L);
      FloatVector b2 = load(b + 2 * L);
      FloatVector b3 = load(b + 3 * L);
      FloatVector x = spread(a0 + at);
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      c02 = x.fma(b2, c02);
      c03 = x.fma(b3, c03);
      x = spread(a1 + at);
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
      c12 = x.fma(b2, c12);
      c13 = x.fma(b3, c13);
      x = spread(a2 + at);
      c20 = x.fma(b0, c20);
      c21 = x.fma(b1, c21);
      c22 = x.fma(b2, c22);
      c23 = x.fma(b3, c23);
      x = spread(a3 + at);
      c30 = x.fma(b0, c30);
      c31 = x.fma(b1, c31);
      c32 = x.fma(b2, c32);
      c33 = x.fma(b3, c33);
      x = spread(a4 + at);
      c40 = x.fma(b0, c40);
      c41 = x.fma(b1, c41);
      c42 = x.fma(b2, c42);
      c43 = x.fma(b3, c43);
      x = spread(a5 + at);
      c50 = x.fma(b0, c50);
      c51 = x.fma(b1, c51);
      c52 = x.fma(b2, c52);
      c53 = x.fma(b3, c53);
      at += aStep;
      b += bStep;
    }
    row(alpha, beta, c, c00, c01, c02, c03);
    row(alpha, beta, c + cRow, c10, c11, c12, c13);
    row(alpha, beta, c + 2 * cRow, c20, c21, c22, c23);
    row(alpha, beta, c + 3 * cRow, c30, c31, c32, c33);
    row(alpha, beta, c + 4 * cRow, c40, c41, c42, c43);
    row(alpha, beta, c + 5 * cRow, c50, c51, c52, c53);
  }

  private static void row(
      float alpha, float beta, long c,
      FloatVector v0, FloatVector v1, FloatVector v2, FloatVector v3) {
    if (beta == 0f) {
      v0.mul(alpha).intoMemorySegment(ALL, c, LE);
      v1.mul(alpha).intoMemorySegment(ALL, c + L, LE);
      v2.mul(alpha).intoMemorySegment(ALL, c + 2 * L, LE);
      v3.mul(alpha).intoMemorySegment(ALL, c + 3 * L, LE);
    } else {
      update(alpha, beta, c, v0);
      update(alpha, beta, c + L, v1);
      update(alpha, beta, c + 2 * L, v2);
      update(alpha, beta, c + 3 * L, v3);
    }
  }

  private static void update(float alpha, float beta, long c, FloatVector v) {
    FloatVector scale = FloatVector.broadcast(S, beta);
    load(c).fma(scale, v.mul(alpha)).intoMemorySegment(ALL, c, LE);
  }

  private static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(S, ALL, address, LE);
  }

  private static FloatVector spread(long address) {
    return FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, address));
  }
}
