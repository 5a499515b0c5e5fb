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

// gates [B H n, 5, C] of all chunks, a warp each. Sums in float64: 50 steps of -30 cost 1e-4 of dg in float32.
extern "C" __global__ void delta_gates(const float* g, const float* beta, float* gates, int heads, int tokens, int chunks,
                                       int total) {
  int item = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  int lane = threadIdx.x % 32;
  if (item >= total) {
    return;
  }
  Place p(item / chunks, item % chunks, heads, tokens, chunks);
  double sums[2];
  float strength[2];
#pragma unroll
  for (int i = 0; i < 2; i++) {
    int t = 2 * lane + i;
    long long from = (p.row + t) * heads + p.head;
    bool there = t < p.count;
    sums[i] = there ? (double)g[from] * 1.4426950408889634 : 0.;
    strength[i] = there ? fmaxf(beta[from], MIN_BETA) : 1.f;
  }
  sums[1] += sums[0];
  double upTo = sums[1];
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    double other = __shfl_up_sync(FULL_WARP, upTo, step);
    upTo += lane >= step ? other : 0.;
  }
  double before = upTo - sums[1];
  double all = __shfl_sync(FULL_WARP, upTo, 31);
  float* to = gates + (long long)item * GATES;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    int t = 2 * lane + i;
    double sum = fmin(before + sums[i], 0.);
    float high = (float)sum;
    to[HIGH + t] = high;
    to[LOW + t] = (float)(sum - high);
    to[E + t] = exp2_fast((float)sum);
    to[H_ + t] = exp2_fast((float)fmin(all - sum, 0.));
    to[BETA + t] = strength[i];
  }
}

// Γ_ij = e^{G_i - G_j}, 0 above the diagonal. Without a branch: what lies above is 1 before it is dropped.
DEVICE float decay_between(const float* gates, int i, int j) {
  float gamma = exp2_fast(fminf((gates[HIGH + i] - gates[HIGH + j]) + (gates[LOW + i] - gates[LOW + j]), 0.f));
  return i >= j ? gamma : 0.f;
}
