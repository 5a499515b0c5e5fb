// The heads of one layer for one token: full attention over a split of the cache by some blocks, one
// Gated DeltaNet step over a slice of a head's state by others.
//
// Input is the layer's packed projection P [R] float32; `Layer` says where each kind's q, k, v,
// gate z and decay a, b begin in it, each a multiple of four. Output: o [H·d] of the linear heads in
// the original head order, not normalised; of full heads, for each split maximum, sum and Σ p v
// [h, splits, d + 4]; and gate [H·d], what the fusion multiplies normalised elements by: σ(z) γ.
//
// Delta rule (METHOD: HydraHead; Yang et al., arXiv:2412.06464), one pass over S [d, d]:
//   p = α kᵀS, S ← α S + β k (v − p)ᵀ, o = (α qᵀS + β (q·k)(v − p)) / √d
#pragma once
#include "weights.cuh"

constexpr int KEYS = 16;            // that a warp takes at a time
constexpr int LANES = D / 8;        // lanes that share a value row
constexpr int VALUE_ROWS = 32 / LANES;  // of one load of a warp
constexpr int LOADS = D / 16;       // of 16 bytes a lane, for the keys and for the values of a tile
constexpr int SLICE = D < 32 ? D : 32;  // value columns of a block of the delta rule

// A head's row in one warp: lane holds elements lane + 32 j.
constexpr int EACH = D < 32 ? 1 : D / 32;

struct Row {
  float v[EACH];
};

DEVICE Row fresh_row(const float* p) {
  Row r;
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    r.v[j] = lane < D ? __ldcg(p + lane + 32 * j) : 0.f;
  }
  return r;
}

DEVICE Row weight_row(const elem* p) {
  Row r;
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    r.v[j] = lane < D ? to_float(p[lane + 32 * j]) : 0.f;
  }
  return r;
}

DEVICE float squares(const Row& r) {
  float sum = 0.f;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    sum = fmaf(r.v[j], r.v[j], sum);
  }
  return warp_sum(sum);
}

// RMSNorm · w, rotary and (for linear heads) L2 norm, times `scale`.
DEVICE Row prepare(Row x, const Row& w, const float* cosine, const float* sine, bool rotary,
                   bool unit, float eps, float scale) {
  int lane = threadIdx.x % 32;
  float c[EACH];
  float s[EACH];
  if (rotary) {
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      int i = (lane + 32 * j) % (D / 2);
      c[j] = cosine[i];
      s[j] = sine[i];
    }
  }
  float rstd = rsqrtf(squares(x) / D + eps);
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    x.v[j] *= rstd * w.v[j];
  }
  if (rotary) {
    Row y;
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      float partner;
      if constexpr (EACH == 1) {
        partner = __shfl_xor_sync(FULL_WARP, x.v[0], D / 2);
      } else {
        partner = x.v[j ^ (EACH / 2)];
      }
      bool low = lane + 32 * j < D / 2;
      y.v[j] = low ? x.v[j] * c[j] - partner * s[j] : x.v[j] * c[j] + partner * s[j];
    }
    x = y;
  }
  float factor = unit ? scale * rsqrtf(squares(x) + 1e-6f) : scale;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    x.v[j] *= factor;
  }
  return x;
}

DEVICE void keep(const Row& r, float* to) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    if (lane < D) {
      to[lane + 32 * j] = r.v[j];
    }
  }
}

// What the fusion multiplies a normalised element by.
DEVICE float gate_of(const Step& a, float z, float gamma) {
  return a.gated ? gamma / (1.f + __expf(-z)) : gamma;
}

// ------------------------------------------------------------------------------- delta rule

struct LinearShared {
  float q[D], k[D];
  float kS[WARPS][SLICE], qS[WARPS][SLICE];
};

constexpr int SLICES = D / SLICE;
constexpr int QUADS = SLICE / 4;
constexpr int ROW_GROUPS = THREADS / QUADS;                           // rows of S at a time
constexpr int STATE_ROWS = D / ROW_GROUPS > 0 ? D / ROW_GROUPS : 1;   // of a thread

// A thread's part of a slice of S.
struct StatePart {
  float4 rows[STATE_ROWS];
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
                       const float* cosine, const float* sine, LinearShared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int head = task / SLICES;
  int column = task % SLICES * SLICE + threadIdx.x % QUADS * 4;
  int row = threadIdx.x / QUADS;
  const float* P = a.projected;
  int place = l.linearPlaces[head];
  float scale = a.scaledHeads ? to_float(l.gamma[place]) : 1.f;
  float gateA = fresh(P + l.linearA + head) + to_float(l.dtBias[head]);
  float gateB = fresh(P + l.linearB + head);
  float4 v = fresh4(P + l.linearV + head * D + column);
  float4 z = a.gated ? fresh4(P + l.linearZ + head * D + column) : make_float4(0.f, 0.f, 0.f, 0.f);
  if (warp < 2) {
    Row x = fresh_row(P + (warp == 0 ? l.linearQ : l.linearK) + head * D);
    Row w = weight_row(warp == 0 ? l.linearQNorm : l.linearKNorm);
    keep(prepare(x, w, cosine, sine, a.linearRotary, true, a.eps, 1.f), warp == 0 ? m.q : m.k);
  }
  float decay = expf(-expf(to_float(l.aLog[head])) * softplus(gateA));
  float beta = a.betaMax / (1.f + expf(-gateB));
  __syncthreads();
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
  __syncthreads();
  float4 kSum = make_float4(0.f, 0.f, 0.f, 0.f);
  float4 qSum = kSum;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    add(kSum, *reinterpret_cast<float4*>(&m.kS[w][threadIdx.x % QUADS * 4]));
    add(qSum, *reinterpret_cast<float4*>(&m.qS[w][threadIdx.x % QUADS * 4]));
  }
  float4 write = make_float4(beta * (v.x - decay * kSum.x), beta * (v.y - decay * kSum.y),
                             beta * (v.z - decay * kSum.z), beta * (v.w - decay * kSum.w));
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
  if (threadIdx.x < QUADS) {
    float root = rsqrtf((float)D);
    *reinterpret_cast<float4*>(a.heads + place * D + column) = make_float4(
        (decay * qSum.x + dot * write.x) * root, (decay * qSum.y + dot * write.y) * root,
        (decay * qSum.z + dot * write.z) * root, (decay * qSum.w + dot * write.w) * root);
    *reinterpret_cast<float4*>(a.gate + place * D + column) =
        make_float4(gate_of(a, z.x, scale), gate_of(a, z.y, scale), gate_of(a, z.z, scale),
                    gate_of(a, z.w, scale));
  }
  __syncthreads();
}

// ------------------------------------------------------------------------------- full attention

struct FullShared {
  bf16 q[8][D + 8];            // two parts of each query head: the columns of B; rows padded against bank conflicts
  float o[WARPS][GROUP][D];
  float max[WARPS][GROUP];
  float sum[WARPS][GROUP];
};

// Keys on tensor cores: lane reads 8 columns of keys lane / 4 and lane / 4 + 8, as weights.cuh does.
// Values in float32: lane reads 8 columns of key VALUE_ROWS · u + lane / LANES.
struct Tile {
  uint4 k[LOADS];
  uint4 v[LOADS];
};

constexpr int PASS = WARPS * KEYS;

DEVICE void fetch_keys(Tile& t, const bf16* K, int base, int last) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int u = 0; u < LOADS; u++) {
    int key = max(0, min(base + lane / 4 + u % 2 * 8, last));
    t.k[u] = __ldcg(
        reinterpret_cast<const uint4*>(K + (long long)key * D + u / 2 * 32 + lane % 4 * 8));
  }
}

DEVICE void fetch_values(Tile& t, const bf16* V, int base, int last) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int u = 0; u < LOADS; u++) {
    int key = max(0, min(base + u * VALUE_ROWS + lane / LANES, last));
    t.v[u] = __ldcg(reinterpret_cast<const uint4*>(V + (long long)key * D + lane % LANES * 8));
  }
}

// The run of the cache that one block reads; task = split · kvHeads + KV head.
struct Run {
  int kv, split;
  int first, end;    // keys that the cache holds
  bool newest;       // this block also sees the token itself
  bool empty;
  bf16* K;
  bf16* V;
};

DEVICE Run run_of(const Step& a, const Layer& l, int task, int position) {
  Run r;
  r.kv = task % l.kvHeads;
  r.split = task / l.kvHeads;
  int length = split_length(position + 1, l.splits);
  r.first = r.split * length;
  r.end = min(position, r.first + length);
  r.newest = r.first <= position && r.first + length > position;
  r.empty = r.first > position;
  r.K = l.keys + (long long)r.kv * a.capacity * D;
  r.V = l.values + (long long)r.kv * a.capacity * D;
  return r;
}

// The first tile of a run, which needs nothing of this token.
DEVICE void fetch_first(Tile& t, const Run& r) {
  int base = r.first + threadIdx.x / 32 * KEYS;
  fetch_keys(t, r.K, base, r.end - 1);
  fetch_values(t, r.V, base, r.end - 1);
}

DEVICE void attend(const Step& a, const Layer& l, const Run& r, Tile& t, int position,
                   const float* cosine, const float* sine, FullShared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  const float* P = a.projected;
  int end = r.end;
  int base = r.first + warp * KEYS;
  int heads = l.groupStart[r.kv + 1] - l.groupStart[r.kv];
  const int* mine = l.order + l.groupStart[r.kv];

  float scale = LOG2E * rsqrtf((float)D);
  if (a.lengthBase > 0.f) {
    scale *= logf(position + 1 + a.lengthBase) / logf(a.lengthBase);
  }
  if (warp == WARPS - 1 && r.newest) {
    Row v = fresh_row(P + l.fullV + r.kv * D);
    Row k = prepare(fresh_row(P + l.fullK + r.kv * D), weight_row(l.fullKNorm), cosine, sine,
                    a.fullRotary, false, a.eps, 1.f);
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      if (lane < D) {
        long long at = (long long)position * D + lane + 32 * j;
        r.K[at] = to_bf16(k.v[j]);
        r.V[at] = to_bf16(v.v[j]);
      }
    }
    __threadfence_block();
  }
  for (int g = warp; g < 4; g += WARPS) {
    Row x = {};
    if (g < heads) {
      x = prepare(fresh_row(P + l.fullQ + mine[g] * D), weight_row(l.fullQNorm), cosine, sine,
                  a.fullRotary, false, a.eps, scale);
    }
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      if (lane < D) {
        bf16 high = to_bf16(x.v[j]);
        m.q[2 * g][lane + 32 * j] = high;
        m.q[2 * g + 1][lane + 32 * j] = to_bf16(x.v[j] - to_float(high));
      }
    }
  }
  __syncthreads();

  uint4 q[D / 32];
#pragma unroll
  for (int j = 0; j < D / 32; j++) {
    q[j] = *reinterpret_cast<const uint4*>(&m.q[lane / 4][j * 32 + lane % 4 * 8]);
  }
  float top[GROUP];
  float sum[GROUP];  // of this lane's keys
  float o[GROUP][8] = {};
#pragma unroll
  for (int g = 0; g < GROUP; g++) {
    top[g] = -INFINITY;
    sum[g] = 0.f;
  }
  bool extra = r.newest && warp == WARPS - 1;  // one tile more, of the new key alone
  while (base < end || extra) {
    if (base >= end) {
      fetch_keys(t, r.K, position, position);
      fetch_values(t, r.V, position, position);
      base = position;
      end = position + 1;
      extra = false;
    }
    float c[4] = {};
#pragma unroll
    for (int j = 0; j < D / 32; j++) {
      mma32(c, t.k[2 * j], t.k[2 * j + 1], q[j]);
    }
    int next = base + PASS;
    if (next < end) {
      fetch_keys(t, r.K, next, end - 1);
    }
    // This lane has head lane % 4 of keys lane / 4 and lane / 4 + 8.
    float low = base + lane / 4 < end ? c[0] + c[1] : -INFINITY;
    float high = base + lane / 4 + 8 < end ? c[2] + c[3] : -INFINITY;
    float largest = fmaxf(low, high);
#pragma unroll
    for (int step = 4; step < 32; step *= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, step));
    }
    float reach[GROUP];
    bool rises = false;
#pragma unroll
    for (int g = 0; g < GROUP; g++) {
      reach[g] = fmaxf(top[g], __shfl_sync(FULL_WARP, largest, g));
      rises |= reach[g] > top[g];
    }
    if (rises) {
#pragma unroll
      for (int g = 0; g < GROUP; g++) {
        float old = exp2_fast(top[g] - reach[g]);
        top[g] = reach[g];
        sum[g] *= old;
#pragma unroll
        for (int i = 0; i < 8; i++) {
          o[g][i] *= old;
        }
      }
    }
    float mine4 = top[0];
#pragma unroll
    for (int g = 1; g < GROUP; g++) {
      mine4 = lane % 4 == g ? top[g] : mine4;
    }
    low = exp2_fast(low - mine4);
    high = exp2_fast(high - mine4);
#pragma unroll
    for (int u = 0; u < LOADS; u++) {
      int key = u * VALUE_ROWS + lane / LANES;
      float x[8];
      unpack8(t.v[u], x);
#pragma unroll
      for (int g = 0; g < GROUP; g++) {
        // Loads of a tile's first half hold keys below 8, those of the second half the others.
        float p = __shfl_sync(FULL_WARP, u < LOADS / 2 ? low : high, key % 8 * 4 + g);
        sum[g] += p;
#pragma unroll
        for (int i = 0; i < 8; i++) {
          o[g][i] = fmaf(p, x[i], o[g][i]);
        }
      }
    }
    base = next;
    if (base < end) {
      fetch_values(t, r.V, base, end - 1);
    }
  }

  // Lane groups of the warp, then warps of the block, each in a fixed order.
#pragma unroll
  for (int g = 0; g < GROUP; g++) {
#pragma unroll
    for (int step = LANES; step < 32; step *= 2) {
      sum[g] += __shfl_xor_sync(FULL_WARP, sum[g], step);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        o[g][i] += __shfl_xor_sync(FULL_WARP, o[g][i], step);
      }
    }
    if (lane < LANES) {
#pragma unroll
      for (int i = 0; i < 8; i++) {
        m.o[warp][g][lane * 8 + i] = o[g][i];
      }
      if (lane == 0) {
        m.max[warp][g] = top[g];
        m.sum[warp][g] = sum[g];
      }
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < heads * D; i += THREADS) {
    int g = i / D;
    int head = mine[g];
    float peak = -INFINITY;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      peak = fmaxf(peak, m.max[w][g]);
    }
    float whole = 0.f;
    float value = 0.f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      float weight = m.max[w][g] == -INFINITY ? 0.f : exp2_fast(m.max[w][g] - peak);
      whole += weight * m.sum[w][g];
      value += weight * m.o[w][g][i % D];
    }
    float* part = a.partials + ((long long)head * l.splits + r.split) * (D + 4);
    part[4 + i % D] = value;
    if (i % D == 0) {
      part[0] = peak;
      part[1] = whole;
    }
    if (r.split == 0) {
      int place = l.fullPlaces[head];
      float z = a.gated ? fresh(P + l.fullZ + head * D + i % D) : 0.f;
      float bias = a.gated && l.zBias ? to_float(l.zBias[head * D + i % D]) : 0.f;
      a.gate[place * D + i % D] =
          gate_of(a, z + bias, a.scaledHeads ? to_float(l.gamma[place]) : 1.f);
    }
  }
  __syncthreads();
}
