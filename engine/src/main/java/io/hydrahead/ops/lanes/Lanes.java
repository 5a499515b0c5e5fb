package io.hydrahead.ops.lanes;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of the machine's preferred length at native addresses, which the caller has checked
 * ({@link io.hydrahead.tensor.NativeMemory}). To be loaded only when {@link
 * io.hydrahead.tensor.Simd#available} says so.
 *
 * <p>Loops over vectors, here and in the kernels, call the Vector API directly and pass vectors to
 * no other method: past some size of a compilation nothing else is inlined, and a vector that
 * leaves a method is allocated.
 */
public final class Lanes {
  public static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  public static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

  /** Floats a vector. */
  public static final int LANES = S.length();

  /** Bytes a vector. */
  public static final int BYTES = Float.BYTES * LANES;

  /** log₂ e. */
  public static final double LOG2_E = 1 / Math.log(2);

  private static final VectorShuffle<Float> BY_8 = swap(8);
  private static final VectorShuffle<Float> BY_4 = swap(4);
  private static final VectorShuffle<Float> BY_2 = swap(2);
  private static final VectorShuffle<Float> BY_1 = swap(1);

  private static final VectorShuffle<Float> BY_HALF = swap(LANES / 2);
  private static final VectorMask<Float> HIGH_HALF = high(LANES / 2);
  private static final VectorMask<Float> HIGH_4 = high(4);
  private static final VectorMask<Float> HIGH_2 = high(2);
  private static final VectorMask<Float> HIGH_1 = high(1);

  private Lanes() {}

  /** Exchanges lanes {@code distance} apart. */
  private static VectorShuffle<Float> swap(int distance) {
    return VectorShuffle.fromOp(S, i -> (i ^ distance) % LANES);
  }

  /** Lanes whose index has the bit {@code distance}. */
  private static VectorMask<Float> high(int distance) {
    long bits = 0;
    for (int i = 0; i < LANES; i++) {
      bits |= (i & distance) != 0 ? 1L << i : 0;
    }
    return VectorMask.fromLong(S, bits);
  }

  /** {@code n} rounded up to whole vectors. */
  public static int padded(int n) {
    return (n + LANES - 1) / LANES * LANES;
  }

  public static float get(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  public static void set(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }

  /**
   * x ← 2^(x − {@code minus}) for {@code n} vectors {@code stride} bytes apart, and adds them to
   * the vector at {@code sum}; {@code minus} too is the address of a vector. For differences up to
   * 100, to 2e-7 relative; below −126 it stays at 2^−126; exactly 1 at 0. The polynomial is exp2f's
   * of the Cephes library (S. Moshier).
   */
  public static void exp2(int n, long x, long stride, long minus, long sum) {
    FloatVector low = FloatVector.broadcast(S, -126f);
    FloatVector round = FloatVector.broadcast(S, 0x1.8p23f); // adding it leaves an integer
    FloatVector one = FloatVector.broadcast(S, 1f);
    FloatVector c1 = FloatVector.broadcast(S, 6.931472028550421e-1f);
    FloatVector c2 = FloatVector.broadcast(S, 2.402264791363012e-1f);
    FloatVector c3 = FloatVector.broadcast(S, 5.550332471162809e-2f);
    FloatVector c4 = FloatVector.broadcast(S, 9.618437357674640e-3f);
    FloatVector c5 = FloatVector.broadcast(S, 1.339887440266574e-3f);
    FloatVector c6 = FloatVector.broadcast(S, 1.535336188319500e-4f);
    FloatVector m = FloatVector.fromMemorySegment(S, ALL, minus, LE);
    FloatVector total = FloatVector.fromMemorySegment(S, ALL, sum, LE);
    for (int j = 0; j < n; j++) {
      FloatVector y = FloatVector.fromMemorySegment(S, ALL, x, LE).sub(m).max(low);
      FloatVector rounded = y.add(round);
      FloatVector f = y.sub(rounded.sub(round));
      FloatVector p = c6.fma(f, c5).fma(f, c4).fma(f, c3).fma(f, c2).fma(f, c1).fma(f, one);
      IntVector power = rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
      FloatVector e = p.reinterpretAsInts().add(power).reinterpretAsFloats();
      e.intoMemorySegment(ALL, x, LE);
      total = total.add(e);
      x += stride;
    }
    total.intoMemorySegment(ALL, sum, LE);
  }

  /**
   * to[j] = sum of the lanes of vector j, in the same order whether or not this is compiled, which
   * {@code reduceLanes} does not promise. In place if {@code to} is {@code vectors}.
   */
  public static void sumLanes(int n, long vectors, long to) {
    for (int j = 0; j < n; j++) {
      FloatVector v = FloatVector.fromMemorySegment(S, ALL, vectors, LE);
      if (LANES > 8) {
        v = v.add(v.rearrange(BY_8));
      }
      if (LANES > 4) {
        v = v.add(v.rearrange(BY_4));
      }
      v = v.add(v.rearrange(BY_2));
      v = v.add(v.rearrange(BY_1));
      ALL.set(JAVA_FLOAT_UNALIGNED, to, v.lane(0));
      vectors += BYTES;
      to += Float.BYTES;
    }
  }

  /** Zeros from {@code address}; {@code floats} is rounded up to whole vectors. */
  public static void zero(long address, long floats) {
    FloatVector zero = FloatVector.zero(S);
    for (long end = address + 4 * floats; address < end; address += BYTES) {
      zero.intoMemorySegment(ALL, address, LE);
    }
  }

  /**
   * Copies {@code rows} rows of {@code width} floats, each times {@code scale}, and fills the
   * target rows up to whole vectors with zeros. Strides in bytes.
   */
  public static void pack(
      int rows, int width, float scale, long from, long fromRow, long to, long toRow) {
    unpack(rows, width, scale, from, fromRow, to, toRow);
    for (int c = width; c < padded(width); c++) {
      for (int i = 0; i < rows; i++) {
        set(to + i * toRow + 4L * c, 0f);
      }
    }
  }

  /**
   * Copies {@code rows} rows of {@code width} floats, each times {@code scale}. Strides in bytes.
   */
  public static void unpack(
      int rows, int width, float scale, long from, long fromRow, long to, long toRow) {
    int whole = width / LANES * LANES;
    if (width == whole && fromRow == 4L * width && toRow == fromRow) {
      column((int) ((long) rows * whole / LANES), scale, from, BYTES, to, BYTES);
      return;
    }
    int c = 0;
    for (; c + 4 * LANES <= whole; c += 4 * LANES) { // whole lines of memory at once
      columns(rows, scale, from + 4L * c, fromRow, to + 4L * c, toRow);
    }
    for (; c < whole; c += LANES) {
      column(rows, scale, from + 4L * c, fromRow, to + 4L * c, toRow);
    }
    for (; c < width; c++) {
      for (int i = 0; i < rows; i++) {
        set(to + i * toRow + 4L * c, get(from + i * fromRow + 4L * c) * scale);
      }
    }
  }

  private static void columns(int rows, float scale, long from, long fromRow, long to, long toRow) {
    FloatVector factor = FloatVector.broadcast(S, scale);
    for (int i = 0; i < rows; i++) {
      FloatVector x0 = FloatVector.fromMemorySegment(S, ALL, from, LE);
      FloatVector x1 = FloatVector.fromMemorySegment(S, ALL, from + BYTES, LE);
      FloatVector x2 = FloatVector.fromMemorySegment(S, ALL, from + 2 * BYTES, LE);
      FloatVector x3 = FloatVector.fromMemorySegment(S, ALL, from + 3 * BYTES, LE);
      x0.mul(factor).intoMemorySegment(ALL, to, LE);
      x1.mul(factor).intoMemorySegment(ALL, to + BYTES, LE);
      x2.mul(factor).intoMemorySegment(ALL, to + 2 * BYTES, LE);
      x3.mul(factor).intoMemorySegment(ALL, to + 3 * BYTES, LE);
      from += fromRow;
      to += toRow;
    }
  }

  private static void column(int rows, float scale, long from, long fromRow, long to, long toRow) {
    FloatVector factor = FloatVector.broadcast(S, scale);
    for (int i = 0; i < rows; i++) {
      FloatVector.fromMemorySegment(S, ALL, from, LE).mul(factor).intoMemorySegment(ALL, to, LE);
      from += fromRow;
      to += toRow;
    }
  }

  /** to[c][r] = scale · from[r][c] for {@code rows} × {@code columns}. Strides in bytes. */
  public static void transpose(
      int rows, int columns, float scale, long from, long fromRow, long to, long toRow) {
    int wholeRows = rows / LANES * LANES;
    int wholeColumns = columns / LANES * LANES;
    for (int r = 0; r < wholeRows; r += LANES) {
      for (int c = 0; c < wholeColumns; c += LANES) {
        square(scale, from + r * fromRow + 4L * c, fromRow, to + c * toRow + 4L * r, toRow);
      }
    }
    if (wholeColumns < columns) {
      long at = 4L * wholeColumns;
      elements(
          wholeRows,
          columns - wholeColumns,
          scale,
          from + at,
          fromRow,
          to + wholeColumns * toRow,
          toRow);
    }
    if (wholeRows < rows) {
      long at = wholeRows * fromRow;
      elements(rows - wholeRows, columns, scale, from + at, fromRow, to + 4L * wholeRows, toRow);
    }
  }

  private static void elements(
      int rows, int columns, float scale, long from, long fromRow, long to, long toRow) {
    for (int r = 0; r < rows; r++) {
      long out = to + 4L * r;
      for (int c = 0; c < columns; c++) {
        ALL.set(JAVA_FLOAT_UNALIGNED, out, ALL.get(JAVA_FLOAT_UNALIGNED, from + 4L * c) * scale);
        out += toRow;
      }
      from += fromRow;
    }
  }

  /**
   * Transposes one square of whole vectors: rows d apart exchange halves of every 2·d lanes, for d
   * = {@link #LANES}/2 … 1 (J. O. Eklundh, A Fast Computer Method for Matrix Transposing, 1972).
   */
  private static void square(float scale, long from, long fromRow, long to, long toRow) {
    int half = LANES / 2;
    FloatVector factor = FloatVector.broadcast(S, scale);
    for (int i = 0; i < half; i++) {
      long x = from + i * fromRow;
      FloatVector a = FloatVector.fromMemorySegment(S, ALL, x, LE).mul(factor);
      FloatVector b = FloatVector.fromMemorySegment(S, ALL, x + half * fromRow, LE).mul(factor);
      long y = to + i * toRow;
      a.blend(b.rearrange(BY_HALF), HIGH_HALF).intoMemorySegment(ALL, y, LE);
      a.rearrange(BY_HALF).blend(b, HIGH_HALF).intoMemorySegment(ALL, y + half * toRow, LE);
    }
    if (LANES > 8) {
      for (int p = 0; p < half; p++) {
        long y = to + (p + (p & -4)) * toRow;
        FloatVector a = FloatVector.fromMemorySegment(S, ALL, y, LE);
        FloatVector b = FloatVector.fromMemorySegment(S, ALL, y + 4 * toRow, LE);
        a.blend(b.rearrange(BY_4), HIGH_4).intoMemorySegment(ALL, y, LE);
        a.rearrange(BY_4).blend(b, HIGH_4).intoMemorySegment(ALL, y + 4 * toRow, LE);
      }
    }
    for (int p = 0; p < half; p++) {
      long y = to + (p + (p & -2)) * toRow;
      FloatVector a = FloatVector.fromMemorySegment(S, ALL, y, LE);
      FloatVector b = FloatVector.fromMemorySegment(S, ALL, y + 2 * toRow, LE);
      a.blend(b.rearrange(BY_2), HIGH_2).intoMemorySegment(ALL, y, LE);
      a.rearrange(BY_2).blend(b, HIGH_2).intoMemorySegment(ALL, y + 2 * toRow, LE);
    }
    for (int p = 0; p < half; p++) {
      long y = to + (p + (p & -1)) * toRow;
      FloatVector a = FloatVector.fromMemorySegment(S, ALL, y, LE);
      FloatVector b = FloatVector.fromMemorySegment(S, ALL, y + 1 * toRow, LE);
      a.blend(b.rearrange(BY_1), HIGH_1).intoMemorySegment(ALL, y, LE);
      a.rearrange(BY_1).blend(b, HIGH_1).intoMemorySegment(ALL, y + 1 * toRow, LE);
    }
  }
}
