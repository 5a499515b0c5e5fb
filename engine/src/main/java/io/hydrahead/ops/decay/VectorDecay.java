package io.hydrahead.ops.decay;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of a group or slice in {@link CpuDecayGate}. */
final class VectorDecay {
  private VectorDecay() {}

  static void decay(long a, long rates, long biases, long g, int count) {
    long whole = 4L * (count & -L);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector dt = load(a + i).add(load(biases + i));
      store(VectorMath.softplus(dt).mul(load(rates + i)), g + i);
    }
  }

  static void strength(long b, float betaMax, long beta, long count) {
    long whole = 4 * (count & -L);
    FloatVector most = FloatVector.broadcast(VectorMath.S, betaMax);
    for (long i = 0; i < whole; i += 4 * L) {
      store(VectorMath.sigmoid(load(b + i)).mul(most), beta + i);
    }
  }

  static void logGradient(long a, long rates, long biases, long dg, long sums, int count) {
    long whole = 4L * (count & -L);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector dt = load(a + i).add(load(biases + i));
      FloatVector scaled = load(rates + i).mul(load(dg + i));
      store(VectorMath.softplus(dt).fma(scaled, load(sums + i)), sums + i);
    }
  }

  static void decayGradient(
      long a, long rates, long biases, long dg, long da, long sums, int count) {
    long whole = 4L * (count & -L);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector dt = load(a + i).add(load(biases + i));
      FloatVector slope = load(rates + i).mul(load(dg + i)).mul(VectorMath.sigmoid(dt));
      store(slope.add(load(sums + i)), sums + i);
      store(slope, da + i);
    }
  }

  static void strengthGradient(long b, float betaMax, long dBeta, long db, long count) {
    long whole = 4 * (count & -L);
    FloatVector most = FloatVector.broadcast(VectorMath.S, betaMax);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector s = VectorMath.sigmoid(load(b + i));
      FloatVector slope = s.neg().fma(s, s); // s (1 − s), rounded once
      store(load(dBeta + i).mul(most).mul(slope), db + i);
    }
  }
}
