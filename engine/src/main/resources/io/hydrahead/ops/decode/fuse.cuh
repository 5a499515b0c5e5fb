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

DEVICE void fuse(const Step& a, unsigned epoch, Parts& x) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int column = lane % HEAD_LANES * 4;
  float4 o[TURNS];
  float4 g[TURNS];
  await4(a.gate, warp * D + column, WARPS * D, WIDTH, epoch, g);
  await4(a.heads, warp * D + column, WARPS * D, WIDTH, epoch, o);
#pragma unroll
  for (int t = 0; t < TURNS; t++) {
    int head = warp + t * WARPS;
    if (head < HEADS) {
      finish(o[t], g[t], head, column, lane < HEAD_LANES, a.normedHeads, a.eps, x);
    }
  }
  team_barrier();
}
