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
    int whole = values / LANES * LANES;
    int pairs = values / (2 * LANES) * 2 * LANES;
    long wide = 4L * values;
    for (int j = 0; j < pairs; j += 2 * LANES) {
      long at = 4L * j;
      readTwo(keys, wide, state + at, k, q, u + at, out + at);
    }
    if (whole > pairs) {
      long at = 4L * pairs;
      readOne(keys, wide, state + at, k, q, u + at, out + at);
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
    for (int i = 0; i < keys; i++) {
      update(whole, values, state + i * wide, u, alpha, get(k + 4L * i));
    }
  }

  /** Two vectors of columns of Sᵀk and Sᵀq. */
  private static void readTwo(int keys, long wide, long state, long k, long q, long sk, long sq) {
    FloatVector k0 = FloatVector.zero(S);
    FloatVector k1 = FloatVector.zero(S);
    FloatVector q0 = FloatVector.zero(S);
    FloatVector q1 = FloatVector.zero(S);
    for (int i = 0; i < keys; i++) {
      FloatVector a = FloatVector.fromMemorySegment(S, ALL, state, LE);
      FloatVector b = FloatVector.fromMemorySegment(S, ALL, state + BYTES, LE);
      FloatVector ki = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, k + 4L * i));
      FloatVector qi = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, q + 4L * i));
      k0 = ki.fma(a, k0);
      k1 = ki.fma(b, k1);
      q0 = qi.fma(a, q0);
      q1 = qi.fma(b, q1);
      state += wide;
    }
    k0.intoMemorySegment(ALL, sk, LE);
    k1.intoMemorySegment(ALL, sk + BYTES, LE);
    q0.intoMemorySegment(ALL, sq, LE);
    q1.intoMemorySegment(ALL, sq + BYTES, LE);
  }

  private static void readOne(int keys, long wide, long state, long k, long q, long sk, long sq) {
    FloatVector k0 = FloatVector.zero(S);
    FloatVector q0 = FloatVector.zero(S);
    for (int i = 0; i < keys; i++) {
      FloatVector a = FloatVector.fromMemorySegment(S, ALL, state, LE);
      k0 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, k + 4L * i)).fma(a, k0);
      q0 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, q + 4L * i)).fma(a, q0);
      state += wide;
    }
    k0.intoMemorySegment(ALL, sk, LE);
    q0.intoMemorySegment(ALL, sq, LE);
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

  /** One row of S ← α S + k uᵀ. */
  private static void update(int whole, int values, long s, long u, float alpha, float k) {
    FloatVector keep = FloatVector.broadcast(S, alpha);
    FloatVector ki = FloatVector.broadcast(S, k);
    for (int j = 0; j < whole; j += LANES) {
      long at = 4L * j;
      ki.fma(
              FloatVector.fromMemorySegment(S, ALL, u + at, LE),
              FloatVector.fromMemorySegment(S, ALL, s + at, LE).mul(keep))
          .intoMemorySegment(ALL, s + at, LE);
    }
    for (int j = whole; j < values; j++) {
      long at = 4L * j;
      set(s + at, Math.fma(k, get(u + at), get(s + at) * alpha));
    }
  }
}
