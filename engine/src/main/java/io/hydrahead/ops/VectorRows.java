package io.hydrahead.ops;

import static io.hydrahead.tensor.NativeMemory.ALL;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The whole vectors of {@link Rows}, and how vectors are loaded and stored. */
public final class VectorRows {
  private static final VectorSpecies<Float> S = VectorMath.S;
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

  /** Lanes of a vector. */
  public static final int L = S.length();

  private VectorRows() {}

  public static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(S, ALL, address, LE);
  }

  public static void store(FloatVector v, long address) {
    v.intoMemorySegment(ALL, address, LE);
  }

  static float dot(long x, long y, long n) {
    long whole = 4 * (n & -L);
    long quads = 4 * (n & -(4 * L));
    FloatVector s0 = FloatVector.zero(S);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    for (long i = 0; i < quads; i += 16 * L) {
      s0 = load(x + i).fma(load(y + i), s0);
      s1 = load(x + i + 4 * L).fma(load(y + i + 4 * L), s1);
      s2 = load(x + i + 8 * L).fma(load(y + i + 8 * L), s2);
      s3 = load(x + i + 12 * L).fma(load(y + i + 12 * L), s3);
    }
    for (long i = quads; i < whole; i += 4 * L) {
      s0 = load(x + i).fma(load(y + i), s0);
    }
    return VectorMath.sum(s0.add(s1).add(s2.add(s3)));
  }

  static void axpy(float a, long x, long y, long n) {
    long whole = 4 * (n & -L);
    FloatVector factor = FloatVector.broadcast(S, a);
    for (long i = 0; i < whole; i += 4 * L) {
      store(load(x + i).fma(factor, load(y + i)), y + i);
    }
  }

  static void scale(float a, long x, long y, long n) {
    long whole = 4 * (n & -L);
    FloatVector factor = FloatVector.broadcast(S, a);
    for (long i = 0; i < whole; i += 4 * L) {
      store(load(x + i).mul(factor), y + i);
    }
  }

  static void combine(float a, long x, float b, long y, long out, long n) {
    long whole = 4 * (n & -L);
    FloatVector first = FloatVector.broadcast(S, a);
    FloatVector second = FloatVector.broadcast(S, b);
    for (long i = 0; i < whole; i += 4 * L) {
      store(load(y + i).fma(second, load(x + i).mul(first)), out + i);
    }
  }

  static void scale(float a, long x, long w, long y, long n) {
    long whole = 4 * (n & -L);
    FloatVector factor = FloatVector.broadcast(S, a);
    for (long i = 0; i < whole; i += 4 * L) {
      store(load(x + i).mul(factor).mul(load(w + i)), y + i);
    }
  }

  static void multiply(long x, long y, long out, long n, boolean accumulate) {
    long whole = 4 * (n & -L);
    if (accumulate) {
      for (long i = 0; i < whole; i += 4 * L) {
        store(load(x + i).fma(load(y + i), load(out + i)), out + i);
      }
    } else {
      for (long i = 0; i < whole; i += 4 * L) {
        store(load(x + i).mul(load(y + i)), out + i);
      }
    }
  }
}
