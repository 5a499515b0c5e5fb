package io.hydrahead.ops.lanes;

import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.LE;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/**
 * Products of small matrices: C [m,n] = A [m,k] B [k,n], or added to C. A is read element by
 * element at any two strides, so transposed operands cost nothing; rows of B and C are contiguous
 * and n is a multiple of the vector length. All strides are in bytes.
 *
 * <p>Tiles are 4 rows high: when m is not a multiple of 4, rows of C up to the next multiple are
 * overwritten with copies and must exist. Each element is one chain of fused multiply-adds in the
 * order of k that starts from 0 or C, so cutting m, n or k into several calls changes no bit.
 */
public final class Tiles {
  /** Widest tile in vectors: 4 needs 32 registers. */
  private static final int WIDEST = LANES == 8 ? 2 : 4;

  /** What sums start from that are not added to anything, and the factor of those that are. */
  private static final MemorySegment ZEROS = Arena.global().allocate(4L * BYTES, 64);

  private static final MemorySegment ONE = Arena.global().allocate(Float.BYTES, 64);

  static {
    ONE.set(JAVA_FLOAT_UNALIGNED, 0, 1f);
  }

  /**
   * Addresses are masked with this, which changes none of them but tells the compiler that they are
   * not negative: it then leaves out the check that every access to {@link
   * io.hydrahead.tensor.NativeMemory#ALL} has. The scalar instructions of these loops compete with
   * the multiply-adds for two ports.
   */
  static final long NATURAL = Long.MAX_VALUE >>> 2;

  private Tiles() {}

  /** C = A B, or C += A B if {@code add}. */
  public static void multiply(
      int m,
      int n,
      int k,
      long a,
      long aRow,
      long aStep,
      long b,
      long bRow,
      long c,
      long cRow,
      boolean add) {
    long from = add ? c : ZEROS.address();
    blocks(m, n, k, a, aRow, aStep, b, bRow, from, add ? cRow : 0, ONE.address(), 0, c, cRow);
  }

  /**
   * Rows C_i = f_i C_i + (A B)_i: f_i is the float {@code i · factorStep} bytes after {@code
   * factor}; there is one for every row up to the next multiple of 4.
   */
  public static void multiplyOnto(
      int m,
      int n,
      int k,
      long a,
      long aRow,
      long aStep,
      long b,
      long bRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    blocks(m, n, k, a, aRow, aStep, b, bRow, c, cRow, factor, factorStep, c, cRow);
  }

  private static void blocks(
      int m,
      int n,
      int k,
      long a,
      long aRow,
      long aStep,
      long b,
      long bRow,
      long from,
      long fromRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    for (int j = 0; j < n; ) {
      int vectors = vectors(n - j);
      long at = 4L * j;
      long start = fromRow == 0 ? from : from + at;
      int i = 0;
      while (i < m) {
        long x = a + i * aRow;
        long s = start + i * fromRow;
        long f = factor + i * factorStep;
        long y = c + i * cRow + at;
        int valid = Math.min(4, m - i);
        if (aRow == Float.BYTES && m - i >= 4) {
          if (vectors == 4) {
            AdjacentTiles.tile4x4(k, x, aStep, b + at, bRow, s, fromRow, f, factorStep, y, cRow);
            i += 4;
            continue;
          }
          if (LANES > 8 && m - i >= 8) {
            if (vectors == 2) {
              AdjacentTiles.tile8x2(k, x, aStep, b + at, bRow, s, fromRow, f, factorStep, y, cRow);
            } else {
              AdjacentTiles.tile8x1(k, x, aStep, b + at, bRow, s, fromRow, f, factorStep, y, cRow);
            }
            i += 8;
            continue;
          }
        }
        switch (vectors) {
          case 4 ->
              tile4(k, x, aRow, aStep, valid, b + at, bRow, s, fromRow, f, factorStep, y, cRow);
          case 2 ->
              tile2(k, x, aRow, aStep, valid, b + at, bRow, s, fromRow, f, factorStep, y, cRow);
          default ->
              tile1(k, x, aRow, aStep, valid, b + at, bRow, s, fromRow, f, factorStep, y, cRow);
        }
        i += 4;
      }
      j += vectors * LANES;
    }
  }

  private static int vectors(int columns) {
    int left = columns / LANES;
    return left >= WIDEST ? WIDEST : left >= 2 ? 2 : 1;
  }

  private static void tile4(
      int k,
      long a,
      long aRow,
      long aStep,
      int valid,
      long b,
      long bRow,
      long from,
      long fromRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    a &= NATURAL;
    long a1 = (a + Math.min(1, valid - 1) * aRow) & NATURAL;
    long a2 = (a + Math.min(2, valid - 1) * aRow) & NATURAL;
    long a3 = (a + Math.min(3, valid - 1) * aRow) & NATURAL;
    long s0 = from & NATURAL;
    long s1 = (s0 + fromRow) & NATURAL;
    long s2 = (s1 + fromRow) & NATURAL;
    long s3 = (s2 + fromRow) & NATURAL;
    factor &= NATURAL;
    factorStep &= NATURAL;
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
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + BYTES, LE);
      FloatVector b2 = FloatVector.fromMemorySegment(S, ALL, b + 2 * BYTES, LE);
      FloatVector b3 = FloatVector.fromMemorySegment(S, ALL, b + 3 * BYTES, LE);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + at));
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
      at = (at + aStep) & NATURAL;
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

  private static void tile2(
      int k,
      long a,
      long aRow,
      long aStep,
      int valid,
      long b,
      long bRow,
      long from,
      long fromRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    a &= NATURAL;
    long a1 = (a + Math.min(1, valid - 1) * aRow) & NATURAL;
    long a2 = (a + Math.min(2, valid - 1) * aRow) & NATURAL;
    long a3 = (a + Math.min(3, valid - 1) * aRow) & NATURAL;
    long s0 = from & NATURAL;
    long s1 = (s0 + fromRow) & NATURAL;
    long s2 = (s1 + fromRow) & NATURAL;
    long s3 = (s2 + fromRow) & NATURAL;
    factor &= NATURAL;
    factorStep &= NATURAL;
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
    b &= NATURAL;
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + BYTES, LE);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + at));
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
      at = (at + aStep) & NATURAL;
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
  }

  private static void tile1(
      int k,
      long a,
      long aRow,
      long aStep,
      int valid,
      long b,
      long bRow,
      long from,
      long fromRow,
      long factor,
      long factorStep,
      long c,
      long cRow) {
    a &= NATURAL;
    long a1 = (a + Math.min(1, valid - 1) * aRow) & NATURAL;
    long a2 = (a + Math.min(2, valid - 1) * aRow) & NATURAL;
    long a3 = (a + Math.min(3, valid - 1) * aRow) & NATURAL;
    long s0 = from & NATURAL;
    long s1 = (s0 + fromRow) & NATURAL;
    long s2 = (s1 + fromRow) & NATURAL;
    long s3 = (s2 + fromRow) & NATURAL;
    factor &= NATURAL;
    factorStep &= NATURAL;
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
    b &= NATURAL;
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + at));
      c00 = x.fma(b0, c00);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a1 + at));
      c10 = x.fma(b0, c10);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a2 + at));
      c20 = x.fma(b0, c20);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a3 + at));
      c30 = x.fma(b0, c30);
      at = (at + aStep) & NATURAL;
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
  }
}
