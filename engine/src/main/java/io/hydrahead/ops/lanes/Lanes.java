package io.hydrahead.ops.lanes;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Vectors of the machine's preferred length at native addresses, which the caller has checked
 * ({@link io.hydrahead.tensor.NativeMemory}). To be loaded only when {@link
 * io.hydrahead.tensor.Simd#available} says so.
 */
public final class Lanes {
  public static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;

  /** Floats a vector. */
  public static final int LANES = S.length();

  /** Bytes a vector. */
  public static final int BYTES = Float.BYTES * LANES;

  /** log₂ e. */
  public static final double LOG2_E = 1 / Math.log(2);

  /** Adding it rounds to an integer, which then stands in the low bits. */
  private static final float ROUND = 0x1.8p23f;

  private Lanes() {}

  /** {@code n} rounded up to whole vectors. */
  public static int padded(int n) {
    return (n + LANES - 1) / LANES * LANES;
  }

  public static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(S, ALL, address, ByteOrder.LITTLE_ENDIAN);
  }

  public static void store(long address, FloatVector v) {
    v.intoMemorySegment(ALL, address, ByteOrder.LITTLE_ENDIAN);
  }

  /** The float at {@code address} in all lanes. */
  public static FloatVector spread(long address) {
    return FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, address));
  }

  public static float get(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  public static void set(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }

  /**
   * 2^x for x ≤ 128, to 2e-7 relative; below −126 it stays at 2^−126. Exactly 1 at 0. The polynomial
   * is exp2f's of the Cephes library (S. Moshier).
   */
  public static FloatVector exp2(FloatVector x) {
    FloatVector bounded = x.max(-126f);
    FloatVector rounded = bounded.add(ROUND);
    FloatVector f = bounded.sub(rounded.sub(ROUND));
    FloatVector p = FloatVector.broadcast(S, 1.535336188319500e-4f);
    p = p.fma(f, FloatVector.broadcast(S, 1.339887440266574e-3f));
    p = p.fma(f, FloatVector.broadcast(S, 9.618437357674640e-3f));
    p = p.fma(f, FloatVector.broadcast(S, 5.550332471162809e-2f));
    p = p.fma(f, FloatVector.broadcast(S, 2.402264791363012e-1f));
    p = p.fma(f, FloatVector.broadcast(S, 6.931472028550421e-1f));
    p = p.fma(f, FloatVector.broadcast(S, 1f));
    IntVector exponent = rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    return p.reinterpretAsInts().add(exponent).reinterpretAsFloats();
  }

  /** Zeros from {@code address}; {@code floats} is rounded up to whole vectors. */
  public static void zero(long address, long floats) {
    FloatVector zero = FloatVector.zero(S);
    for (long end = address + 4 * floats; address < end; address += BYTES) {
      store(address, zero);
    }
  }

  /**
   * Copies {@code rows} rows of {@code width} floats, each times {@code scale}, and fills the target
   * rows up to whole vectors with zeros. Strides in bytes.
   */
  public static void pack(
      int rows, int width, float scale, long from, long fromRow, long to, long toRow) {
    int whole = width / LANES * LANES;
    int padded = padded(width);
    for (int i = 0; i < rows; i++) {
      for (int c = 0; c < whole; c += LANES) {
        store(to + 4L * c, load(from + 4L * c).mul(scale));
      }
      for (int c = whole; c < width; c++) {
        set(to + 4L * c, get(from + 4L * c) * scale);
      }
      for (int c = width; c < padded; c++) {
        set(to + 4L * c, 0f);
      }
      from += fromRow;
      to += toRow;
    }
  }

  /** Copies {@code rows} rows of {@code width} floats, each times {@code scale}. Strides in bytes. */
  public static void unpack(
      int rows, int width, float scale, long from, long fromRow, long to, long toRow) {
    int whole = width / LANES * LANES;
    for (int i = 0; i < rows; i++) {
      for (int c = 0; c < whole; c += LANES) {
        store(to + 4L * c, load(from + 4L * c).mul(scale));
      }
      for (int c = whole; c < width; c++) {
        set(to + 4L * c, get(from + 4L * c) * scale);
      }
      from += fromRow;
      to += toRow;
    }
  }

  /** to[c][r] = scale · from[r][c] for {@code rows} × {@code columns}. Strides in bytes. */
  public static void transpose(
      int rows, int columns, float scale, long from, long fromRow, long to, long toRow) {
    for (int r = 0; r < rows; r++) {
      long out = to + 4L * r;
      for (int c = 0; c < columns; c++) {
        set(out, get(from + 4L * c) * scale);
        out += toRow;
      }
      from += fromRow;
    }
  }
}
