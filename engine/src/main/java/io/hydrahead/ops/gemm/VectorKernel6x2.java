package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link MicroKernel} of 6 rows × 2 vectors, for machines with 16 vector registers. Written out by
 * hand, without helpers: sums stay in registers only as locals, and the compiler gives up inlining
 * our own methods (not the Vector API's) in a body of this size.
 */
final class VectorKernel6x2 extends VectorKernel {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final int L = Float.BYTES * S.length();

  @Override
  public int rows() {
    return 6;
  }

  @Override
  public int columns() {
    return 2 * S.length();
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
    FloatVector c10 = FloatVector.zero(S);
    FloatVector c11 = FloatVector.zero(S);
    FloatVector c20 = FloatVector.zero(S);
    FloatVector c21 = FloatVector.zero(S);
    FloatVector c30 = FloatVector.zero(S);
    FloatVector c31 = FloatVector.zero(S);
    FloatVector c40 = FloatVector.zero(S);
    FloatVector c41 = FloatVector.zero(S);
    FloatVector c50 = FloatVector.zero(S);
    FloatVector c51 = FloatVector.zero(S);
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + L, LE);
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a0 + at));
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a1 + at));
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a2 + at));
      c20 = x.fma(b0, c20);
      c21 = x.fma(b1, c21);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a3 + at));
      c30 = x.fma(b0, c30);
      c31 = x.fma(b1, c31);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a4 + at));
      c40 = x.fma(b0, c40);
      c41 = x.fma(b1, c41);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a5 + at));
      c50 = x.fma(b0, c50);
      c51 = x.fma(b1, c51);
      at += aStep;
      b += bStep;
    }
    c00.intoMemorySegment(ALL, tile, LE);
    c01.intoMemorySegment(ALL, tile + L, LE);
    c10.intoMemorySegment(ALL, tile + 2 * L, LE);
    c11.intoMemorySegment(ALL, tile + 3 * L, LE);
    c20.intoMemorySegment(ALL, tile + 4 * L, LE);
    c21.intoMemorySegment(ALL, tile + 5 * L, LE);
    c30.intoMemorySegment(ALL, tile + 6 * L, LE);
    c31.intoMemorySegment(ALL, tile + 7 * L, LE);
    c40.intoMemorySegment(ALL, tile + 8 * L, LE);
    c41.intoMemorySegment(ALL, tile + 9 * L, LE);
    c50.intoMemorySegment(ALL, tile + 10 * L, LE);
    c51.intoMemorySegment(ALL, tile + 11 * L, LE);
  }

  private static void row(int k, long a, long aStep, long b, long bStep, long tile) {
    FloatVector c0 = FloatVector.zero(S);
    FloatVector c1 = FloatVector.zero(S);
    for (int p = 0; p < k; p++) {
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a));
      c0 = x.fma(FloatVector.fromMemorySegment(S, ALL, b, LE), c0);
      c1 = x.fma(FloatVector.fromMemorySegment(S, ALL, b + L, LE), c1);
      a += aStep;
      b += bStep;
    }
    c0.intoMemorySegment(ALL, tile, LE);
    c1.intoMemorySegment(ALL, tile + L, LE);
  }
}
