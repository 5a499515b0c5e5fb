// One token of the gated delta rule for one head, as a device function: the decode step, to be fused
// with what prepares q and k before it and with what normalises o after it.
#pragma once
#include "common.cuh"

// Number of value columns that a block of THREADS threads takes in one step.
//
//   u = β (v − α Sᵀk),   S ← α S + k uᵀ,   o = (α Sᵀq + (q·k) u) / √K
//
// Thread t holds four neighbouring columns, 4 (t % (COLUMNS / 4)), of every (THREADS · 4 / COLUMNS)-th row: all of its
// state is on its way from memory before anything is computed.
template <int K, int V, int COLUMNS, int THREADS>
struct DeltaStep {
  static constexpr int QUADS = COLUMNS / 4;
  static constexpr int SHARE = THREADS / QUADS;
  static constexpr int ROWS = (K + SHARE - 1) / SHARE;
  static constexpr int WARPS = THREADS / 32;
  static_assert(QUADS <= 32 && (QUADS & (QUADS - 1)) == 0, "columns: 4, 8, 16, 32, 64 or 128");

  float4 s[ROWS];

  // Shared memory: what the warps pass to each other.
  struct Shared {
    float4 k[WARPS][QUADS];
    float4 q[WARPS][QUADS];
  };

  static DEVICE int column() { return 4 * (threadIdx.x % QUADS); }

  static DEVICE int row(int i) { return i * SHARE + threadIdx.x / QUADS; }

  // state [K, V] from the first of the block's columns.
  DEVICE void load(const float* state) {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      s[i] = row(i) < K ? *reinterpret_cast<const float4*>(state + row(i) * V + column())
                        : make_float4(0.f, 0.f, 0.f, 0.f);
    }
  }

  // q, k [K] float32 in shared memory, already visible; v: this thread's four columns. Returns o of the same columns
  // (the same in all threads of a column).
  DEVICE float4 advance(const float* q, const float* k, float4 v, float alpha, float beta,
                        Shared& shared) {
    float4 sk = make_float4(0.f, 0.f, 0.f, 0.f);
    float4 sq = sk;
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      float a = row(i) < K ? k[row(i)] : 0.f;
      float b = row(i) < K ? q[row(i)] : 0.f;
      add(sk, s[i], a);
      add(sq, s[i], b);
    }
    sum_rows(sk);
    sum_rows(sq);
    float qk = 0.f;
#pragma unroll
    for (int i = 0; i < K; i += 32) {
      int d = i + threadIdx.x % 32;
      qk += d < K ? q[d] * k[d] : 0.f;
    }
    qk = warp_sum(qk);
    if (threadIdx.x % 32 < QUADS) {
      shared.k[threadIdx.x / 32][threadIdx.x % QUADS] = sk;
      shared.q[threadIdx.x / 32][threadIdx.x % QUADS] = sq;
    }
    __syncthreads();
    sk = shared.k[0][threadIdx.x % QUADS];
    sq = shared.q[0][threadIdx.x % QUADS];
#pragma unroll
    for (int w = 1; w < WARPS; w++) {
      add(sk, shared.k[w][threadIdx.x % QUADS], 1.f);
      add(sq, shared.q[w][threadIdx.x % QUADS], 1.f);
    }
    float4 u = make_float4(beta * (v.x - alpha * sk.x), beta * (v.y - alpha * sk.y),
                           beta * (v.z - alpha * sk.z), beta * (v.w - alpha * sk.w));
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      float a = row(i) < K ? k[row(i)] : 0.f;
      s[i] = make_float4(fmaf(a, u.x, alpha * s[i].x), fmaf(a, u.y, alpha * s[i].y),
                         fmaf(a, u.z, alpha * s[i].z), fmaf(a, u.w, alpha * s[i].w));
    }
    float norm = rsqrtf((float)K);
    return make_float4(norm * fmaf(alpha, sq.x, qk * u.x), norm * fmaf(alpha, sq.y, qk * u.y),
                       norm * fmaf(alpha, sq.z, qk * u.z), norm * fmaf(alpha, sq.w, qk * u.w));
  }

  DEVICE void store(float* state) const {
#pragma unroll
    for (int i = 0; i < ROWS; i++) {
      if (row(i) < K) {
        *reinterpret_cast<float4*>(state + row(i) * V + column()) = s[i];
      }
    }
  }

  static DEVICE void add(float4& sum, float4 x, float factor) {
    sum.x = fmaf(x.x, factor, sum.x);
    sum.y = fmaf(x.y, factor, sum.y);
    sum.z = fmaf(x.z, factor, sum.z);
    sum.w = fmaf(x.w, factor, sum.w);
  }

  static DEVICE void sum_rows(float4& x) {
#pragma unroll
    for (int lane = QUADS; lane < 32; lane *= 2) {
      x.x += __shfl_xor_sync(FULL_WARP, x.x, lane);
      x.y += __shfl_xor_sync(FULL_WARP, x.y, lane);
      x.z += __shfl_xor_sync(FULL_WARP, x.z, lane);
      x.w += __shfl_xor_sync(FULL_WARP, x.w, lane);
    }
  }
};
