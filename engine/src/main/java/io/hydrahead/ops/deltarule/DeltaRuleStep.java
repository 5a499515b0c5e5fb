package io.hydrahead.ops.deltarule;

import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.ops.lanes.Lanes.load;
import static io.hydrahead.ops.lanes.Lanes.set;
import static io.hydrahead.ops.lanes.Lanes.spread;
import static io.hydrahead.ops.lanes.Lanes.store;

import jdk.incubator.vector.FloatVector;

/**
 * One token of one head: with α = e^g and u = β (v − α Sᵀk), o = (α Sᵀq + (k·q) u)/√K and S ← α S +
 * k uᵀ. The state is read twice, from memory and then from the cache.
 */
final class DeltaRuleStep {
  private DeltaRuleStep() {}

  static void run(DeltaRuleCall c, int index) {
    long row = c.row(index, 0);
    long k = c.k + 4 * row * c.keyDim;
    long q = c.q + 4 * row * c.keyDim;
    long v = c.v + 4 * row * c.valueDim;
    long out = c.out + 4 * row * c.valueDim;
    long state = c.state(index);
    float alpha = (float) Math.exp(get(c.g + 4 * row));
    float beta = get(c.beta + 4 * row);
    float kq = 0;
    for (int i = 0; i < c.keyDim; i++) {
      kq = Math.fma(get(k + 4L * i), get(q + 4L * i), kq);
    }
    long wide = 4L * c.valueDim;
    int j = 0;
    for (; j + 2 * LANES <= c.valueDim; j += 2 * LANES) {
      long at = 4L * j;
      two(c.keyDim, wide, state + at, k, q, v + at, alpha, beta, kq, c.norm, out + at);
    }
    for (; j + LANES <= c.valueDim; j += LANES) {
      long at = 4L * j;
      one(c.keyDim, wide, state + at, k, q, v + at, alpha, beta, kq, c.norm, out + at);
    }
    for (; j < c.valueDim; j++) {
      long at = 4L * j;
      scalar(c.keyDim, wide, state + at, k, q, v + at, alpha, beta, kq, c.norm, out + at);
    }
  }

  private static void two(
      int keys, long wide, long state, long k, long q, long v, float alpha, float beta, float kq,
      float norm, long out) {
    FloatVector sk0 = FloatVector.zero(S);
    FloatVector sk1 = sk0;
    FloatVector sq0 = sk0;
    FloatVector sq1 = sk0;
    long s = state;
    for (int i = 0; i < keys; i++) {
      FloatVector a = load(s);
      FloatVector b = load(s + BYTES);
      FloatVector ki = spread(k + 4L * i);
      FloatVector qi = spread(q + 4L * i);
      sk0 = ki.fma(a, sk0);
      sk1 = ki.fma(b, sk1);
      sq0 = qi.fma(a, sq0);
      sq1 = qi.fma(b, sq1);
      s += wide;
    }
    FloatVector u0 = load(v).sub(sk0.mul(alpha)).mul(beta);
    FloatVector u1 = load(v + BYTES).sub(sk1.mul(alpha)).mul(beta);
    store(out, sq0.mul(alpha).add(u0.mul(kq)).mul(norm));
    store(out + BYTES, sq1.mul(alpha).add(u1.mul(kq)).mul(norm));
    s = state;
    for (int i = 0; i < keys; i++) {
      FloatVector ki = spread(k + 4L * i);
      store(s, ki.fma(u0, load(s).mul(alpha)));
      store(s + BYTES, ki.fma(u1, load(s + BYTES).mul(alpha)));
      s += wide;
    }
  }

  private static void one(
      int keys, long wide, long state, long k, long q, long v, float alpha, float beta, float kq,
      float norm, long out) {
    FloatVector sk = FloatVector.zero(S);
    FloatVector sq = sk;
    long s = state;
    for (int i = 0; i < keys; i++) {
      FloatVector a = load(s);
      sk = spread(k + 4L * i).fma(a, sk);
      sq = spread(q + 4L * i).fma(a, sq);
      s += wide;
    }
    FloatVector u = load(v).sub(sk.mul(alpha)).mul(beta);
    store(out, sq.mul(alpha).add(u.mul(kq)).mul(norm));
    s = state;
    for (int i = 0; i < keys; i++) {
      store(s, spread(k + 4L * i).fma(u, load(s).mul(alpha)));
      s += wide;
    }
  }

  private static void scalar(
      int keys, long wide, long state, long k, long q, long v, float alpha, float beta, float kq,
      float norm, long out) {
    float sk = 0;
    float sq = 0;
    for (int i = 0; i < keys; i++) {
      float a = get(state + i * wide);
      sk = Math.fma(get(k + 4L * i), a, sk);
      sq = Math.fma(get(q + 4L * i), a, sq);
    }
    float u = (get(v) - sk * alpha) * beta;
    set(out, (sq * alpha + u * kq) * norm);
    for (int i = 0; i < keys; i++) {
      long s = state + i * wide;
      set(s, Math.fma(get(k + 4L * i), u, get(s) * alpha));
    }
  }
}
