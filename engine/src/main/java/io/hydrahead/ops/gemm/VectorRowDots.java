package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.hydrahead.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * {@link RowDots} with the Vector API, four rows at once. 16-bit weights are loaded as ints, two
 * weights each: the low half is the even element, the high half the odd one, so x is kept as blocks of
 * even elements followed by odd ones. Sums over lanes follow a fixed tree.
 */
final class VectorRowDots implements RowDots {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final int L = S.length();
  private static final int HIGH = 0xFFFF0000;
  private static final float HALF_SCALE = 0x1p112f;
  private static final int BLOCK = 4;

  @Override
  public void prepare(DType weights, long x, int k, long to) {
    int whole = weights == DType.F32 ? 0 : k / (2 * L) * (2 * L);
    for (int p = 0; p < whole; p += 2 * L) {
      for (int i = 0; i < L; i++) {
        put(to + 4L * (p + i), get(x + 4L * (p + 2 * i)));
        put(to + 4L * (p + L + i), get(x + 4L * (p + 2 * i + 1)));
      }
    }
    MemorySegment.copy(ALL, x + 4L * whole, ALL, to + 4L * whole, 4L * (k - whole));
  }

  @Override
  public void rows(
      DType weights, long w, int rows, int k, long x, int n, long y, long yStride,
      boolean accumulate) {
    long stride = (long) k * weights.bytes();
    for (int r = 0; r < rows; r += BLOCK) {
      int count = Math.min(BLOCK, rows - r);
      for (int i = 0; i < n; i++) {
        long vector = x + 4L * i * k;
        long out = y + 4 * (i * yStride + r);
        long row = w + r * stride;
        switch (weights) {
          case F32 -> full(row, stride, count, k, vector, out, accumulate);
          case BF16 -> bf16(row, stride, count, k, vector, out, accumulate);
          case F16 -> half(row, stride, count, k, vector, out, accumulate);
          default -> throw new IllegalArgumentException("weights of " + weights);
        }
      }
    }
  }

  private static void full(
      long w, long stride, int count, int k, long x, long y, boolean accumulate) {
    long w1 = w + Math.min(1, count - 1) * stride;
    long w2 = w + Math.min(2, count - 1) * stride;
    long w3 = w + Math.min(3, count - 1) * stride;
    FloatVector s0 = FloatVector.zero(S);
    FloatVector s1 = FloatVector.zero(S);
    FloatVector s2 = FloatVector.zero(S);
    FloatVector s3 = FloatVector.zero(S);
    int whole = k / L * L;
    for (int p = 0; p < whole; p += L) {
      long at = 4L * p;
      FloatVector v = load(x + at);
      s0 = load(w + at).fma(v, s0);
      s1 = load(w1 + at).fma(v, s1);
      s2 = load(w2 + at).fma(v, s2);
      s3 = load(w3 + at).fma(v, s3);
    }
    finish(
        DType.F32, w, stride, count, whole, k, x, y, accumulate,
        sum(s0), sum(s1), sum(s2), sum(s3));
  }

  private static void bf16(
      long w, long stride, int count, int k, long x, long y, boolean accumulate) {
    long w1 = w + Math.min(1, count - 1) * stride;
    long w2 = w + Math.min(2, count - 1) * stride;
    long w3 = w + Math.min(3, count - 1) * stride;
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
      FloatVector even = load(x + 4L * p);
      FloatVector odd = load(x + 4L * (p + L));
      IntVector v0 = ints(w + at);
      e0 = evenBf16(v0).fma(even, e0);
      o0 = oddBf16(v0).fma(odd, o0);
      IntVector v1 = ints(w1 + at);
      e1 = evenBf16(v1).fma(even, e1);
      o1 = oddBf16(v1).fma(odd, o1);
      IntVector v2 = ints(w2 + at);
      e2 = evenBf16(v2).fma(even, e2);
      o2 = oddBf16(v2).fma(odd, o2);
      IntVector v3 = ints(w3 + at);
      e3 = evenBf16(v3).fma(even, e3);
      o3 = oddBf16(v3).fma(odd, o3);
    }
    finish(
        DType.BF16, w, stride, count, whole, k, x, y, accumulate,
        sum(e0.add(o0)), sum(e1.add(o1)), sum(e2.add(o2)), sum(e3.add(o3)));
  }

  private static void half(
      long w, long stride, int count, int k, long x, long y, boolean accumulate) {
    long w1 = w + Math.min(1, count - 1) * stride;
    long w2 = w + Math.min(2, count - 1) * stride;
    long w3 = w + Math.min(3, count - 1) * stride;
    FloatVector e0 = FloatVector.zero(S);
    FloatVector e1 = FloatVector.zero(S);
    FloatVector e2 = FloatVector.zero(S);
    FloatVector e3 = FloatVector.zero(S);
    int whole = k / (2 * L) * (2 * L);
    for (int p = 0; p < whole; p += 2 * L) {
      long at = 2L * p;
      FloatVector even = load(x + 4L * p);
      FloatVector odd = load(x + 4L * (p + L));
      IntVector v0 = ints(w + at);
      e0 = oddHalf(v0).fma(odd, evenHalf(v0).fma(even, e0));
      IntVector v1 = ints(w1 + at);
      e1 = oddHalf(v1).fma(odd, evenHalf(v1).fma(even, e1));
      IntVector v2 = ints(w2 + at);
      e2 = oddHalf(v2).fma(odd, evenHalf(v2).fma(even, e2));
      IntVector v3 = ints(w3 + at);
      e3 = oddHalf(v3).fma(odd, evenHalf(v3).fma(even, e3));
    }
    finish(
        DType.F16, w, stride, count, whole, k, x, y, accumulate,
        sum(e0), sum(e1), sum(e2), sum(e3));
  }

  private static void finish(
      DType weights, long w, long stride, int count, int whole, int k, long x, long y,
      boolean accumulate, float t0, float t1, float t2, float t3) {
    for (int r = 0; r < count; r++) {
      float total = r == 0 ? t0 : r == 1 ? t1 : r == 2 ? t2 : t3;
      if (whole < k) {
        total += ScalarRowDots.dot(weights, w + r * stride, x, whole, k);
      }
      ScalarRowDots.add(y + 4L * r, total, accumulate);
    }
  }

  private static final VectorShuffle<Float> ROTATE_8 = rotate(8);
  private static final VectorShuffle<Float> ROTATE_4 = rotate(4);
  private static final VectorShuffle<Float> ROTATE_2 = rotate(2);
  private static final VectorShuffle<Float> ROTATE_1 = rotate(1);

  private static VectorShuffle<Float> rotate(int by) {
    return VectorShuffle.iota(S, by, 1, true);
  }

  private static float sum(FloatVector v) {
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
    long whole = count / L * L;
    for (long i = 0; i < whole; i += L) {
      IntVector v = shorts(from + 2 * i);
      FloatVector f = weights == DType.BF16 ? evenBf16(v) : evenHalf(v);
      f.intoMemorySegment(ALL, to + 4 * i, LE);
    }
    for (long i = whole; i < count; i++) {
      short bits = ALL.get(java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED, from + 2 * i);
      put(to + 4 * i, weights.widen(bits));
    }
  }

  private static final VectorSpecies<Short> HALF_WIDTH =
      VectorSpecies.of(
          short.class, jdk.incubator.vector.VectorShape.forBitSize(S.vectorBitSize() / 2));

  private static IntVector shorts(long address) {
    return (IntVector)
        jdk.incubator.vector.ShortVector.fromMemorySegment(HALF_WIDTH, ALL, address, LE)
            .convertShape(VectorOperators.ZERO_EXTEND_S2I, I, 0);
  }

  private static FloatVector evenBf16(IntVector v) {
    return v.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats();
  }

  private static FloatVector oddBf16(IntVector v) {
    return v.and(HIGH).reinterpretAsFloats();
  }

  private static FloatVector evenHalf(IntVector v) {
    return half(v.and(0xFFFF));
  }

  private static FloatVector oddHalf(IntVector v) {
    return half(v.lanewise(VectorOperators.LSHR, 16));
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

  private static IntVector ints(long address) {
    return IntVector.fromMemorySegment(I, ALL, address, LE);
  }

  private static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(S, ALL, address, LE);
  }

  private static float get(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  private static void put(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }
}
