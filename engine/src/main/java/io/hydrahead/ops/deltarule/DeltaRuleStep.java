package io.hydrahead.ops.deltarule;

import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.LE;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.ops.lanes.Lanes.set;
import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.hydrahead.ops.lanes.Scratch;
import jdk.incubator.vector.FloatVector;

/**
 * One token of one head: with α = e^g and u = β (v − α Sᵀk), o = (α Sᵀq + (k·q) u)/√K and S ← α S +
 * k uᵀ. The state is read from memory once, and once more from the cache.
 */
final class DeltaRuleStep {
  private DeltaRuleStep() {}

  static void run(DeltaRuleCall c, int index) {
    int keys = c.keyDim;
    int values = c.valueDim;
    long row = c.row(index, 0);
    long k = c.k + 4 * row * keys;
    long q = c.q + 4 * row * keys;
    long v = c.v + 4 * row * values;
    long out = c.out + 4 * row * values;
    long state = c.state(index);
    float alpha = (float) Math.exp(get(c.g + 4 * row));
    float beta = get(c.beta + 4 * row);
    float kq = 0;
    for (int i = 0; i < keys; i++) {
      kq = Math.fma(get(k + 4L * i), get(q + 4L * i), kq);
    }
    long u = Scratch.ofThread().begin(values, 1).take(values);
    int vectors = values / LANES;
    int whole = vectors * LANES;
    long wide = 4L * values;
    for (int j = 0; j < vectors; j += 4) {
      long at = (long) j * BYTES;
      int last = Math.min(3, vectors - j - 1);
      read(last, keys, wide, state + at, k, q, u + at, out + at);
    }
    for (int j = whole; j < values; j++) {
      long at = 4L * j;
      readScalar(keys, wide, state + at, k, q, u + at, out + at);
    }
    for (int j = 0; j < values; j++) {
      long at = 4L * j;
      float uj = beta * (get(v + at) - alpha * get(u + at));
      set(u + at, uj);
      set(out + at, c.norm * (alpha * get(out + at) + kq * uj));
    }
    for (int j = 0; j < vectors; j += 4) {
      long at = (long) j * BYTES;
      int last = Math.min(3, vectors - j - 1);
      update(last, keys, wide, state + at, k, u + at, alpha);
    }
    for (int j = whole; j < values; j++) {
      float uj = get(u + 4L * j);
      for (int i = 0; i < keys; i++) {
        long at = state + i * wide + 4L * j;
        set(at, Math.fma(get(k + 4L * i), uj, get(at) * alpha));
      }
    }
  }

  /*
   * The two loops over the state take four vectors of columns, of which those after the last repeat
   * it: all loads of a row come before its stores. They are too long to be inlined, on purpose:
   * inside of larger methods the compiler now and then runs out of nodes in the middle of one, and
   * vectors that cross what it then leaves as calls are boxed.
   */

  /** Columns of Sᵀk and Sᵀq. */
  private static void read(
      int last, int keys, long wide, long state, long k, long q, long sk, long sq) {
    long one = Math.min(1, last) * (long) BYTES;
    long two = Math.min(2, last) * (long) BYTES;
    long three = last * (long) BYTES;
    FloatVector k0 = FloatVector.zero(S);
    FloatVector k1 = FloatVector.zero(S);
    FloatVector k2 = FloatVector.zero(S);
    FloatVector k3 = FloatVector.zero(S);
    FloatVector q0 = FloatVector.zero(S);
    FloatVector q1 = FloatVector.zero(S);
    FloatVector q2 = FloatVector.zero(S);
    FloatVector q3 = FloatVector.zero(S);
    for (int i = 0; i < keys; i++) {
      FloatVector ki = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, k + 4L * i));
      FloatVector qi = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, q + 4L * i));
      FloatVector s0 = FloatVector.fromMemorySegment(S, ALL, state, LE);
      k0 = ki.fma(s0, k0);
      q0 = qi.fma(s0, q0);
      FloatVector s1 = FloatVector.fromMemorySegment(S, ALL, state + one, LE);
      k1 = ki.fma(s1, k1);
      q1 = qi.fma(s1, q1);
      FloatVector s2 = FloatVector.fromMemorySegment(S, ALL, state + two, LE);
      k2 = ki.fma(s2, k2);
      q2 = qi.fma(s2, q2);
      FloatVector s3 = FloatVector.fromMemorySegment(S, ALL, state + three, LE);
      k3 = ki.fma(s3, k3);
      q3 = qi.fma(s3, q3);
      state += wide;
    }
    k0.intoMemorySegment(ALL, sk, LE);
    k1.intoMemorySegment(ALL, sk + one, LE);
    k2.intoMemorySegment(ALL, sk + two, LE);
    k3.intoMemorySegment(ALL, sk + three, LE);
    q0.intoMemorySegment(ALL, sq, LE);
    q1.intoMemorySegment(ALL, sq + one, LE);
    q2.intoMemorySegment(ALL, sq + two, LE);
    q3.intoMemorySegment(ALL, sq + three, LE);
  }

  private static void readScalar(
      int keys, long wide, long state, long k, long q, long sk, long sq) {
    float k0 = 0;
    float q0 = 0;
    for (int i = 0; i < keys; i++) {
      float a = get(state + i * wide);
      k0 = Math.fma(get(k + 4L * i), a, k0);
      q0 = Math.fma(get(q + 4L * i), a, q0);
    }
    set(sk, k0);
    set(sq, q0);
  }

  /** Columns of S ← α S + k uᵀ. */
  private static void update(
      int last, int keys, long wide, long state, long k, long u, float alpha) {
    long one = Math.min(1, last) * (long) BYTES;
    long two = Math.min(2, last) * (long) BYTES;
    long three = last * (long) BYTES;
    FloatVector keep = FloatVector.broadcast(S, alpha);
    FloatVector u0 = FloatVector.fromMemorySegment(S, ALL, u, LE);
    FloatVector u1 = FloatVector.fromMemorySegment(S, ALL, u + one, LE);
    FloatVector u2 = FloatVector.fromMemorySegment(S, ALL, u + two, LE);
    FloatVector u3 = FloatVector.fromMemorySegment(S, ALL, u + three, LE);
    for (int i = 0; i < keys; i++) {
      FloatVector ki = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, k + 4L * i));
      FloatVector s0 = FloatVector.fromMemorySegment(S, ALL, state, LE).mul(keep);
      FloatVector s1 = FloatVector.fromMemorySegment(S, ALL, state + one, LE).mul(keep);
      FloatVector s2 = FloatVector.fromMemorySegment(S, ALL, state + two, LE).mul(keep);
      FloatVector s3 = FloatVector.fromMemorySegment(S, ALL, state + three, LE).mul(keep);
      ki.fma(u0, s0).intoMemorySegment(ALL, state, LE);
      ki.fma(u1, s1).intoMemorySegment(ALL, state + one, LE);
      ki.fma(u2, s2).intoMemorySegment(ALL, state + two, LE);
      ki.fma(u3, s3).intoMemorySegment(ALL, state + three, LE);
      state += wide;
    }
  }
}
