// Full attention of one token over runs of the cache, on tensor cores for the scores. Input and output
// as in linear_heads.cuh.
#pragma once
#include "rows.cuh"

constexpr int KEYS = 16;                // that a warp takes at a time
constexpr int LANES = D / 8;            // lanes that share a value row
constexpr int VALUE_ROWS = 32 / LANES;  // of one load of a warp
constexpr int LOADS = D / 16;           // of 16 bytes a lane, for the values of a tile
constexpr int COLUMN_LANES = D / 4;              // of a warp that hold a row of Σ p v
constexpr int RUNS_AT_ONCE = 32 / COLUMN_LANES;  // runs of the cache that a warp reads at a time
constexpr int RUNS_AHEAD = 10;

struct FullShared {
  bf16 q[8][D + 8];  // two parts of each query head, the columns of B; padded against conflicts
  bf16 key[D];       // of the token itself
  bf16 value[D];
  alignas(16) float o[WARPS][GROUP][D];
  float max[WARPS][GROUP];
  float sum[WARPS][GROUP];
  bool last;
};

// Softmax of the keys that a warp has seen: maximum (in units of log2), this lane's part of the sum,
// and 8 columns of Σ p v over this lane's keys; columns lane % LANES · 8 …
struct Softmax {
  float top[GROUP];
  float mine;  // that of the head whose scores the lane gets
  float sum[GROUP];
  float o[GROUP][8];
};

DEVICE void raise(Softmax& s, const float (&reach)[GROUP]) {
  bool rises = false;
#pragma unroll
  for (int g = 0; g < GROUP; g++) {
    rises |= reach[g] > s.top[g];
  }
  if (rises) {
#pragma unroll
    for (int g = 0; g < GROUP; g++) {
      float old = exp2_fast(s.top[g] - reach[g]);
      s.top[g] = reach[g];
      s.sum[g] *= old;
#pragma unroll
      for (int i = 0; i < 8; i++) {
        s.o[g][i] *= old;
      }
    }
  }
}

// KEYS keys in shared memory, `count` of them there.
DEVICE void see(Softmax& s, const bf16* K, const bf16* V, int count, const uint4 (&q)[D / 32]) {
  int lane = threadIdx.x % 32;
  float c[4] = {};
#pragma unroll
  for (int j = 0; j < D / 32; j++) {
    const bf16* at = K + lane / 4 * D + j * 32 + lane % 4 * 8;
    mma32(c, *reinterpret_cast<const uint4*>(at), *reinterpret_cast<const uint4*>(at + 8 * D), q[j]);
  }
  // This lane has head lane % 4 of keys lane / 4 and lane / 4 + 8.
  float low = lane / 4 < count ? c[0] + c[1] : -INFINITY;
  float high = lane / 4 + 8 < count ? c[2] + c[3] : -INFINITY;
  float largest = fmaxf(low, high);
#pragma unroll
  for (int step = 4; step < 32; step *= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(FULL_WARP, largest, step));
  }
  float reach[GROUP];
#pragma unroll
  for (int g = 0; g < GROUP; g++) {
    reach[g] = fmaxf(s.top[g], __shfl_sync(FULL_WARP, largest, g));
  }
  raise(s, reach);
  s.mine = fmaxf(s.mine, largest);
  low = exp2_fast(low - s.mine);
  high = exp2_fast(high - s.mine);
#pragma unroll
  for (int u = 0; u < LOADS; u++) {
    int key = u * VALUE_ROWS + lane / LANES;
    float x[8];
    // What lies beyond the last key is of another stage, and may be anything.
    uint4 v = key < count ? *reinterpret_cast<const uint4*>(V + key * D + lane % LANES * 8)
                          : make_uint4(0, 0, 0, 0);
    unpack8(v, x);
#pragma unroll
    for (int g = 0; g < GROUP; g++) {
      // Loads of a tile's first half hold keys below 8, those of the second half the others.
      float p = __shfl_sync(FULL_WARP, u < LOADS / 2 ? low : high, key % 8 * 4 + g);
      s.sum[g] += p;
#pragma unroll
      for (int i = 0; i < 8; i++) {
        s.o[g][i] = fmaf(p, x[i], s.o[g][i]);
      }
    }
  }
}

// The token's own key and value, which are not in the cache yet.
DEVICE void see_newest(Softmax& s, const FullShared& m) {
  int lane = threadIdx.x % 32;
  float score[GROUP];
  float reach[GROUP];
#pragma unroll
  for (int g = 0; g < GROUP; g++) {
    float dot = 0.f;
    for (int i = lane; i < D; i += 32) {
      dot += (to_float(m.q[2 * g][i]) + to_float(m.q[2 * g + 1][i])) * to_float(m.key[i]);
    }
    score[g] = warp_sum(dot);
    reach[g] = fmaxf(s.top[g], score[g]);
  }
  raise(s, reach);
  if (lane < LANES) {
#pragma unroll
    for (int g = 0; g < GROUP; g++) {
      float p = exp2_fast(score[g] - s.top[g]);
      s.sum[g] += p;
#pragma unroll
      for (int i = 0; i < 8; i++) {
        s.o[g][i] = fmaf(p, to_float(m.value[lane * 8 + i]), s.o[g][i]);
      }
    }
  }
}

// Two parts of a softmax with the columns of their Σ p v; maxima in units of log2.
DEVICE void join(float& top, float& sum, float4& o, float otherTop, float otherSum, float4 other) {
  float max = fmaxf(top, otherTop);
  float mine = top == -INFINITY ? 0.f : exp2_fast(top - max);
  float theirs = otherTop == -INFINITY ? 0.f : exp2_fast(otherTop - max);
  top = max;
  sum = sum * mine + otherSum * theirs;
  o = make_float4(o.x * mine + other.x * theirs, o.y * mine + other.y * theirs,
                  o.z * mine + other.z * theirs, o.w * mine + other.w * theirs);
}

// All that one warp of `pieces` adds up of a full head's runs: every lane gets the softmax,
// lanes below COLUMN_LANES four columns each.
DEVICE void gather(const float* part, int active, int piece, int pieces, int column, float& top,
                   float& sum, float4& o) {
  int lane = threadIdx.x % 32;
  int within = lane / COLUMN_LANES;
  for (int first = piece; first < active; first += 32 * pieces) {
    // A lane has the state of one run, a group of lanes the columns of one at a time.
    int count = min(32, ceil_div(active - first, pieces));
    auto row_of = [&](int i) { return part + (long long)(first + i * pieces) * (D + 4); };
    float2 state = make_float2(-INFINITY, 0.f);
    if (lane < count) {
      state = __ldcg(reinterpret_cast<const float2*>(row_of(lane)));
    }
    float weight = 0.f;
    for (int i = 0; i < count; i += RUNS_AHEAD * RUNS_AT_ONCE) {
      float4 rows[RUNS_AHEAD];
#pragma unroll
      for (int r = 0; r < RUNS_AHEAD; r++) {
        int run = i + r * RUNS_AT_ONCE + within;
        rows[r] = run < count ? fresh4(row_of(run) + 4 + column) : make_float4(0.f, 0.f, 0.f, 0.f);
      }
      if (i == 0) {
        float peak = fmaxf(top, warp_max(state.x));
        float old = exp2_fast(top - peak);
        weight = exp2_fast(state.x - peak);
        sum = sum * old + warp_sum(weight * state.y);
        o = make_float4(o.x * old, o.y * old, o.z * old, o.w * old);
        top = peak;
      }
#pragma unroll
      for (int r = 0; r < RUNS_AHEAD; r++) {
        float w = __shfl_sync(FULL_WARP, weight, (i + r * RUNS_AT_ONCE + within) % 32);
        o = make_float4(fmaf(w, rows[r].x, o.x), fmaf(w, rows[r].y, o.y), fmaf(w, rows[r].z, o.z),
                        fmaf(w, rows[r].w, o.w));
      }
    }
  }
#pragma unroll
  for (int away = COLUMN_LANES; away < 32; away *= 2) {
    o.x += __shfl_xor_sync(FULL_WARP, o.x, away);
    o.y += __shfl_xor_sync(FULL_WARP, o.y, away);
    o.z += __shfl_xor_sync(FULL_WARP, o.z, away);
    o.w += __shfl_xor_sync(FULL_WARP, o.w, away);
  }
}

// What the fusion multiplies four normalised elements of a full head by, as far as it is not of
// this token.
struct FullGate {
  float4 bias;
  float gamma;
};

DEVICE FullGate fetch_gate(const Step& a, const Layer& l, int head, int column) {
  FullGate g = {make_float4(0.f, 0.f, 0.f, 0.f), 1.f};
  if (l.gamma) {
    g.gamma = l.gamma[l.fullPlaces[head]];
  }
  if (a.gated && l.zBias) {
    g.bias = *reinterpret_cast<const float4*>(l.zBias + head * D + column);
  }
  return g;
}

DEVICE float4 fresh_z(const Step& a, const Layer& l, int head, int column) {
  return a.gated ? fresh4(a.projected + l.fullZ + head * D + column)
                 : make_float4(0.f, 0.f, 0.f, 0.f);
}

DEVICE float4 full_gate(const Step& a, const FullGate& g, float4 z) {
  return make_float4(gate_of(a, z.x + g.bias.x, g.gamma), gate_of(a, z.y + g.bias.y, g.gamma),
                     gate_of(a, z.z + g.bias.z, g.gamma), gate_of(a, z.w + g.bias.w, g.gamma));
}

// Warps that share a head's runs.
DEVICE int warps_of_head(int heads) {
  int pieces = WARPS;
  while (pieces > 1 && pieces * heads > WARPS) {
    pieces /= 2;
  }
  return pieces;
}

// Puts the runs of a KV head's query heads together: as many warps a head as divide the work.
DEVICE void combine(const Step& a, const Layer& l, const int* mine, int heads, int active,
                    FullShared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int column = lane % COLUMN_LANES * 4;
  int pieces = warps_of_head(heads);
  int g = warp / pieces;
  float4 gate = make_float4(0.f, 0.f, 0.f, 0.f);
  if (g < heads) {
    gate = full_gate(a, fetch_gate(a, l, mine[g], column), fresh_z(a, l, mine[g], column));
  }
  float top = -INFINITY;
  float sum = 0.f;
  float4 o = make_float4(0.f, 0.f, 0.f, 0.f);
  if (g < heads) {
    gather(a.partials + (long long)mine[g] * l.splits * (D + 4), active, warp % pieces, pieces,
           column, top, sum, o);
  }
  if (lane < COLUMN_LANES) {
    *reinterpret_cast<float4*>(&m.o[warp][0][column]) = o;
  }
  if (lane == 0) {
    m.max[warp][0] = top;
    m.sum[warp][0] = sum;
  }
  team_barrier();
  if (g < heads && warp % pieces == 0) {
    for (int p = 1; p < pieces; p++) {
      join(top, sum, o, m.max[warp + p][0], m.sum[warp + p][0],
           *reinterpret_cast<float4*>(&m.o[warp + p][0][column]));
    }
    float whole = 1.f / sum;
    o = make_float4(o.x * whole, o.y * whole, o.z * whole, o.w * whole);
    float squares = warp_sum<COLUMN_LANES>(o.x * o.x + o.y * o.y + o.z * o.z + o.w * o.w);
    int place = l.fullPlaces[mine[g]];
    if (lane < COLUMN_LANES) {
      *reinterpret_cast<float4*>(a.heads + place * D + column) =
          make_float4(o.x * gate.x, o.y * gate.y, o.z * gate.z, o.w * gate.w);
    }
    if (lane < SLICES) {
      a.squares[place * SLICES + lane] = lane == 0 ? squares : 0.f;
    }
  }
}

// What a run needs that is not of this token.
struct RunPart {
  Row norm;         // of k in the last warp, of q in the others
  int heads;        // query heads of the KV head
  const int* mine;  // their numbers among the full heads
  int head;         // that of this warp
};

DEVICE RunPart fetch_part(const Layer& l, const Run& r) {
  RunPart p;
  int warp = threadIdx.x / 32;
  p.norm = weight_row(warp == WARPS - 1 ? l.fullKNorm : l.fullQNorm);
  int first = l.groupStart[r.kv];
  p.heads = l.groupStart[r.kv + 1] - first;
  p.mine = l.order + first;
  p.head = p.mine[min(warp, p.heads - 1)];
  return p;
}

template <int STAGES>
DEVICE void attend(const Step& a, const Layer& l, const Run& r, const RunPart& part, int position,
                   Stream<STAGES>& stream, Place& place, FullShared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  const float* P = a.projected;
  int heads = part.heads;
  const int* mine = part.mine;
  Angles angles = fresh_angles(a.angles);

  float scale = LOG2E * rsqrtf((float)D);
  if (a.lengthBase > 0.f) {
    scale *= logf(position + 1 + a.lengthBase) / logf(a.lengthBase);
  }
  if (warp == WARPS - 1 && r.newest) {
    Row v = fresh_row(P + l.fullV + r.kv * D);
    Row k = prepare(fresh_row(P + l.fullK + r.kv * D), part.norm, angles, a.fullRotary,
                    false, a.eps, 1.f);
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      if (lane < D) {
        long long at = (long long)position * D + lane + 32 * j;
        m.key[lane + 32 * j] = r.K[at] = to_bf16(k.v[j]);
        m.value[lane + 32 * j] = r.V[at] = to_bf16(v.v[j]);
      }
    }
  }
  if (warp < 4) {
    int g = warp;
    Row x = {};
    if (g < heads) {
      x = prepare(fresh_row(P + l.fullQ + part.head * D), part.norm, angles, a.fullRotary,
                  false, a.eps, scale);
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
  team_barrier();

  uint4 q[D / 32];
#pragma unroll
  for (int j = 0; j < D / 32; j++) {
    q[j] = *reinterpret_cast<const uint4*>(&m.q[lane / 4][j * 32 + lane % 4 * 8]);
  }
  Softmax s = {};
  s.mine = -INFINITY;
#pragma unroll
  for (int g = 0; g < GROUP; g++) {
    s.top[g] = -INFINITY;
  }
  // As many warps a stage as it has tiles; teams take stages in turn.
  constexpr int TILES = STAGE_KEYS / KEYS;
  constexpr int TEAM = TILES < WARPS ? TILES : WARPS;
  int turn = 0;
  for (int at = r.first; at < r.end; at += STAGE_KEYS) {
    const bf16* keys = receive(stream, place);
    if (turn == warp / TEAM) {
      int count = min(STAGE_KEYS, r.end - at);
      for (int first = warp % TEAM * KEYS; first < count; first += TEAM * KEYS) {
        see(s, keys + first * D, keys + (STAGE_KEYS + first) * D, count - first, q);
      }
    }
    release(stream, place);
    turn = turn + 1 == WARPS / TEAM ? 0 : turn + 1;
  }
  if (r.newest && warp == WARPS - 1) {
    see_newest(s, m);
  }

  // Lane groups of the warp, then warps of the block, each in a fixed order.
#pragma unroll
  for (int g = 0; g < GROUP; g++) {
#pragma unroll
    for (int step = LANES; step < 32; step *= 2) {
      s.sum[g] += __shfl_xor_sync(FULL_WARP, s.sum[g], step);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        s.o[g][i] += __shfl_xor_sync(FULL_WARP, s.o[g][i], step);
      }
    }
    if (lane < LANES) {
      store(&m.o[warp][g][lane * 8], s.o[g]);
      if (lane == 0) {
        m.max[warp][g] = s.top[g];
        m.sum[warp][g] = s.sum[g];
      }
    }
  }
  team_barrier();
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
  }
  int active = active_splits(position + 1, l.splits);
  team_barrier();
  if (in_runs(l, active)) {
    return;
  }
  // The block that finishes a KV head's last run puts them together.
  if (threadIdx.x == 0) {
    __threadfence();
    m.last = atomicAdd(a.arrivals + r.kv, 1u) == (unsigned)active - 1;
    if (m.last) {
      a.arrivals[r.kv] = 0;
      __threadfence();
    }
  }
  team_barrier();
  if (m.last) {
    combine(a, l, mine, heads, active, m);
  }
  team_barrier();
}
