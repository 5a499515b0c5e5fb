package io.hydrahead.ops.fusion;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of one head in {@link CpuHeadFusion}. */
final class VectorFusion {
  private VectorFusion() {}

  static void gated(float scale, long o, long z, long bias, long out, int d) {
    long whole = 4L * (d & -L);
    FloatVector factor = FloatVector.broadcast(VectorMath.S, scale);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector x = bias == 0 ? load(z + i) : load(z + i).add(load(bias + i));
      store(load(o + i).mul(factor).mul(VectorMath.sigmoid(x)), out + i);
    }
  }

  static float ungate(
      float scale, float rstd, long o, long z, long bias, long dOut, long dO, long dZ, long dBias,
      int d) {
    long whole = 4L * (d & -L);
    FloatVector factor = FloatVector.broadcast(VectorMath.S, scale);
    FloatVector normed = FloatVector.broadcast(VectorMath.S, scale * rstd);
    FloatVector one = FloatVector.broadcast(VectorMath.S, 1f);
    FloatVector sum = FloatVector.zero(VectorMath.S);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector x = bias == 0 ? load(z + i) : load(z + i).add(load(bias + i));
      FloatVector open = VectorMath.sigmoid(x);
      FloatVector passed = load(dOut + i).mul(open);
      FloatVector product = passed.mul(load(o + i));
      FloatVector dz = product.mul(normed).mul(one.sub(open));
      store(passed.mul(factor), dO + i);
      store(dz, dZ + i);
      store(load(dBias + i).add(dz), dBias + i);
      sum = sum.add(product);
    }
    return VectorMath.sum(sum);
  }
}
