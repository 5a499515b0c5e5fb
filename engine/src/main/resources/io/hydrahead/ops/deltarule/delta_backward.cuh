// What the backward kernels of the gated delta rule share: the chunks' places and decays.
#pragma once
#include "common.cuh"

constexpr int C = 64;
constexpr float MIN_BETA = 0x1p-40f;

// Vectors of a chunk as delta_gates leaves them: G in units of log 2 as two floats, e, h, β.
constexpr int GATES = 5 * C;
constexpr int HIGH = 0, LOW = C, E = 2 * C, H_ = 3 * C, BETA = 4 * C;

// Chunk `chunk` of head `bh`: first row among the B T rows, tokens, and index among all chunks.
struct Place {
  long long row;
  long long index;
  int head;
  int count;
  DEVICE Place(int bh, int chunk, int heads, int tokens, int chunks) {
    head = bh % heads;
    row = (long long)(bh / heads) * tokens + chunk * C;
    index = (long long)bh * chunks + chunk;
    count = min(C, tokens - chunk * C);
  }
};

// What lane l of a warp reads for tokens 2 l and 2 l + 1 of a chunk, to make its vectors from.
struct GateInputs {
  float g[2];
  float beta[2];
  DEVICE GateInputs(const float* gs, const float* betas, long long g_stride, long long beta_stride, const Place& p, int lane) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int t = 2 * lane + i;
      g[i] = t < p.count ? gs[(p.row + t) * g_stride + p.head] : 0.f;
      beta[i] = t < p.count ? fmaxf(betas[(p.row + t) * beta_stride + p.head], MIN_BETA) : 1.f;
    }
  }

  // Sums in float64: 50 steps of -30 cost 1e-4 of dg in float32.
  DEVICE void put(float* to, int lane) const {
    double sums[2] = {g[0] * 1.4426950408889634, g[1] * 1.4426950408889634};
    sums[1] += sums[0];
    double upTo = sums[1];
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      double other = __shfl_up_sync(FULL_WARP, upTo, step);
      upTo += lane >= step ? other : 0.;
    }
    double before = upTo - sums[1];
    double all = __shfl_sync(FULL_WARP, upTo, 31);
#pragma unroll
    for (int i = 0; i < 2; i++) {
      int t = 2 * lane + i;
      double sum = fmin(before + sums[i], 0.);
      float high = (float)sum;
      to[HIGH + t] = high;
      to[LOW + t] = (float)(sum - high);
      to[E + t] = exp2_fast((float)sum);
      to[H_ + t] = exp2_fast((float)fmin(all - sum, 0.));
      to[BETA + t] = beta[i];
    }
  }
};

// gates [B H n, 5, C] of all chunks, a warp each.
extern "C" __global__ void delta_gates(const float* g, const float* beta, long long g_stride, long long beta_stride,
                                       float* gates, int heads, int tokens, int chunks, int total) {
  int item = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  int lane = threadIdx.x % 32;
  if (item < total) {
    Place p(item / chunks, item % chunks, heads, tokens, chunks);
    GateInputs(g, beta, g_stride, beta_stride, p, lane).put(gates + (long long)item * GATES, lane);
  }
}

// Γ_ij = e^{G_i - G_j}, 0 above the diagonal. Without a branch: what lies above is 1 before it is dropped.
DEVICE float decay_between(const float* gates, int i, int j) {
  float gamma = exp2_fast(fminf((gates[HIGH + i] - gates[HIGH + j]) + (gates[LOW + i] - gates[LOW + j]), 0.f));
  return i >= j ? gamma : 0.f;
}

// dg of a chunk from dG, by one warp: dg_t = sum of dG_i over i >= t, and what belongs to the last token.
DEVICE void put_decay_gradients(float* dg, long long stride, double first, double second, double end, const Place& p,
                                int lane) {
  second += end * (lane == 31);
  first += second;
  double from = first;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    double other = __shfl_down_sync(FULL_WARP, from, step);
    from += lane + step < 32 ? other : 0.;
  }
  double after = from - first;
  long long to = (p.row + 2 * lane) * stride + p.head;
  if (2 * lane < p.count) {
    dg[to] = (float)from;
  }
  if (2 * lane + 1 < p.count) {
    dg[to + stride] = (float)(after + second);
  }
}
