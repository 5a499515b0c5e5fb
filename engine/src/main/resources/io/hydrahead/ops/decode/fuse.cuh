// The fusion of all heads' outputs before W_o: õ_h = RMSNorm(o_h) ⊙ gate (METHOD: HydraHead). Every
// block does it for itself.
#pragma once
#include "stream.cuh"

constexpr int HEAD_LANES = D / 4;                   // of a warp that hold a head's row
constexpr int TURNS = (HEADS + WARPS - 1) / WARPS;  // heads of a warp

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

DEVICE void fuse(const Step& a, Parts& x) {
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
    if (head < HEADS) {
      finish(o[t], g[t], head, column, there, a.normedHeads, a.eps, x);
    }
  }
  team_barrier();
}
