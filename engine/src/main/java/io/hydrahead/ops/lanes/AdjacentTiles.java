package io.hydrahead.ops.lanes;

import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LE;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Tiles.NATURAL;
import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import jdk.incubator.vector.FloatVector;

/**
 * The tiles of {@link Tiles} where rows of A are adjacent, as in a transposed matrix: one address
 * and fixed distances serve them all. Of few vectors eight rows at once: four would wait for the
 * latency of their sums.
 */
final class AdjacentTiles {
  private AdjacentTiles() {}

  static void tile4x4(
      int k,
      long a,
      long aStep,
      long b,
      long bRow,
      long from,
      long fromRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    a &= NATURAL;
    long s0 = from & NATURAL;
    long s1 = (s0 + fromRow) & NATURAL;
    long s2 = (s1 + fromRow) & NATURAL;
    long s3 = (s2 + fromRow) & NATURAL;
    factor &= NATURAL;
    FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c00 = FloatVector.fromMemorySegment(S, ALL, s0, LE).mul(x);
    FloatVector c01 = FloatVector.fromMemorySegment(S, ALL, s0 + BYTES, LE).mul(x);
    FloatVector c02 = FloatVector.fromMemorySegment(S, ALL, s0 + 2 * BYTES, LE).mul(x);
    FloatVector c03 = FloatVector.fromMemorySegment(S, ALL, s0 + 3 * BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c10 = FloatVector.fromMemorySegment(S, ALL, s1, LE).mul(x);
    FloatVector c11 = FloatVector.fromMemorySegment(S, ALL, s1 + BYTES, LE).mul(x);
    FloatVector c12 = FloatVector.fromMemorySegment(S, ALL, s1 + 2 * BYTES, LE).mul(x);
    FloatVector c13 = FloatVector.fromMemorySegment(S, ALL, s1 + 3 * BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c20 = FloatVector.fromMemorySegment(S, ALL, s2, LE).mul(x);
    FloatVector c21 = FloatVector.fromMemorySegment(S, ALL, s2 + BYTES, LE).mul(x);
    FloatVector c22 = FloatVector.fromMemorySegment(S, ALL, s2 + 2 * BYTES, LE).mul(x);
    FloatVector c23 = FloatVector.fromMemorySegment(S, ALL, s2 + 3 * BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c30 = FloatVector.fromMemorySegment(S, ALL, s3, LE).mul(x);
    FloatVector c31 = FloatVector.fromMemorySegment(S, ALL, s3 + BYTES, LE).mul(x);
    FloatVector c32 = FloatVector.fromMemorySegment(S, ALL, s3 + 2 * BYTES, LE).mul(x);
    FloatVector c33 = FloatVector.fromMemorySegment(S, ALL, s3 + 3 * BYTES, LE).mul(x);
    b &= NATURAL;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + BYTES, LE);
      FloatVector b2 = FloatVector.fromMemorySegment(S, ALL, b + 2 * BYTES, LE);
      FloatVector b3 = FloatVector.fromMemorySegment(S, ALL, b + 3 * BYTES, LE);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a));
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      c02 = x.fma(b2, c02);
      c03 = x.fma(b3, c03);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 4));
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
      c12 = x.fma(b2, c12);
      c13 = x.fma(b3, c13);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 8));
      c20 = x.fma(b0, c20);
      c21 = x.fma(b1, c21);
      c22 = x.fma(b2, c22);
      c23 = x.fma(b3, c23);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 12));
      c30 = x.fma(b0, c30);
      c31 = x.fma(b1, c31);
      c32 = x.fma(b2, c32);
      c33 = x.fma(b3, c33);
      a = (a + aStep) & NATURAL;
      b = (b + bRow) & NATURAL;
    }
    c &= NATURAL;
    c00.intoMemorySegment(ALL, c, LE);
    c01.intoMemorySegment(ALL, c + BYTES, LE);
    c02.intoMemorySegment(ALL, c + 2 * BYTES, LE);
    c03.intoMemorySegment(ALL, c + 3 * BYTES, LE);
    c = (c + cRow) & NATURAL;
    c10.intoMemorySegment(ALL, c, LE);
    c11.intoMemorySegment(ALL, c + BYTES, LE);
    c12.intoMemorySegment(ALL, c + 2 * BYTES, LE);
    c13.intoMemorySegment(ALL, c + 3 * BYTES, LE);
    c = (c + cRow) & NATURAL;
    c20.intoMemorySegment(ALL, c, LE);
    c21.intoMemorySegment(ALL, c + BYTES, LE);
    c22.intoMemorySegment(ALL, c + 2 * BYTES, LE);
    c23.intoMemorySegment(ALL, c + 3 * BYTES, LE);
    c = (c + cRow) & NATURAL;
    c30.intoMemorySegment(ALL, c, LE);
    c31.intoMemorySegment(ALL, c + BYTES, LE);
    c32.intoMemorySegment(ALL, c + 2 * BYTES, LE);
    c33.intoMemorySegment(ALL, c + 3 * BYTES, LE);
  }

  static void tile8x2(
      int k,
      long a,
      long aStep,
      long b,
      long bRow,
      long from,
      long fromRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    a &= NATURAL;
    long s0 = from & NATURAL;
    long s1 = (s0 + fromRow) & NATURAL;
    long s2 = (s1 + fromRow) & NATURAL;
    long s3 = (s2 + fromRow) & NATURAL;
    long s4 = (s3 + fromRow) & NATURAL;
    long s5 = (s4 + fromRow) & NATURAL;
    long s6 = (s5 + fromRow) & NATURAL;
    long s7 = (s6 + fromRow) & NATURAL;
    factor &= NATURAL;
    FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c00 = FloatVector.fromMemorySegment(S, ALL, s0, LE).mul(x);
    FloatVector c01 = FloatVector.fromMemorySegment(S, ALL, s0 + BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c10 = FloatVector.fromMemorySegment(S, ALL, s1, LE).mul(x);
    FloatVector c11 = FloatVector.fromMemorySegment(S, ALL, s1 + BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c20 = FloatVector.fromMemorySegment(S, ALL, s2, LE).mul(x);
    FloatVector c21 = FloatVector.fromMemorySegment(S, ALL, s2 + BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c30 = FloatVector.fromMemorySegment(S, ALL, s3, LE).mul(x);
    FloatVector c31 = FloatVector.fromMemorySegment(S, ALL, s3 + BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c40 = FloatVector.fromMemorySegment(S, ALL, s4, LE).mul(x);
    FloatVector c41 = FloatVector.fromMemorySegment(S, ALL, s4 + BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c50 = FloatVector.fromMemorySegment(S, ALL, s5, LE).mul(x);
    FloatVector c51 = FloatVector.fromMemorySegment(S, ALL, s5 + BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c60 = FloatVector.fromMemorySegment(S, ALL, s6, LE).mul(x);
    FloatVector c61 = FloatVector.fromMemorySegment(S, ALL, s6 + BYTES, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c70 = FloatVector.fromMemorySegment(S, ALL, s7, LE).mul(x);
    FloatVector c71 = FloatVector.fromMemorySegment(S, ALL, s7 + BYTES, LE).mul(x);
    b &= NATURAL;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + BYTES, LE);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a));
      c00 = x.fma(b0, c00);
      c01 = x.fma(b1, c01);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 4));
      c10 = x.fma(b0, c10);
      c11 = x.fma(b1, c11);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 8));
      c20 = x.fma(b0, c20);
      c21 = x.fma(b1, c21);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 12));
      c30 = x.fma(b0, c30);
      c31 = x.fma(b1, c31);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 16));
      c40 = x.fma(b0, c40);
      c41 = x.fma(b1, c41);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 20));
      c50 = x.fma(b0, c50);
      c51 = x.fma(b1, c51);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 24));
      c60 = x.fma(b0, c60);
      c61 = x.fma(b1, c61);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 28));
      c70 = x.fma(b0, c70);
      c71 = x.fma(b1, c71);
      a = (a + aStep) & NATURAL;
      b = (b + bRow) & NATURAL;
    }
    c &= NATURAL;
    c00.intoMemorySegment(ALL, c, LE);
    c01.intoMemorySegment(ALL, c + BYTES, LE);
    c = (c + cRow) & NATURAL;
    c10.intoMemorySegment(ALL, c, LE);
    c11.intoMemorySegment(ALL, c + BYTES, LE);
    c = (c + cRow) & NATURAL;
    c20.intoMemorySegment(ALL, c, LE);
    c21.intoMemorySegment(ALL, c + BYTES, LE);
    c = (c + cRow) & NATURAL;
    c30.intoMemorySegment(ALL, c, LE);
    c31.intoMemorySegment(ALL, c + BYTES, LE);
    c = (c + cRow) & NATURAL;
    c40.intoMemorySegment(ALL, c, LE);
    c41.intoMemorySegment(ALL, c + BYTES, LE);
    c = (c + cRow) & NATURAL;
    c50.intoMemorySegment(ALL, c, LE);
    c51.intoMemorySegment(ALL, c + BYTES, LE);
    c = (c + cRow) & NATURAL;
    c60.intoMemorySegment(ALL, c, LE);
    c61.intoMemorySegment(ALL, c + BYTES, LE);
    c = (c + cRow) & NATURAL;
    c70.intoMemorySegment(ALL, c, LE);
    c71.intoMemorySegment(ALL, c + BYTES, LE);
  }

  static void tile8x1(
      int k,
      long a,
      long aStep,
      long b,
      long bRow,
      long from,
      long fromRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    a &= NATURAL;
    long s0 = from & NATURAL;
    long s1 = (s0 + fromRow) & NATURAL;
    long s2 = (s1 + fromRow) & NATURAL;
    long s3 = (s2 + fromRow) & NATURAL;
    long s4 = (s3 + fromRow) & NATURAL;
    long s5 = (s4 + fromRow) & NATURAL;
    long s6 = (s5 + fromRow) & NATURAL;
    long s7 = (s6 + fromRow) & NATURAL;
    factor &= NATURAL;
    FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c00 = FloatVector.fromMemorySegment(S, ALL, s0, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c10 = FloatVector.fromMemorySegment(S, ALL, s1, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c20 = FloatVector.fromMemorySegment(S, ALL, s2, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c30 = FloatVector.fromMemorySegment(S, ALL, s3, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c40 = FloatVector.fromMemorySegment(S, ALL, s4, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c50 = FloatVector.fromMemorySegment(S, ALL, s5, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c60 = FloatVector.fromMemorySegment(S, ALL, s6, LE).mul(x);
    factor = (factor + factorStep) & NATURAL;
    x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, factor));
    FloatVector c70 = FloatVector.fromMemorySegment(S, ALL, s7, LE).mul(x);
    b &= NATURAL;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a));
      c00 = x.fma(b0, c00);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 4));
      c10 = x.fma(b0, c10);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 8));
      c20 = x.fma(b0, c20);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 12));
      c30 = x.fma(b0, c30);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 16));
      c40 = x.fma(b0, c40);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 20));
      c50 = x.fma(b0, c50);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 24));
      c60 = x.fma(b0, c60);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + 28));
      c70 = x.fma(b0, c70);
      a = (a + aStep) & NATURAL;
      b = (b + bRow) & NATURAL;
    }
    c &= NATURAL;
    c00.intoMemorySegment(ALL, c, LE);
    c = (c + cRow) & NATURAL;
    c10.intoMemorySegment(ALL, c, LE);
    c = (c + cRow) & NATURAL;
    c20.intoMemorySegment(ALL, c, LE);
    c = (c + cRow) & NATURAL;
    c30.intoMemorySegment(ALL, c, LE);
    c = (c + cRow) & NATURAL;
    c40.intoMemorySegment(ALL, c, LE);
    c = (c + cRow) & NATURAL;
    c50.intoMemorySegment(ALL, c, LE);
    c = (c + cRow) & NATURAL;
    c60.intoMemorySegment(ALL, c, LE);
    c = (c + cRow) & NATURAL;
    c70.intoMemorySegment(ALL, c, LE);
  }
}
