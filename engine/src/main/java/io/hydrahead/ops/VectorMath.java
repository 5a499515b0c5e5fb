package io.hydrahead.ops;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * Elementary functions on vectors of {@link #S}, relative error below 2e-7 where the result is a
 * normal number. NaN stays NaN. Reached only when {@link io.hydrahead.tensor.Simd#available} says
 * so.
 */
public final class VectorMath {
  /** The shape of every vector in the rooms of {@code ops}. */
  public static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;

  private static final int L = S.length();
  private static final VectorSpecies<Integer> I = VectorSpecies.of(int.class, S.vectorShape());

  private static final float LN2_HIGH = 0.693359375f; // ten bits: exact times any exponent
  private static final float LN2_LOW = -2.12194440e-4f;

  // Vectors as constants: the compiler gives up on methods of too many steps, and each broadcast
  // would be one.
  private static final FloatVector ONE = all(1f);
  private static final FloatVector TWO = all(2f);
  private static final FloatVector EXP_ZERO = all(-87.5f);
  private static final FloatVector EXP_INFINITE = all(89f);
  private static final FloatVector LOG2_E = all(1.44269504f);
  private static final FloatVector MINUS_LN2_HIGH = all(-LN2_HIGH);
  private static final FloatVector MINUS_LN2_LOW = all(-LN2_LOW);
  private static final FloatVector MAGIC = all(0x1.8p23f + 126);
  private static final FloatVector P0 = all(2 * 0.49999994f);
  private static final FloatVector P1 = all(2 * 0.16666521f);
  private static final FloatVector P2 = all(2 * 0.04166839f);
  private static final FloatVector P3 = all(2 * 0.008368717f);
  private static final FloatVector P4 = all(2 * 0.0013814599f);

  private static final FloatVector Q0 = all(0.33333337f);
  private static final FloatVector Q1 = all(0.19999443f);
  private static final FloatVector Q2 = all(0.14308336f);
  private static final FloatVector Q3 = all(0.10714921f);
  private static final FloatVector Q4 = all(0.12146618f);

  private VectorMath() {}

  private static FloatVector all(float value) {
    return FloatVector.broadcast(S, value);
  }

  /**
   * e^x. 0 for x &lt; −86.99 (so e^-∞ is 0), above the float range +∞.
   *
   * <p>x = n ln 2 + r with |r| ≤ ln 2 / 2; e^r = 1 + r + r² P(r), P the minimax polynomial of
   * degree 4. All is doubled and then scaled by 2^(n−1), whose exponent field exists for n = 128
   * too.
   */
  public static FloatVector exp(FloatVector x) {
    FloatVector c = x.blend(EXP_ZERO, x.compare(VectorOperators.LT, EXP_ZERO));
    c = c.blend(EXP_INFINITE, c.compare(VectorOperators.GT, EXP_INFINITE));
    FloatVector rounded = c.fma(LOG2_E, MAGIC); // n + 126 in the low bits
    FloatVector n = rounded.sub(MAGIC);
    FloatVector r = n.fma(MINUS_LN2_LOW, n.fma(MINUS_LN2_HIGH, c));
    FloatVector p = P4.fma(r, P3).fma(r, P2).fma(r, P1).fma(r, P0).fma(r, TWO).fma(r, TWO);
    IntVector scale = rounded.reinterpretAsInts().lanewise(VectorOperators.LSHL, 23);
    return p.mul(scale.reinterpretAsFloats());
  }

  /** σ(x) = 1 / (1 + e^−x). */
  public static FloatVector sigmoid(FloatVector x) {
    return ONE.div(exp(x.neg()).add(ONE));
  }

  /** log(1 + e^x), without overflow. */
  public static FloatVector softplus(FloatVector x) {
    FloatVector positive = x.blend(0f, x.compare(VectorOperators.LT, 0f));
    return positive.add(log1p(exp(x.abs().neg())));
  }

  /**
   * log x of normal x > 0; −∞ at 0 and below 2^-126, NaN for negative x.
   *
   * <p>x = 2^e (1 + f) with √½ ≤ 1 + f &lt; √2; with s = f / (2 + f), log(1 + f) = 2 artanh s = f −
   * (f²/2 − s (f²/2 + R(s²))), R(z) = 2z/3 + 2z²/5 + ….
   */
  public static FloatVector log(FloatVector x) {
    IntVector bits = x.reinterpretAsInts();
    IntVector shifted = bits.sub(0x3F3504F3); // √½: the exponent counts from there
    IntVector e = shifted.lanewise(VectorOperators.ASHR, 23);
    FloatVector m = shifted.and(0x7FFFFF).add(0x3F3504F3).reinterpretAsFloats();
    FloatVector f = m.sub(1f);
    FloatVector s = f.div(f.add(2f));
    FloatVector z = s.mul(s);
    FloatVector rest = FloatVector.broadcast(S, 2f / 11);
    rest = rest.fma(z, FloatVector.broadcast(S, 2f / 9));
    rest = rest.fma(z, FloatVector.broadcast(S, 2f / 7));
    rest = rest.fma(z, FloatVector.broadcast(S, 2f / 5));
    rest = rest.fma(z, FloatVector.broadcast(S, 2f / 3));
    FloatVector half = f.mul(f).mul(0.5f);
    FloatVector n = (FloatVector) e.convertShape(VectorOperators.I2F, S, 0);
    FloatVector low = n.mul(LN2_LOW).add(s.mul(rest.fma(z, half)));
    FloatVector y = n.mul(LN2_HIGH).add(f.sub(half.sub(low)));
    y = y.blend(Float.NEGATIVE_INFINITY, x.compare(VectorOperators.LT, Float.MIN_NORMAL));
    VectorMask<Float> special = x.compare(VectorOperators.EQ, Float.POSITIVE_INFINITY);
    y = y.blend(x, special);
    return y.blend(Float.NaN, x.compare(VectorOperators.LT, 0f).or(x.test(VectorOperators.IS_NAN)));
  }

  /**
   * log(1 + x) of 0 ≤ x ≤ 1: with s = x / (2 + x), 2 artanh s = 2s + 2s s² Q(s²), Q the minimax
   * polynomial of degree 4.
   */
  public static FloatVector log1p(FloatVector x) {
    FloatVector s = x.div(x.add(TWO));
    FloatVector z = s.mul(s);
    FloatVector q = Q4.fma(z, Q3).fma(z, Q2).fma(z, Q1).fma(z, Q0);
    FloatVector doubled = s.add(s);
    return doubled.mul(z).fma(q, doubled);
  }

  /** Sum of the lanes by a fixed tree: the same bits in compiled and interpreted code. */
  public static float sum(FloatVector v) {
    if (L > 8) {
      v = v.add(v.rearrange(ROTATE_8));
    }
    if (L > 4) {
      v = v.add(v.rearrange(ROTATE_4));
    }
    if (L > 2) {
      v = v.add(v.rearrange(ROTATE_2));
    }
    return v.add(v.rearrange(ROTATE_1)).lane(0);
  }

  private static final VectorShuffle<Float> ROTATE_8 = rotate(8);
  private static final VectorShuffle<Float> ROTATE_4 = rotate(4);
  private static final VectorShuffle<Float> ROTATE_2 = rotate(2);
  private static final VectorShuffle<Float> ROTATE_1 = rotate(1);

  private static VectorShuffle<Float> rotate(int by) {
    return VectorShuffle.iota(S, by, 1, true);
  }
}
