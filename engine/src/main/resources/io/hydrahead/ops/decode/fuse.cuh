// The fusion of all heads before W_o: RMSNorm(o_h) ⊙ gate (METHOD: HydraHead), in every block for
// itself. Linear heads come multiplied by their gates, with parts of Σ o²; full heads come so too,
// or as the runs of a short cache: every block putting them together is faster than waiting for the
// block that finishes last.
#pragma once
#include "full_heads.cuh"
#include "product.cuh"

struct FuseShared {
  alignas(16) float o[WARPS][D];
  float top[WARPS];
  float sum[WARPS];
};

// Each warp puts its runs of its head together.
DEVICE void gather_runs(const Step& a, const Layer& l, int active, FuseShared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int column = lane % COLUMN_LANES * 4;
  int pieces = warps_of_head(l.fullHeads);
  int head = warp / pieces;
  float top = -INFINITY;
  float sum = 0.f;
  float4 o = make_float4(0.f, 0.f, 0.f, 0.f);
  if (head < l.fullHeads) {
    gather(a.partials + (long long)head * l.splits * (D + 4), active, warp % pieces, pieces, column,
           top, sum, o);
  }
  if (lane < COLUMN_LANES) {
    *reinterpret_cast<float4*>(&m.o[warp][column]) = o;
  }
  if (lane == 0) {
    m.top[warp] = top;
    m.sum[warp] = sum;
  }
}

// Four columns from `column` on of a full head.
DEVICE float4 of_runs(const Layer& l, int head, int column, const FuseShared& m) {
  int pieces = warps_of_head(l.fullHeads);
  int first = head * pieces;
  float top = -INFINITY;
  float sum = 0.f;
  float4 o = make_float4(0.f, 0.f, 0.f, 0.f);
#pragma unroll 4
  for (int p = first; p < first + pieces; p++) {
    join(top, sum, o, m.top[p], m.sum[p], *reinterpret_cast<const float4*>(&m.o[p][column]));
  }
  float whole = 1.f / sum;
  return make_float4(o.x * whole, o.y * whole, o.z * whole, o.w * whole);
}

// Where a lane's columns come from, known before the heads are.
struct Origin {
  int full[chunks_of(WIDTH)];  // number of the full head that has to be put together, or -1
  FullGate gate[chunks_of(WIDTH)];
};

DEVICE Origin fetch_origin(const Step& a, const Layer& l, bool runs) {
  Origin r;
#pragma unroll
  for (int c = 0; c < chunks_of(WIDTH); c++) {
    int k = half_column(c);
    r.full[c] = -1;
    for (int f = 0; runs && f < l.fullHeads; f++) {
      r.full[c] = l.fullPlaces[f] == k / D ? f : r.full[c];
    }
    if (r.full[c] >= 0) {
      r.gate[c] = fetch_gate(a, l, r.full[c], k % D);
    }
  }
  return r;
}

// Parts of a head's Σ o².
struct Squares {
  alignas(16) float part[SLICES];
};

DEVICE Squares fresh_squares(const Step& a, int place) {
  Squares s;
  if constexpr (SLICES == 4) {
    *reinterpret_cast<float4*>(s.part) = fresh4(a.squares + place * SLICES);
  } else {
#pragma unroll
    for (int i = 0; i < SLICES; i++) {
      s.part[i] = fresh(a.squares + place * SLICES + i);
    }
  }
  return s;
}

DEVICE Vector<WIDTH> fused(const Step& a, const Layer& l, const Origin& origin, bool runs,
                           int active, FuseShared& m) {
  float4 v[chunks_of(WIDTH)];  // of a full head in runs its gate's z
  Squares squares[chunks_of(WIDTH)];
#pragma unroll
  for (int c = 0; c < chunks_of(WIDTH); c++) {
    int k = half_column(c);
    v[c] = make_float4(0.f, 0.f, 0.f, 0.f);
    squares[c] = {};
    if (origin.full[c] >= 0) {
      v[c] = fresh_z(a, l, origin.full[c], k % D);
    } else if (k < WIDTH) {
      v[c] = fresh4(a.heads + k);
      if (a.normedHeads) {
        squares[c] = fresh_squares(a, k / D);
      }
    }
  }
  if (runs) {
    gather_runs(a, l, active, m);
    team_barrier();
#pragma unroll
    for (int c = 0; c < chunks_of(WIDTH); c++) {
      float sum = 0.f;
      if (origin.full[c] >= 0) {
        float4 o = of_runs(l, origin.full[c], half_column(c) % D, m);
        float4 g = full_gate(a, origin.gate[c], v[c]);
        sum = o.x * o.x + o.y * o.y + o.z * o.z + o.w * o.w;
        v[c] = make_float4(o.x * g.x, o.y * g.y, o.z * g.z, o.w * g.w);
      }
      sum = warp_sum<D / 4>(sum);
      if (origin.full[c] >= 0) {
        squares[c].part[0] = sum;
      }
    }
  }
  Vector<WIDTH> r;
#pragma unroll
  for (int c = 0; c < chunks_of(WIDTH); c++) {
    float sum = 0.f;
#pragma unroll
    for (int s = 0; s < SLICES; s++) {
      sum += squares[c].part[s];
    }
    float f = a.normedHeads ? rsqrtf(sum / D + a.eps) : 1.f;
    r.part[c] = part_of(both(make_float4(v[c].x * f, v[c].y * f, v[c].z * f, v[c].w * f)));
  }
  return r;
}
