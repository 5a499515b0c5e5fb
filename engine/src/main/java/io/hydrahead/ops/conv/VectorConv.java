package io.hydrahead.ops.conv;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of {@link CpuShortConv}'s activation. */
final class VectorConv {
  private VectorConv() {}

  static void silu(long x, long n) {
    long whole = 4 * (n & -L);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector v = load(x + i);
      store(v.mul(VectorMath.sigmoid(v)), x + i);
    }
  }

  static void slope(long x, long dy, long n) {
    long whole = 4 * (n & -L);
    FloatVector one = FloatVector.broadcast(VectorMath.S, 1f);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector v = load(x + i);
      FloatVector s = VectorMath.sigmoid(v);
      store(load(dy + i).mul(v.mul(s).fma(one.sub(s), s)), dy + i);
    }
  }
}
