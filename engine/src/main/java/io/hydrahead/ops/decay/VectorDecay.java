package io.hydrahead.ops.decay;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of a group of rows in {@link CpuDecayGate}; each returns how many it did. */
final class VectorDecay {
  private VectorDecay() {}

  static int forward(
      long a, long b, long rates, long biases, float betaMax, long g, long beta, int count) {
    long whole = 4L * (count & -L);
    FloatVector most = FloatVector.broadcast(VectorMath.S, betaMax);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector dt = load(a + i).add(load(biases + i));
      store(VectorMath.softplus(dt).mul(load(rates + i)), g + i);
    }
    for (long i = 0; i < whole; i += 4 * L) {
      store(VectorMath.sigmoid(load(b + i)).mul(most), beta + i);
    }
    return count & -L;
  }

  static int backward(
      long a, long rates, long biases, long dg, long da, long logSums, long biasSums, int count) {
    long whole = 4L * (count & -L);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector dt = load(a + i).add(load(biases + i));
      FloatVector scaled = load(rates + i).mul(load(dg + i));
      store(VectorMath.softplus(dt).fma(scaled, load(logSums + i)), logSums + i);
      FloatVector slope = scaled.mul(VectorMath.sigmoid(dt));
      store(slope.add(load(biasSums + i)), biasSums + i);
      store(slope, da + i);
    }
    return count & -L;
  }

  static int strength(long b, float betaMax, long dBeta, long db, int count) {
    long whole = 4L * (count & -L);
    FloatVector most = FloatVector.broadcast(VectorMath.S, betaMax);
    FloatVector one = FloatVector.broadcast(VectorMath.S, 1f);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector s = VectorMath.sigmoid(load(b + i));
      store(load(dBeta + i).mul(most).mul(s).mul(one.sub(s)), db + i);
    }
    return count & -L;
  }
}
