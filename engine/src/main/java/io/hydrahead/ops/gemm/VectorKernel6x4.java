package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link MicroKernel} of 6 rows × 4 vectors, for machines with 32 vector registers. Written out by
 * hand, without helpers: sums stay in registers only as locals, and the compiler gives up inlining
 * our own methods (not the Vector API's) in a body of this size.
 */
final class VectorKernel6x4 extends VectorKernel {
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
  public void sums(int k, long a, long aRow, long aStep, int valid, long b, long bStep, long tile) {
    if (valid == 1) {
      row(k, a, aStep, b, bStep, tile);
      return;
    }
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
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + L, LE);
      FloatVector b2 = FloatVector.fromMemorySegment(S, ALL, b + 2 * L, LE);
      FloatVector b3 = FloatVector.fromMemorySegment(S, ALL, b + 3 * L, LE);
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a0 + at));
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      c02 = x.fma(b2, c02);
      c03 = x.fma(b3, c03);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a1 + at));
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
      c12 = x.fma(b2, c12);
      c13 = x.fma(b3, c13);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a2 + at));
      c20 = x.fma(b0, c20);
      c21 = x.fma(b1, c21);
      c22 = x.fma(b2, c22);
      c23 = x.fma(b3, c23);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a3 + at));
      c30 = x.fma(b0, c30);
      c31 = x.fma(b1, c31);
      c32 = x.fma(b2, c32);
      c33 = x.fma(b3, c33);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a4 + at));
      c40 = x.fma(b0, c40);
      c41 = x.fma(b1, c41);
      c42 = x.fma(b2, c42);
      c43 = x.fma(b3, c43);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a5 + at));
      c50 = x.fma(b0, c50);
      c51 = x.fma(b1, c51);
      c52 = x.fma(b2, c52);
      c53 = x.fma(b3, c53);
      at += aStep;
      b += bStep;
    }
    c00.intoMemorySegment(ALL, tile, LE);
    c01.intoMemorySegment(ALL, tile + L, LE);
    c02.intoMemorySegment(ALL, tile + 2 * L, LE);
    c03.intoMemorySegment(ALL, tile + 3 * L, LE);
    c10.intoMemorySegment(ALL, tile + 4 * L, LE);
    c11.intoMemorySegment(ALL, tile + 5 * L, LE);
    c12.intoMemorySegment(ALL, tile + 6 * L, LE);
    c13.intoMemorySegment(ALL, tile + 7 * L, LE);
    c20.intoMemorySegment(ALL, tile + 8 * L, LE);
    c21.intoMemorySegment(ALL, tile + 9 * L, LE);
    c22.intoMemorySegment(ALL, tile + 10 * L, LE);
    c23.intoMemorySegment(ALL, tile + 11 * L, LE);
    c30.intoMemorySegment(ALL, tile + 12 * L, LE);
    c31.intoMemorySegment(ALL, tile + 13 * L, LE);
    c32.intoMemorySegment(ALL, tile + 14 * L, LE);
    c33.intoMemorySegment(ALL, tile + 15 * L, LE);
    c40.intoMemorySegment(ALL, tile + 16 * L, LE);
    c41.intoMemorySegment(ALL, tile + 17 * L, LE);
    c42.intoMemorySegment(ALL, tile + 18 * L, LE);
    c43.intoMemorySegment(ALL, tile + 19 * L, LE);
    c50.intoMemorySegment(ALL, tile + 20 * L, LE);
    c51.intoMemorySegment(ALL, tile + 21 * L, LE);
    c52.intoMemorySegment(ALL, tile + 22 * L, LE);
    c53.intoMemorySegment(ALL, tile + 23 * L, LE);
  }

  private static void row(int k, long a, long aStep, long b, long bStep, long tile) {
    FloatVector c0 = FloatVector.zero(S);
    FloatVector c1 = FloatVector.zero(S);
    FloatVector c2 = FloatVector.zero(S);
    FloatVector c3 = FloatVector.zero(S);
    for (int p = 0; p < k; p++) {
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a));
      c0 = x.fma(FloatVector.fromMemorySegment(S, ALL, b, LE), c0);
      c1 = x.fma(FloatVector.fromMemorySegment(S, ALL, b + L, LE), c1);
      c2 = x.fma(FloatVector.fromMemorySegment(S, ALL, b + 2 * L, LE), c2);
      c3 = x.fma(FloatVector.fromMemorySegment(S, ALL, b + 3 * L, LE), c3);
      a += aStep;
      b += bStep;
    }
    c0.intoMemorySegment(ALL, tile, LE);
    c1.intoMemorySegment(ALL, tile + L, LE);
    c2.intoMemorySegment(ALL, tile + 2 * L, LE);
    c3.intoMemorySegment(ALL, tile + 3 * L, LE);
  }
}
