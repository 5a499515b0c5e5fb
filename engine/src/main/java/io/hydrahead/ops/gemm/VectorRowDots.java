package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import io.hydrahead.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link RowDots} with the Vector API, four rows at once. bfloat16 is loaded as ints, two weights
 * each: the low half is the even element, the high half the odd one, so x is kept as blocks of even
 * elements followed by odd ones. Sums over lanes follow a fixed tree.
 */
final class VectorRowDots implements RowDots {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final int L = S.length();
  private static final int HIGH = 0xFFFF0000;
  private static final float HALF_SCALE = 0x1p112f;
  private static final int BLOCK = 4;
  private static final int WIDENED = 4096; // elements a row in the scratch

  @Override
  public void prepare(DType weights, long x, int k, long to) {
    int whole = weights == DType.BF16 ? k / (2 * L) * (2 * L) : 0;
    for (int p = 0; p < whole; p += 2 * L) {
      FloatVector low = FloatVector.fromMemorySegment(S, ALL, x + 4L * p, LE);
      FloatVector high = FloatVector.fromMemorySegment(S, ALL, x + 4L * (p + L), LE);
      low.rearrange(EVEN, high).intoMemorySegment(ALL, to + 4L * p, LE);
      low.rearrange(ODD, high).intoMemorySegment(ALL, to + 4L * (p + L), LE);
    }
    MemorySegment.copy(ALL, x + 4L * whole, ALL, to + 4L * whole, 4L * (k - whole));
  }

  @Override
  public void rows(
      DType weights,
      long w,
      int rows,
      int k,
      long x,
      int n,
      long y,
      long yStride,
      boolean accumulate) {
    int quarter = rows / BLOCK;
    int rest = rows % BLOCK;
    for (int r = 0; r < quarter; r++) {
      group(weights, w, r, quarter, BLOCK, k, x, n, y, yStride, accumulate);
    }
    if (rest > 0) {
      group(weights, w, rows - rest, 1, rest, k, x, n, y, yStride, accumulate);
    }
  }

  /**
   * Rows {@code first + c·apart}: each is the next of a long run, so that memory delivers as many
   * sequential streams. Four neighbouring rows at once come at half that speed.
   */
  private static void group(
      DType weights,
      long w,
      int first,
      int apart,
      int count,
      int k,
      long x,
      int n,
      long y,
      long yStride,
      boolean accumulate) {
    long row = (long) k * weights.bytes();
    long from = w + first * row;
    for (int i = 0; i < n; i++) {
      long vector = x + 4L * i * k;
      long out = y + 4 * (i * yStride + first);
      if (weights == DType.F16) {
        widened(from, apart, count, k, vector, out, accumulate);
      } else {
        block(weights, from, apart * row, count, k, vector, out, apart, accumulate);
      }
    }
  }

  /** Halves take a dozen operations each to widen: they go through a piece of scratch first. */
  private static void widened(
      long w, int apart, int count, int k, long x, long y, boolean accumulate) {
    long scratch = JavaGemm.Scratch.panel();
    for (int p = 0; p < k; p += WIDENED) {
      int part = Math.min(WIDENED, k - p);
      for (int c = 0; c < count; c++) {
        widenHalves(w + 2 * ((long) c * apart * k + p), part, scratch + 4L * c * part);
      }
      boolean add = accumulate || p > 0;
      block(DType.F32, scratch, 4L * part, count, part, x + 4L * p, y, apart, add);
    }
  }

  private static void block(
      DType weights,
      long w,
      long stride,
      int count,
      int k,
      long x,
      long y,
      int yStep,
      boolean accumulate) {
    long sums = JavaGemm.Scratch.tile();
    int whole =
        weights == DType.F32
            ? full(w, stride, count - 1, k, x, sums)
            : bf16(w, stride, count - 1, k, x, sums);
    for (int c = 0; c < count; c++) {
      float sum = sum(sums + 4L * L * c);
      if (whole < k) {
        sum += ScalarRowDots.dot(weights, w + c * stride, x, whole, k);
      }
      ScalarRowDots.add(y + 4L * c * yStep, sum, accumulate);
    }
  }

  /*
   * Sums of four rows, of which those after the last repeat it, as vectors at `sums`; the result is
   * how many elements they cover. Vector methods are called here without helpers in between: the
   * compiler gives up inlining ours in a body of this size, and a vector that crosses a call is
   * boxed.
   */

  private static int full(long w, long stride, int last, int k, long x, long sums) {
    long w1 = w + Math.min(1, last) * stride;
    long w2 = w + Math.min(2, last) * stride;
    long w3 = w + Math.min(3, last) * stride;
    FloatVector s0 = FloatVector.zero(S);
    FloatVector s1 = FloatVector.zero(S);
    FloatVector s2 = FloatVector.zero(S);
    FloatVector s3 = FloatVector.zero(S);
    int whole = k / L * L;
    for (int p = 0; p < whole; p += L) {
      long at = 4L * p;
      FloatVector v = FloatVector.fromMemorySegment(S, ALL, x + at, LE);
      s0 = FloatVector.fromMemorySegment(S, ALL, w + at, LE).fma(v, s0);
      s1 = FloatVector.fromMemorySegment(S, ALL, w1 + at, LE).fma(v, s1);
      s2 = FloatVector.fromMemorySegment(S, ALL, w2 + at, LE).fma(v, s2);
      s3 = FloatVector.fromMemorySegment(S, ALL, w3 + at, LE).fma(v, s3);
    }
    s0.intoMemorySegment(ALL, sums, LE);
    s1.intoMemorySegment(ALL, sums + 4L * L, LE);
    s2.intoMemorySegment(ALL, sums + 8L * L, LE);
    s3.intoMemorySegment(ALL, sums + 12L * L, LE);
    return whole;
  }

  private static int bf16(long w, long stride, int last, int k, long x, long sums) {
    long w1 = w + Math.min(1, last) * stride;
    long w2 = w + Math.min(2, last) * stride;
    long w3 = w + Math.min(3, last) * stride;
    FloatVector e0 = FloatVector.zero(S);
    FloatVector e1 = FloatVector.zero(S);
    FloatVector e2 = FloatVector.zero(S);
    FloatVector e3 = FloatVector.zero(S);
    FloatVector o0 = FloatVector.zero(S);
    FloatVector o1 = FloatVector.zero(S);
    FloatVector o2 = FloatVector.zero(S);
    FloatVector o3 = FloatVector.zero(S);
    int whole = k / (2 * L) * (2 * L);
    for (int p = 0; p < whole; p += 2 * L) {
      long at = 2L * p;
      FloatVector even = FloatVector.fromMemorySegment(S, ALL, x + 4L * p, LE);
      FloatVector odd = FloatVector.fromMemorySegment(S, ALL, x + 4L * (p + L), LE);
      IntVector v0 = IntVector.fromMemorySegment(I, ALL, w + at, LE);
      e0 = v0.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(even, e0);
      o0 = v0.and(HIGH).reinterpretAsFloats().fma(odd, o0);
      IntVector v1 = IntVector.fromMemorySegment(I, ALL, w1 + at, LE);
      e1 = v1.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(even, e1);
      o1 = v1.and(HIGH).reinterpretAsFloats().fma(odd, o1);
      IntVector v2 = IntVector.fromMemorySegment(I, ALL, w2 + at, LE);
      e2 = v2.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(even, e2);
      o2 = v2.and(HIGH).reinterpretAsFloats().fma(odd, o2);
      IntVector v3 = IntVector.fromMemorySegment(I, ALL, w3 + at, LE);
      e3 = v3.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().fma(even, e3);
      o3 = v3.and(HIGH).reinterpretAsFloats().fma(odd, o3);
    }
    e0.add(o0).intoMemorySegment(ALL, sums, LE);
    e1.add(o1).intoMemorySegment(ALL, sums + 4L * L, LE);
    e2.add(o2).intoMemorySegment(ALL, sums + 8L * L, LE);
    e3.add(o3).intoMemorySegment(ALL, sums + 12L * L, LE);
    return whole;
  }

  private static final VectorShuffle<Float> EVEN = VectorShuffle.iota(S, 0, 2, false);
  private static final VectorShuffle<Float> ODD = VectorShuffle.iota(S, 1, 2, false);
  private static final VectorShuffle<Float> ROTATE_8 = rotate(8);
  private static final VectorShuffle<Float> ROTATE_4 = rotate(4);
  private static final VectorShuffle<Float> ROTATE_2 = rotate(2);
  private static final VectorShuffle<Float> ROTATE_1 = rotate(1);

  private static VectorShuffle<Float> rotate(int by) {
    return VectorShuffle.iota(S, by, 1, true);
  }

  private static float sum(long address) {
    FloatVector v = FloatVector.fromMemorySegment(S, ALL, address, LE);
    if (L > 8) {
      v = v.add(v.rearrange(ROTATE_8));
    }
    if (L > 4) {
      v = v.add(v.rearrange(ROTATE_4));
    }
    v = v.add(v.rearrange(ROTATE_2));
    return v.add(v.rearrange(ROTATE_1)).lane(0);
  }

  @Override
  public void widen(DType weights, long from, long count, long to) {
    if (weights == DType.F16) {
      widenHalves(from, count, to);
      return;
    }
    long whole = count / L * L;
    for (long i = 0; i < whole; i += L) {
      shorts(from + 2 * i)
          .lanewise(VectorOperators.LSHL, 16)
          .reinterpretAsFloats()
          .intoMemorySegment(ALL, to + 4 * i, LE);
    }
    for (long i = whole; i < count; i++) {
      put(to + 4 * i, weights.widen(ALL.get(JAVA_SHORT_UNALIGNED, from + 2 * i)));
    }
  }

  private static void widenHalves(long from, long count, long to) {
    long whole = count / L * L;
    for (long i = 0; i < whole; i += L) {
      half(shorts(from + 2 * i)).intoMemorySegment(ALL, to + 4 * i, LE);
    }
    for (long i = whole; i < count; i++) {
      put(to + 4 * i, DType.F16.widen(ALL.get(JAVA_SHORT_UNALIGNED, from + 2 * i)));
    }
  }

  private static final VectorSpecies<Short> HALF_WIDTH =
      VectorSpecies.of(short.class, VectorShape.forBitSize(S.vectorBitSize() / 2));

  private static IntVector shorts(long address) {
    return (IntVector)
        ShortVector.fromMemorySegment(HALF_WIDTH, ALL, address, LE)
            .convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
  }

  /** Float of the IEEE half in the low 16 bits of each lane, exact for subnormals too. */
  private static FloatVector half(IntVector bits) {
    IntVector magnitude = bits.and(0x7FFF);
    IntVector sign = bits.sub(magnitude).lanewise(VectorOperators.LSHL, 16);
    IntVector wide =
        magnitude
            .lanewise(VectorOperators.LSHL, 13)
            .reinterpretAsFloats()
            .mul(HALF_SCALE)
            .reinterpretAsInts();
    VectorMask<Integer> special = magnitude.compare(VectorOperators.GE, 0x7C00);
    return wide.lanewise(VectorOperators.OR, 0x7F800000, special).or(sign).reinterpretAsFloats();
  }

  private static void put(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }
}
