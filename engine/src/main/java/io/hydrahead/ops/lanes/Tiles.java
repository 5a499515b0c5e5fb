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

  /** What sums start from that are not added to anything. */
  private static final MemorySegment ZEROS = Arena.global().allocate(4L * BYTES, 64);

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
    for (int j = 0; j < n; ) {
      int vectors = vectors(n - j);
      for (int i = 0; i < m; i += 4) {
        tile(
            vectors,
            k,
            a + i * aRow,
            aRow,
            aStep,
            Math.min(4, m - i),
            b + 4L * j,
            bRow,
            c + i * cRow + 4L * j,
            cRow,
            add);
      }
      j += vectors * LANES;
    }
  }

  /** Rows i … i + 3 of {@link #multiply}, of which only {@code valid} are there in A. */
  public static void rows(
      int valid,
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
    for (int j = 0; j < n; ) {
      int vectors = vectors(n - j);
      tile(vectors, k, a, aRow, aStep, valid, b + 4L * j, bRow, c + 4L * j, cRow, add);
      j += vectors * LANES;
    }
  }

  private static int vectors(int columns) {
    int left = columns / LANES;
    return left >= WIDEST ? WIDEST : left >= 2 ? 2 : 1;
  }

  private static void tile(
      int vectors,
      int k,
      long a,
      long aRow,
      long aStep,
      int valid,
      long b,
      long bRow,
      long c,
      long cRow,
      boolean add) {
    switch (vectors) {
      case 4 -> tile4(k, a, aRow, aStep, valid, b, bRow, c, cRow, add);
      case 2 -> tile2(k, a, aRow, aStep, valid, b, bRow, c, cRow, add);
      default -> tile1(k, a, aRow, aStep, valid, b, bRow, c, cRow, add);
    }
  }

  private static void tile4(
      int k,
      long a,
      long aRow,
      long aStep,
      int valid,
      long b,
      long bRow,
      long c,
      long cRow,
      boolean add) {
    long a1 = a + Math.min(1, valid - 1) * aRow;
    long a2 = a + Math.min(2, valid - 1) * aRow;
    long a3 = a + Math.min(3, valid - 1) * aRow;
    long from = add ? c : ZEROS.address();
    long fromRow = add ? cRow : 0;
    FloatVector c00 = FloatVector.fromMemorySegment(S, ALL, from, LE);
    FloatVector c01 = FloatVector.fromMemorySegment(S, ALL, from + BYTES, LE);
    FloatVector c02 = FloatVector.fromMemorySegment(S, ALL, from + 2 * BYTES, LE);
    FloatVector c03 = FloatVector.fromMemorySegment(S, ALL, from + 3 * BYTES, LE);
    FloatVector c10 = FloatVector.fromMemorySegment(S, ALL, from + fromRow, LE);
    FloatVector c11 = FloatVector.fromMemorySegment(S, ALL, from + fromRow + BYTES, LE);
    FloatVector c12 = FloatVector.fromMemorySegment(S, ALL, from + fromRow + 2 * BYTES, LE);
    FloatVector c13 = FloatVector.fromMemorySegment(S, ALL, from + fromRow + 3 * BYTES, LE);
    FloatVector c20 = FloatVector.fromMemorySegment(S, ALL, from + 2 * fromRow, LE);
    FloatVector c21 = FloatVector.fromMemorySegment(S, ALL, from + 2 * fromRow + BYTES, LE);
    FloatVector c22 = FloatVector.fromMemorySegment(S, ALL, from + 2 * fromRow + 2 * BYTES, LE);
    FloatVector c23 = FloatVector.fromMemorySegment(S, ALL, from + 2 * fromRow + 3 * BYTES, LE);
    FloatVector c30 = FloatVector.fromMemorySegment(S, ALL, from + 3 * fromRow, LE);
    FloatVector c31 = FloatVector.fromMemorySegment(S, ALL, from + 3 * fromRow + BYTES, LE);
    FloatVector c32 = FloatVector.fromMemorySegment(S, ALL, from + 3 * fromRow + 2 * BYTES, LE);
    FloatVector c33 = FloatVector.fromMemorySegment(S, ALL, from + 3 * fromRow + 3 * BYTES, LE);
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + BYTES, LE);
      FloatVector b2 = FloatVector.fromMemorySegment(S, ALL, b + 2 * BYTES, LE);
      FloatVector b3 = FloatVector.fromMemorySegment(S, ALL, b + 3 * BYTES, LE);
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + at));
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
      at += aStep;
      b += bRow;
    }
    long r1 = c + cRow;
    long r2 = c + 2 * cRow;
    long r3 = c + 3 * cRow;
    c00.intoMemorySegment(ALL, c, LE);
    c01.intoMemorySegment(ALL, c + BYTES, LE);
    c02.intoMemorySegment(ALL, c + 2 * BYTES, LE);
    c03.intoMemorySegment(ALL, c + 3 * BYTES, LE);
    c10.intoMemorySegment(ALL, r1, LE);
    c11.intoMemorySegment(ALL, r1 + BYTES, LE);
    c12.intoMemorySegment(ALL, r1 + 2 * BYTES, LE);
    c13.intoMemorySegment(ALL, r1 + 3 * BYTES, LE);
    c20.intoMemorySegment(ALL, r2, LE);
    c21.intoMemorySegment(ALL, r2 + BYTES, LE);
    c22.intoMemorySegment(ALL, r2 + 2 * BYTES, LE);
    c23.intoMemorySegment(ALL, r2 + 3 * BYTES, LE);
    c30.intoMemorySegment(ALL, r3, LE);
    c31.intoMemorySegment(ALL, r3 + BYTES, LE);
    c32.intoMemorySegment(ALL, r3 + 2 * BYTES, LE);
    c33.intoMemorySegment(ALL, r3 + 3 * BYTES, LE);
  }

  private static void tile2(
      int k,
      long a,
      long aRow,
      long aStep,
      int valid,
      long b,
      long bRow,
      long c,
      long cRow,
      boolean add) {
    long a1 = a + Math.min(1, valid - 1) * aRow;
    long a2 = a + Math.min(2, valid - 1) * aRow;
    long a3 = a + Math.min(3, valid - 1) * aRow;
    long from = add ? c : ZEROS.address();
    long fromRow = add ? cRow : 0;
    FloatVector c00 = FloatVector.fromMemorySegment(S, ALL, from, LE);
    FloatVector c01 = FloatVector.fromMemorySegment(S, ALL, from + BYTES, LE);
    FloatVector c10 = FloatVector.fromMemorySegment(S, ALL, from + fromRow, LE);
    FloatVector c11 = FloatVector.fromMemorySegment(S, ALL, from + fromRow + BYTES, LE);
    FloatVector c20 = FloatVector.fromMemorySegment(S, ALL, from + 2 * fromRow, LE);
    FloatVector c21 = FloatVector.fromMemorySegment(S, ALL, from + 2 * fromRow + BYTES, LE);
    FloatVector c30 = FloatVector.fromMemorySegment(S, ALL, from + 3 * fromRow, LE);
    FloatVector c31 = FloatVector.fromMemorySegment(S, ALL, from + 3 * fromRow + BYTES, LE);
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector b1 = FloatVector.fromMemorySegment(S, ALL, b + BYTES, LE);
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + at));
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
      at += aStep;
      b += bRow;
    }
    long r1 = c + cRow;
    long r2 = c + 2 * cRow;
    long r3 = c + 3 * cRow;
    c00.intoMemorySegment(ALL, c, LE);
    c01.intoMemorySegment(ALL, c + BYTES, LE);
    c10.intoMemorySegment(ALL, r1, LE);
    c11.intoMemorySegment(ALL, r1 + BYTES, LE);
    c20.intoMemorySegment(ALL, r2, LE);
    c21.intoMemorySegment(ALL, r2 + BYTES, LE);
    c30.intoMemorySegment(ALL, r3, LE);
    c31.intoMemorySegment(ALL, r3 + BYTES, LE);
  }

  private static void tile1(
      int k,
      long a,
      long aRow,
      long aStep,
      int valid,
      long b,
      long bRow,
      long c,
      long cRow,
      boolean add) {
    long a1 = a + Math.min(1, valid - 1) * aRow;
    long a2 = a + Math.min(2, valid - 1) * aRow;
    long a3 = a + Math.min(3, valid - 1) * aRow;
    long from = add ? c : ZEROS.address();
    long fromRow = add ? cRow : 0;
    FloatVector c00 = FloatVector.fromMemorySegment(S, ALL, from, LE);
    FloatVector c10 = FloatVector.fromMemorySegment(S, ALL, from + fromRow, LE);
    FloatVector c20 = FloatVector.fromMemorySegment(S, ALL, from + 2 * fromRow, LE);
    FloatVector c30 = FloatVector.fromMemorySegment(S, ALL, from + 3 * fromRow, LE);
    long at = 0;
    for (int p = 0; p < k; p++) {
      FloatVector b0 = FloatVector.fromMemorySegment(S, ALL, b, LE);
      FloatVector x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a + at));
      c00 = x.fma(b0, c00);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a1 + at));
      c10 = x.fma(b0, c10);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a2 + at));
      c20 = x.fma(b0, c20);
      x = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, a3 + at));
      c30 = x.fma(b0, c30);
      at += aStep;
      b += bRow;
    }
    long r1 = c + cRow;
    long r2 = c + 2 * cRow;
    long r3 = c + 3 * cRow;
    c00.intoMemorySegment(ALL, c, LE);
    c10.intoMemorySegment(ALL, r1, LE);
    c20.intoMemorySegment(ALL, r2, LE);
    c30.intoMemorySegment(ALL, r3, LE);
  }
}
