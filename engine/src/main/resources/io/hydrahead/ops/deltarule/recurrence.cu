// The gated delta rule token by token: for dims that the chunked kernels do not cut, and for float32,
// where it is as exact as the definition and keeps its bits under any cut of the text.
//
//   u = v − α Sᵀk,   S ← α S + k (β u)ᵀ,   o = (α Sᵀq + (q·k) β u) / √K     (S before the token)
//
// A value column of the state lives in the registers of LANES neighbouring threads, each with every
// LANES-th group of four rows.
//
// KEY_DIM ≤ 256, VALUE_DIM: any.
//
// nvrtc: -DBF16=0 -DKEY_DIM=3 -DVALUE_DIM=256
// nvrtc: -DBF16=1 -DKEY_DIM=128 -DVALUE_DIM=128
#include "common.cuh"

constexpr int K = KEY_DIM;
constexpr int V = VALUE_DIM;
constexpr int C = 64;
constexpr int THREADS = 128;
constexpr int LANES = K <= 32 ? 1 : K <= 64 ? 2 : K <= 128 ? 4 : 8;
constexpr int COLUMNS = THREADS / LANES;
constexpr int GROUPS = (K + 4 * LANES - 1) / (4 * LANES);
constexpr int PADDED = 4 * LANES * GROUPS;
constexpr int TOKENS = 16;

struct Tile {
  float4 q[TOKENS][PADDED / 4];
  float4 k[TOKENS][PADDED / 4];
  float v[TOKENS][COLUMNS];
  float alpha[TOKENS];
  float beta[TOKENS];
};

DEVICE void fill(Tile& tile, const elem* q, long long qStride, const elem* k, long long kStride,
                 const elem* v, long long vStride, const float* g, long long gStride,
                 const float* beta, long long betaStride, int first, int count, int columns) {
  float* tq = reinterpret_cast<float*>(tile.q);
  float* tk = reinterpret_cast<float*>(tile.k);
  for (int x = threadIdx.x; x < TOKENS * PADDED; x += THREADS) {
    int i = x / PADDED;
    int d = x % PADDED;
    bool in = i < count && d < K;
    tq[x] = in ? to_float(q[(first + i) * qStride + d]) : 0.f;
    tk[x] = in ? to_float(k[(first + i) * kStride + d]) : 0.f;
  }
  for (int x = threadIdx.x; x < TOKENS * COLUMNS; x += THREADS) {
    int i = x / COLUMNS;
    int d = x % COLUMNS;
    tile.v[i][d] = i < count && d < columns ? to_float(v[(first + i) * vStride + d]) : 0.f;
  }
  if (threadIdx.x < count) {
    long long i = first + threadIdx.x;
    tile.alpha[threadIdx.x] = expf(g[i * gStride]);
    tile.beta[threadIdx.x] = beta[i * betaStride];
  }
}

// Rows [B·T, …] with row strides; state [B, H, K, V]; saved [B, H, chunks, K, V] or null: the state
// before each chunk of C tokens, counted from the first token of the call.
extern "C" __global__ void __launch_bounds__(THREADS)
    gdn_recurrence(const elem* q, long long qStride, const elem* k, long long kStride,
                   const elem* v, long long vStride, const float* g, long long gStride,
                   const float* beta, long long betaStride, float* state, elem* out,
                   long long outStride, elem* saved, int tokens, int heads) {
  __shared__ Tile tile;
  int head = blockIdx.y;
  int sequence = blockIdx.z;
  int lane = threadIdx.x % LANES;
  int column = blockIdx.x * COLUMNS + threadIdx.x / LANES;
  bool mine = column < V;
  long long row = (long long)sequence * tokens;
  long long index = (long long)sequence * heads + head;
  q += row * qStride + (long long)head * K;
  k += row * kStride + (long long)head * K;
  v += row * vStride + (long long)head * V + blockIdx.x * COLUMNS;
  out += row * outStride + (long long)head * V + column;
  g += row * gStride + head;
  beta += row * betaStride + head;
  state += index * K * V + column;
  float norm = rsqrtf((float)K);
  float s[GROUPS][4];
#pragma unroll
  for (int i = 0; i < GROUPS; i++) {
#pragma unroll
    for (int n = 0; n < 4; n++) {
      int d = 4 * (i * LANES + lane) + n;
      s[i][n] = mine && d < K ? state[(long long)d * V] : 0.f;
    }
  }
  int chunks = ceil_div(tokens, C);
  for (int first = 0; first < tokens; first += TOKENS) {
    int count = min(TOKENS, tokens - first);
    __syncthreads();
    fill(tile, q, qStride, k, kStride, v, vStride, g, gStride, beta, betaStride, first, count,
         V - (int)blockIdx.x * COLUMNS);
    __syncthreads();
    if (saved != nullptr && first % C == 0 && mine) {
      elem* to = saved + (index * chunks + first / C) * K * V + column;
#pragma unroll
      for (int i = 0; i < GROUPS; i++) {
#pragma unroll
        for (int n = 0; n < 4; n++) {
          int d = 4 * (i * LANES + lane) + n;
          if (d < K) {
            assign(to[(long long)d * V], s[i][n]);
          }
        }
      }
    }
    for (int t = 0; t < count; t++) {
      float sk[4] = {}, sq[4] = {}, qk[4] = {};
#pragma unroll
      for (int i = 0; i < GROUPS; i++) {
        float4 a = tile.k[t][i * LANES + lane];
        float4 b = tile.q[t][i * LANES + lane];
        float kk[4] = {a.x, a.y, a.z, a.w};
        float qq[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
        for (int n = 0; n < 4; n++) {
          sk[n] += s[i][n] * kk[n];
          sq[n] += s[i][n] * qq[n];
          qk[n] += qq[n] * kk[n];
        }
      }
      float dotK = warp_sum<LANES>((sk[0] + sk[1]) + (sk[2] + sk[3]));
      float dotQ = warp_sum<LANES>((sq[0] + sq[1]) + (sq[2] + sq[3]));
      float both = warp_sum<LANES>((qk[0] + qk[1]) + (qk[2] + qk[3]));
      float alpha = tile.alpha[t];
      float u = tile.beta[t] * (tile.v[t][threadIdx.x / LANES] - alpha * dotK);
#pragma unroll
      for (int i = 0; i < GROUPS; i++) {
        float4 a = tile.k[t][i * LANES + lane];
        s[i][0] = fmaf(a.x, u, alpha * s[i][0]);
        s[i][1] = fmaf(a.y, u, alpha * s[i][1]);
        s[i][2] = fmaf(a.z, u, alpha * s[i][2]);
        s[i][3] = fmaf(a.w, u, alpha * s[i][3]);
      }
      if (mine && lane == 0) {
        assign(out[(long long)(first + t) * outStride], norm * fmaf(alpha, dotQ, both * u));
      }
    }
  }
  if (mine) {
#pragma unroll
    for (int i = 0; i < GROUPS; i++) {
#pragma unroll
      for (int n = 0; n < 4; n++) {
        int d = 4 * (i * LANES + lane) + n;
        if (d < K) {
          state[(long long)d * V] = s[i][n];
        }
      }
    }
  }
}
