package io.hydrahead.ops.norm;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of a row in {@link CpuRmsNorm}. */
final class VectorNorm {
  private VectorNorm() {}

  static float sums(long x, long w, long dy, float rstd, long dw, int c) {
    long whole = 4L * (c & -L);
    FloatVector reciprocal = FloatVector.broadcast(VectorMath.S, rstd);
    FloatVector sum = FloatVector.zero(VectorMath.S);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector product = load(dy + i).mul(load(x + i));
      store(product.fma(reciprocal, load(dw + i)), dw + i);
      sum = product.fma(load(w + i), sum);
    }
    return VectorMath.sum(sum);
  }

  static void input(
      long x, long w, long dy, float rstd, float slope, long dx, int c, boolean accumulate) {
    long whole = 4L * (c & -L);
    FloatVector reciprocal = FloatVector.broadcast(VectorMath.S, rstd);
    FloatVector factor = FloatVector.broadcast(VectorMath.S, slope);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector g = load(dy + i).mul(reciprocal).mul(load(w + i));
      g = load(x + i).fma(factor, g);
      store(accumulate ? load(dx + i).add(g) : g, dx + i);
    }
  }
}
