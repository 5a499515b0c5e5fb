package io.hydrahead.ops.loss;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The whole vectors of a row in {@link CpuTokenLoss}. */
final class VectorLoss {
  private VectorLoss() {}

  /** Largest element; NaN is passed over, since the exponentials will show it. */
  static float max(long x, int count) {
    long whole = 4L * (count & -L);
    FloatVector max = FloatVector.broadcast(VectorMath.S, Float.NEGATIVE_INFINITY);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector v = load(x + i);
      max = max.blend(v, v.compare(VectorOperators.GT, max));
    }
    return max.reduceLanes(VectorOperators.MAX);
  }

  static float exponentials(long x, float shift, long out, int count) {
    long whole = 4L * (count & -L);
    FloatVector max = FloatVector.broadcast(VectorMath.S, shift);
    FloatVector sum = FloatVector.zero(VectorMath.S);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector e = VectorMath.exp(load(x + i).sub(max));
      if (out != 0) {
        store(e, out + i);
      }
      sum = sum.add(e);
    }
    return VectorMath.sum(sum);
  }

  static float divergence(long t, long s, long p, float offset, int count) {
    long whole = 4L * (count & -L);
    FloatVector constant = FloatVector.broadcast(VectorMath.S, offset);
    FloatVector sum = FloatVector.zero(VectorMath.S);
    for (long i = 0; i < whole; i += 4 * L) {
      sum = load(t + i).sub(load(s + i)).sub(constant).fma(load(p + i), sum);
    }
    return VectorMath.sum(sum);
  }
}
