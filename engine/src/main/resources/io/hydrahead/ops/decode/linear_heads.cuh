// One Gated DeltaNet step over a slice of a head's state.
//
// Input is the layer's packed projection P [R] float32; `Layer` says where each kind's q, k, v,
// gate z and decay a, b begin in it, each a multiple of four. Output, in the original head order:
// o σ(z) γ [H·d], and parts of each head's Σ o², which is all that the fusion's norm needs besides.
//
// Delta rule (METHOD: HydraHead; Yang et al., arXiv:2412.06464), one pass over S [d, d]:
//   p = α kᵀS, S ← α S + β k (v − p)ᵀ, o = (α qᵀS + β (q·k)(v − p)) / √d
#pragma once
#include "rows.cuh"

struct LinearShared {
  float q[D], k[D];
  float kS[WARPS][SLICE], qS[WARPS][SLICE];
};

constexpr int QUADS = SLICE / 4;
constexpr int ROW_GROUPS = THREADS / QUADS;                           // rows of S at a time
constexpr int STATE_ROWS = D / ROW_GROUPS > 0 ? D / ROW_GROUPS : 1;   // of a thread

// A thread's part of a slice of S, and what else a step needs that is not of this token.
struct StatePart {
  float4 rows[STATE_ROWS];
  Row norm;            // of q in the first warp, of k in the second
  float shift, rate;   // of the decay
  float scale;         // γ
  int place;
};

DEVICE float* state_slice(const Layer& l, int task) {
  return l.state + (long long)(task / SLICES) * D * D + task % SLICES * SLICE +
         threadIdx.x % QUADS * 4;
}

DEVICE StatePart fetch_state(const Layer& l, int task) {
  StatePart p;
  const float* S = state_slice(l, task);
#pragma unroll
  for (int r = 0; r < STATE_ROWS; r++) {
    int k = threadIdx.x / QUADS + r * ROW_GROUPS;
    p.rows[r] = k < D ? fresh4(S + k * D) : make_float4(0.f, 0.f, 0.f, 0.f);
  }
  int head = task / SLICES;
  p.norm = weight_row(threadIdx.x < 32 ? l.linearQNorm : l.linearKNorm);
  p.shift = l.dtBias[head];
  p.rate = -expf(l.aLog[head]);
  p.place = l.linearPlaces[head];
  p.scale = l.gamma ? l.gamma[p.place] : 1.f;
  return p;
}

DEVICE void fma4(float4& sum, float a, float4 b) {
  sum = make_float4(fmaf(a, b.x, sum.x), fmaf(a, b.y, sum.y), fmaf(a, b.z, sum.z),
                    fmaf(a, b.w, sum.w));
}

DEVICE void sum_over_rows(float4& v) {
#pragma unroll
  for (int step = QUADS; step < 32; step *= 2) {
    v.x += __shfl_xor_sync(FULL_WARP, v.x, step);
    v.y += __shfl_xor_sync(FULL_WARP, v.y, step);
    v.z += __shfl_xor_sync(FULL_WARP, v.z, step);
    v.w += __shfl_xor_sync(FULL_WARP, v.w, step);
  }
}

// One slice of one head's step; task = head · SLICES + slice.
DEVICE void delta_step(const Step& a, const Layer& l, int task, const StatePart& part,
                       LinearShared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int head = task / SLICES;
  int column = task % SLICES * SLICE + threadIdx.x % QUADS * 4;
  int row = threadIdx.x / QUADS;
  const float* P = a.projected;
  int place = part.place;
  float gateA = fresh(P + l.linearA + head) + part.shift;
  float gateB = fresh(P + l.linearB + head);
  float4 v = fresh4(P + l.linearV + head * D + column);
  float4 z = a.gated ? fresh4(P + l.linearZ + head * D + column) : make_float4(0.f, 0.f, 0.f, 0.f);
  if (warp < 2) {
    Row x = fresh_row(P + (warp == 0 ? l.linearQ : l.linearK) + head * D);
    Angles turn = fresh_angles(a.angles);
    keep(prepare(x, part.norm, turn, a.linearRotary, true, a.eps, 1.f), warp == 0 ? m.q : m.k);
  }
  float decay = expf(part.rate * softplus(gateA));
  float beta = a.betaMax * reciprocal_fast(1.f + expf(-gateB));
  team_barrier();
  float4 kS = make_float4(0.f, 0.f, 0.f, 0.f);
  float4 qS = kS;
#pragma unroll
  for (int r = 0; r < STATE_ROWS; r++) {
    int k = row + r * ROW_GROUPS;
    if (k < D) {
      fma4(kS, m.k[k], part.rows[r]);
      fma4(qS, m.q[k], part.rows[r]);
    }
  }
  sum_over_rows(kS);
  sum_over_rows(qS);
  if (lane < QUADS) {
    *reinterpret_cast<float4*>(&m.kS[warp][lane * 4]) = kS;
    *reinterpret_cast<float4*>(&m.qS[warp][lane * 4]) = qS;
  }
  float dot = 0.f;
  for (int i = lane; i < D; i += 32) {
    dot += m.q[i] * m.k[i];
  }
  dot = warp_sum(dot);
  team_barrier();
  float4 kSum = make_float4(0.f, 0.f, 0.f, 0.f);
  float4 qSum = kSum;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    add(kSum, *reinterpret_cast<float4*>(&m.kS[w][threadIdx.x % QUADS * 4]));
    add(qSum, *reinterpret_cast<float4*>(&m.qS[w][threadIdx.x % QUADS * 4]));
  }
  float4 write = make_float4(beta * (v.x - decay * kSum.x), beta * (v.y - decay * kSum.y),
                             beta * (v.z - decay * kSum.z), beta * (v.w - decay * kSum.w));
  float root = rsqrtf((float)D);
  float4 o = make_float4(
      (decay * qSum.x + dot * write.x) * root, (decay * qSum.y + dot * write.y) * root,
      (decay * qSum.z + dot * write.z) * root, (decay * qSum.w + dot * write.w) * root);
  float squares = warp_sum<QUADS>(o.x * o.x + o.y * o.y + o.z * o.z + o.w * o.w);
  if (threadIdx.x < QUADS) {
    *reinterpret_cast<float4*>(a.heads + place * D + column) =
        make_float4(o.x * gate_of(a, z.x, part.scale), o.y * gate_of(a, z.y, part.scale),
                    o.z * gate_of(a, z.z, part.scale), o.w * gate_of(a, z.w, part.scale));
    if (threadIdx.x == 0) {
      a.squares[place * SLICES + task % SLICES] = squares;
    }
  }
  float* S = state_slice(l, task);
#pragma unroll
  for (int r = 0; r < STATE_ROWS; r++) {
    int k = row + r * ROW_GROUPS;
    if (k < D) {
      float kk = m.k[k];
      float4 old = part.rows[r];
      *reinterpret_cast<float4*>(S + k * D) =
          make_float4(fmaf(kk, write.x, decay * old.x), fmaf(kk, write.y, decay * old.y),
                      fmaf(kk, write.z, decay * old.z), fmaf(kk, write.w, decay * old.w));
    }
  }
  team_barrier();
}
