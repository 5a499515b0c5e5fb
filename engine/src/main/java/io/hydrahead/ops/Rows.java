package io.hydrahead.ops;

import static io.hydrahead.ops.Floats.get;
import static io.hydrahead.ops.Floats.set;

import io.hydrahead.tensor.Simd;

/**
 * Loops over one row of float32 that several rooms share, by address: whole vectors first where
 * there is SIMD, the rest in plain Java. Output may be an input.
 */
public final class Rows {
  private static final boolean SIMD = Simd.available();

  private Rows() {}

  /** Σ x y, in an order that depends on n alone. */
  public static float dot(long x, long y, long n) {
    float sum = SIMD ? VectorRows.dot(x, y, n) : 0f;
    for (long i = whole(n); i < n; i++) {
      sum += get(x + 4 * i) * get(y + 4 * i);
    }
    return sum;
  }

  /** y += a x. */
  public static void axpy(float a, long x, long y, long n) {
    if (SIMD) {
      VectorRows.axpy(a, x, y, n);
    }
    for (long i = whole(n); i < n; i++) {
      set(y + 4 * i, Math.fma(a, get(x + 4 * i), get(y + 4 * i)));
    }
  }

  /** y = a x. */
  public static void scale(float a, long x, long y, long n) {
    if (SIMD) {
      VectorRows.scale(a, x, y, n);
    }
    for (long i = whole(n); i < n; i++) {
      set(y + 4 * i, a * get(x + 4 * i));
    }
  }

  /** out = a x + b y. */
  public static void combine(float a, long x, float b, long y, long out, long n) {
    if (SIMD) {
      VectorRows.combine(a, x, b, y, out, n);
    }
    for (long i = whole(n); i < n; i++) {
      set(out + 4 * i, Math.fma(b, get(y + 4 * i), a * get(x + 4 * i)));
    }
  }

  /** y = a x w. */
  public static void scale(float a, long x, long w, long y, long n) {
    if (SIMD) {
      VectorRows.scale(a, x, w, y, n);
    }
    for (long i = whole(n); i < n; i++) {
      set(y + 4 * i, a * get(x + 4 * i) * get(w + 4 * i));
    }
  }

  /** out = x y, or out += x y. */
  public static void multiply(long x, long y, long out, long n, boolean accumulate) {
    if (SIMD) {
      VectorRows.multiply(x, y, out, n, accumulate);
    }
    for (long i = whole(n); i < n; i++) {
      float old = accumulate ? get(out + 4 * i) : 0f;
      set(out + 4 * i, Math.fma(get(x + 4 * i), get(y + 4 * i), old));
    }
  }

  /** How many of {@code n} elements the vector loops cover. */
  public static long whole(long n) {
    return SIMD ? n & -VectorRows.L : 0;
  }

  /**
   * sums[i] + Σ_s partials[s·stride + i] for i below {@code n}, added up in float64 in the order of
   * s.
   */
  public static void reduce(long partials, int count, long stride, long sums, int n) {
    for (int i = 0; i < n; i++) {
      double sum = get(sums + 4L * i);
      for (int s = 0; s < count; s++) {
        sum += get(partials + 4 * (s * stride + i));
      }
      set(sums + 4L * i, (float) sum);
    }
  }
}
