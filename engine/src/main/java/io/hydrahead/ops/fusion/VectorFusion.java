package io.hydrahead.ops.fusion;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of one head in {@link CpuHeadFusion}. */
final class VectorFusion {
  private VectorFusion() {}

  /** open = σ(z + bias); no bias when its address is 0. */
  static void open(long z, long bias, long open, int count) {
    long whole = 4L * (count & -L);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector x = bias == 0 ? load(z + i) : load(z + i).add(load(bias + i));
      store(VectorMath.sigmoid(x), open + i);
    }
  }

  static float gated(
      float scale, float rstd, long o, long open, long dOut, long dO, long dZ, long dBias, int d) {
    long whole = 4L * (d & -L);
    FloatVector factor = FloatVector.broadcast(VectorMath.S, scale);
    FloatVector normed = FloatVector.broadcast(VectorMath.S, scale * rstd);
    FloatVector sum = FloatVector.zero(VectorMath.S);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector s = load(open + i);
      FloatVector passed = load(dOut + i).mul(s);
      FloatVector product = passed.mul(load(o + i));
      FloatVector dz = product.mul(normed);
      dz = s.neg().fma(dz, dz); // · (1 − s), rounded once
      store(passed.mul(factor), dO + i);
      store(dz, dZ + i);
      store(load(dBias + i).add(dz), dBias + i);
      sum = sum.add(product);
    }
    return VectorMath.sum(sum);
  }
}
