// The fusion of all heads' outputs before W_o: õ_h = RMSNorm(o_h) ⊙ gate (METHOD: HydraHead), with the
// runs of a full head's cache put together first. Every block does it for itself.
#pragma once
#include "stream.cuh"

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

// RMSNorm · gate of one head's row, four elements a lane.
DEVICE void finish(float4 o, float4 g, int head, int column, bool there, int norm, float eps,
                   Parts& x) {
  float squares = there ? o.x * o.x + o.y * o.y + o.z * o.z + o.w * o.w : 0.f;
  float scale = norm ? rsqrtf(warp_sum(squares) / HEAD_DIM + eps) : 1.f;
  if (there) {
    keep4(make_float4(o.x * scale * g.x, o.y * scale * g.y, o.z * scale * g.z, o.w * scale * g.w),
          head * D + column, x);
  }
}


constexpr int HEAD_LANES = D / 4;              // of a warp that hold a head's row, four elements each
constexpr int RUNS_AT_ONCE = 32 / HEAD_LANES;  // runs of the cache that a warp reads at a time
constexpr int RUNS_AHEAD = 16;
constexpr int TURNS = (HEADS + WARPS - 1) / WARPS;  // heads of a warp

struct FuseShared {
  float4 parts[WARPS][HEAD_LANES];
  float max[WARPS];
  float sum[WARPS];
};

// All that one warp of `pieces` adds up of a full head's runs.
DEVICE void gather(const float* part, int active, int piece, int pieces, int column, float& top,
                   float& sum, float4& o) {
  int within = threadIdx.x % 32 / HEAD_LANES;
  int step = pieces * RUNS_AT_ONCE;
  for (int n = piece * RUNS_AT_ONCE; n < active; n += step * RUNS_AHEAD) {
    float4 rows[RUNS_AHEAD];
    float2 states[RUNS_AHEAD];
#pragma unroll
    for (int i = 0; i < RUNS_AHEAD; i++) {
      int run = n + i * step + within;
      const float* row = part + (long long)min(run, active - 1) * (D + 4);
      states[i] = __ldcg(reinterpret_cast<const float2*>(row));
      rows[i] = fresh4(row + 4 + column);
      if (run >= active) {
        states[i].x = -INFINITY;
      }
    }
#pragma unroll
    for (int i = 0; i < RUNS_AHEAD; i++) {
      join(top, sum, o, states[i].x, states[i].y, rows[i]);
    }
  }
#pragma unroll
  for (int away = HEAD_LANES; away < 32; away *= 2) {
    float otherTop = __shfl_xor_sync(FULL_WARP, top, away);
    float otherSum = __shfl_xor_sync(FULL_WARP, sum, away);
    float4 other =
        make_float4(__shfl_xor_sync(FULL_WARP, o.x, away), __shfl_xor_sync(FULL_WARP, o.y, away),
                    __shfl_xor_sync(FULL_WARP, o.z, away), __shfl_xor_sync(FULL_WARP, o.w, away));
    join(top, sum, o, otherTop, otherSum, other);
  }
}

// Whether a warp's heads are full, asked for ahead of a barrier.
DEVICE void fetch_kinds(const Layer& l, int (&fullAt)[TURNS]) {
#pragma unroll
  for (int t = 0; t < TURNS; t++) {
    fullAt[t] = l.fullAt[min((int)threadIdx.x / 32 + t * WARPS, HEADS - 1)];
  }
}

DEVICE void fuse(const Step& a, const Layer& l, const int (&fullAt)[TURNS], int position, Parts& x,
                 FuseShared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int column = lane % HEAD_LANES * 4;
  bool there = lane < HEAD_LANES;
  float4 o[TURNS];
  float4 g[TURNS];
#pragma unroll
  for (int t = 0; t < TURNS; t++) {
    int head = min(warp + t * WARPS, HEADS - 1);
    o[t] = fresh4(a.heads + head * D + column);
    g[t] = fresh4(a.gate + head * D + column);
  }
#pragma unroll
  for (int t = 0; t < TURNS; t++) {
    int head = warp + t * WARPS;
    if (head < HEADS && fullAt[t] < 0) {
      finish(o[t], g[t], head, column, there, a.normedHeads, a.eps, x);
    }
  }
  // Full heads: as many warps a head as divide the work, in rounds of heads.
  int pieces = WARPS;
  while (pieces > 1 && pieces * l.fullHeads > WARPS) {
    pieces /= 2;
  }
  int active = l.fullHeads > 0 ? active_splits(position + 1, l.splits) : 0;
  for (int first = 0; first < l.fullHeads; first += WARPS / pieces) {
    int i = first + warp / pieces;
    float top = -INFINITY;
    float sum = 0.f;
    float4 o = make_float4(0.f, 0.f, 0.f, 0.f);
    int head = 0;
    float4 g = o;
    if (i < l.fullHeads) {
      head = l.fullPlaces[i];
      g = fresh4(a.gate + head * D + column);
      gather(a.partials + (long long)i * l.splits * (D + 4), active, warp % pieces, pieces, column,
             top, sum, o);
    }
    if (there) {
      m.parts[warp][lane] = o;
    }
    if (lane == 0) {
      m.max[warp] = top;
      m.sum[warp] = sum;
    }
    team_barrier();
    if (i < l.fullHeads && warp % pieces == 0) {
      for (int p = 1; p < pieces; p++) {
        join(top, sum, o, m.max[warp + p], m.sum[warp + p], m.parts[warp + p][lane % HEAD_LANES]);
      }
      float whole = 1.f / sum;
      finish(make_float4(o.x * whole, o.y * whole, o.z * whole, o.w * whole), g, head, column, there,
             a.normedHeads, a.eps, x);
    }
    team_barrier();
  }
}
