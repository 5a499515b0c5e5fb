// Backward pass of causal attention over a list of heads, float32, in tiles of shared memory.
// Deterministic: dk and dv by one kernel, dq by another, each sum in one thread and in one order.
// Letters and formulas as in attention_backward.cu; head dim d (-DHEAD_DIM) is any up to 128.
//
// nvrtc: -DHEAD_DIM=20
// nvrtc: -DHEAD_DIM=128 -DOWN=32
// nvrtc: -DHEAD_DIM=20 -DWINDOW=1
#include "attention_backward.cuh"
#include "attention_window.cuh"
#include "common.cuh"

constexpr int D = HEAD_DIM;
constexpr int WIDTH = (D + 3) / 4 * 4;                       // columns in shared memory
constexpr int PITCH = WIDTH / 4 % 2 ? WIDTH : WIDTH + 4;     // an odd number of 16-byte units
#ifndef OWN
#define OWN 64  // rows whose gradients a block computes; 32 where shared memory is small
#endif
constexpr int STREAM = 32;           // rows of the other side a step
constexpr int WEIGHTS = STREAM + 4;  // pitch of P and dS
constexpr int SIDE = 16;             // threads in either direction
constexpr int I = OWN / SIDE;
constexpr int J = STREAM / SIDE;
constexpr int C = (WIDTH / 4 + SIDE - 1) / SIDE;  // vectors of 4 columns a thread

static_assert(D >= 1 && D <= 128, "head dim");

struct Shared {
  float own_a[OWN * PITCH];
  float own_b[OWN * PITCH];
  float a[STREAM * PITCH];
  float b[STREAM * PITCH];
  float p[OWN * WEIGHTS];
  float dS[OWN * WEIGHTS];
};

static_assert(sizeof(Shared) <= 4 * (2 * (OWN + STREAM) * (D + 8) + 2 * OWN * WEIGHTS),
              "the host allows this much");

DEVICE int tx() { return threadIdx.x % SIDE; }

DEVICE int ty() { return threadIdx.x / SIDE; }

// Rows first ... first + ROWS - 1 of a matrix of `rows` rows; zeros beyond, and in columns from d
// to WIDTH.
template <int ROWS>
DEVICE void load_rows(float* to, const float* from, long long stride, int first, int rows) {
  bool vectors = D % 4 == 0 && aligned16(from) && stride % 4 == 0;
  for (int i = threadIdx.x; i < ROWS * (WIDTH / 4); i += SIDE * SIDE) {
    int r = i / (WIDTH / 4);
    int c = i % (WIDTH / 4) * 4;
    float x[4] = {};
    if (first + r < rows) {
      const float* at = from + (first + r) * stride + c;
      if (vectors) {
        load(at, x);
      } else {
        load_some(at, D - c, x);
      }
    }
    store(to + r * PITCH + c, x);
  }
}

// c[i][j] = own row (ty + 16 i) . streamed row (tx + 16 j).
DEVICE void scores(float (&c)[I][J], const float* own, const float* streamed) {
#pragma unroll
  for (int i = 0; i < I; i++) {
#pragma unroll
    for (int j = 0; j < J; j++) {
      c[i][j] = 0;
    }
  }
#pragma unroll 4
  for (int d = 0; d < WIDTH; d += 4) {
    float y[J][4];
#pragma unroll
    for (int j = 0; j < J; j++) {
      load(streamed + (tx() + SIDE * j) * PITCH + d, y[j]);
    }
#pragma unroll
    for (int i = 0; i < I; i++) {
      float x[4];
      load(own + (ty() + SIDE * i) * PITCH + d, x);
#pragma unroll
      for (int j = 0; j < J; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          c[i][j] = fmaf(x[e], y[j][e], c[i][j]);
        }
      }
    }
  }
}

// sum[i] (columns 4 (tx + 16 c) ...) += weights [OWN, STREAM] streamed, at own row ty + 16 i.
DEVICE void sums(float (&sum)[I][C][4], const float* weights, const float* streamed) {
#pragma unroll 2
  for (int r = 0; r < STREAM; r += 4) {
    float w[I][4];
#pragma unroll
    for (int i = 0; i < I; i++) {
      load(weights + (ty() + SIDE * i) * WEIGHTS + r, w[i]);
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
#pragma unroll
      for (int c = 0; c < C; c++) {
        int at = 4 * (tx() + SIDE * c);
        if (at < WIDTH) {
          float x[4];
          load(streamed + (r + e) * PITCH + at, x);
#pragma unroll
          for (int i = 0; i < I; i++) {
#pragma unroll
            for (int b = 0; b < 4; b++) {
              sum[i][c][b] = fmaf(w[i][e], x[b], sum[i][c][b]);
            }
          }
        }
      }
    }
  }
}

DEVICE void store_rows(float* to, long long stride, int first, int rows, float scale,
                       const float (&sum)[I][C][4]) {
#pragma unroll
  for (int i = 0; i < I; i++) {
    int r = first + ty() + SIDE * i;
#pragma unroll
    for (int c = 0; c < C; c++) {
      int at = 4 * (tx() + SIDE * c);
      if (r < rows && at < D) {
        float x[4] = {scale * sum[i][c][0], scale * sum[i][c][1], scale * sum[i][c][2],
                      scale * sum[i][c][3]};
        store_some(to + r * stride + at, D - at, x);
      }
    }
  }
}

// dk, dv of OWN keys of one KV head. Grid (ceil(T / OWN), g, B), 256 threads, sizeof(Shared) bytes.
extern "C" __global__ void __launch_bounds__(SIDE* SIDE)
    attention_backward_keys(const float* __restrict__ q, const float* __restrict__ k,
                            const float* __restrict__ v, const float* __restrict__ dO,
                            const float* __restrict__ lse2, const float* __restrict__ delta,
                            float* __restrict__ dk, float* __restrict__ dv,
                            const __grid_constant__ Heads list, int heads, int T, int padded,
                            long long q_row, long long k_row, long long v_row, long long dO_row,
                            long long dk_row, long long dv_row, float scale WINDOW_ARGUMENTS) {
  extern __shared__ __align__(16) unsigned char memory[];
  Shared& s = *reinterpret_cast<Shared*>(memory);
  int first = blockIdx.x * OWN;
  long long row = (long long)blockIdx.z * T;
  int column = blockIdx.y * D;
  float scale2 = scale * LOG2E;
  load_rows<OWN>(s.own_a, k + row * k_row + column, k_row, first, T);
  load_rows<OWN>(s.own_b, v + row * v_row + column, v_row, first, T);
  float dk_sum[I][C][4] = {};
  float dv_sum[I][C][4] = {};
#if WINDOW
  int stop = first < sinks ? T : min(T, first + OWN - 1 + window);  // rows that see any of the keys
#else
  int stop = T;
#endif
  for (int index = list.start[blockIdx.y]; index < list.start[blockIdx.y + 1]; index++) {
    int h = list.query[index];
    long long stats = ((long long)blockIdx.z * heads + h) * padded;
    for (int t = first; t < stop; t += STREAM) {
      __syncthreads();
      load_rows<STREAM>(s.a, q + row * q_row + h * D, q_row, t, T);
      load_rows<STREAM>(s.b, dO + row * dO_row + h * D, dO_row, t, T);
      __syncthreads();
      float p[I][J];
      float dS[I][J];
      scores(p, s.own_a, s.a);
      scores(dS, s.own_b, s.b);
#pragma unroll
      for (int j = 0; j < J; j++) {
        int m = t + tx() + SIDE * j;
        float row_lse2 = lse2[stats + m];  // m < padded, a multiple of 128
        float row_delta = delta[stats + m];
#pragma unroll
        for (int i = 0; i < I; i++) {
          int own = ty() + SIDE * i;
          float x = m < first + own ? 0.f : exp2_fast(fmaf(p[i][j], scale2, -row_lse2));
#if WINDOW
          x = m - (first + own) >= window && first + own >= sinks ? 0.f : x;
#endif
          s.p[own * WEIGHTS + tx() + SIDE * j] = x;
          s.dS[own * WEIGHTS + tx() + SIDE * j] = x * (dS[i][j] - row_delta);
        }
      }
      __syncthreads();
      sums(dv_sum, s.p, s.b);
      sums(dk_sum, s.dS, s.a);
    }
  }
  store_rows(dk + row * dk_row + column, dk_row, first, T, scale, dk_sum);
  store_rows(dv + row * dv_row + column, dv_row, first, T, 1.f, dv_sum);
}

// dq of OWN rows of one head. Grid (ceil(T / OWN), h, B), 256 threads, sizeof(Shared) bytes.
extern "C" __global__ void __launch_bounds__(SIDE* SIDE)
    attention_backward_queries(const float* __restrict__ q, const float* __restrict__ k,
                               const float* __restrict__ v, const float* __restrict__ dO,
                               const float* __restrict__ lse2, const float* __restrict__ delta,
                               float* __restrict__ dq, const __grid_constant__ Heads list,
                               int heads, int T, int padded, long long q_row,
                               long long k_row, long long v_row, long long dO_row,
                               long long dq_row, float scale WINDOW_ARGUMENTS) {
  extern __shared__ __align__(16) unsigned char memory[];
  Shared& s = *reinterpret_cast<Shared*>(memory);
  int first = (gridDim.x - 1 - blockIdx.x) * OWN;  // the longest rows first
  int h = blockIdx.y;
  long long row = (long long)blockIdx.z * T;
  long long stats = ((long long)blockIdx.z * heads + h) * padded;
  int column = list.kv[h] * D;
  float scale2 = scale * LOG2E;
  load_rows<OWN>(s.own_a, q + row * q_row + h * D, q_row, first, T);
  load_rows<OWN>(s.own_b, dO + row * dO_row + h * D, dO_row, first, T);
  float row_lse2[I];
  float row_delta[I];
#pragma unroll
  for (int i = 0; i < I; i++) {
    row_lse2[i] = lse2[stats + first + ty() + SIDE * i];
    row_delta[i] = delta[stats + first + ty() + SIDE * i];
  }
  float dq_sum[I][C][4] = {};
  int end = min(first + OWN, T);
#if WINDOW
  int oldest = max(first - window + 1, 0) / STREAM * STREAM;  // first tile that is not sinks
  for (int t = sinks > 0 ? 0 : oldest; t < end;
       t = t + STREAM < sinks ? t + STREAM : max(t + STREAM, oldest)) {
#else
  for (int t = 0; t < end; t += STREAM) {
#endif
    __syncthreads();
    load_rows<STREAM>(s.a, k + row * k_row + column, k_row, t, T);
    load_rows<STREAM>(s.b, v + row * v_row + column, v_row, t, T);
    __syncthreads();
    float p[I][J];
    float dS[I][J];
    scores(p, s.own_a, s.a);
    scores(dS, s.own_b, s.b);
#pragma unroll
    for (int i = 0; i < I; i++) {
      int own = ty() + SIDE * i;
#pragma unroll
      for (int j = 0; j < J; j++) {
        int n = t + tx() + SIDE * j;
        bool unseen = hidden(n, first + own WINDOW_VALUES);
        float x = unseen ? 0.f : exp2_fast(fmaf(p[i][j], scale2, -row_lse2[i]));
        s.dS[own * WEIGHTS + tx() + SIDE * j] = x * (dS[i][j] - row_delta[i]);
      }
    }
    __syncthreads();
    sums(dq_sum, s.dS, s.a);
  }
  store_rows(dq + row * dq_row + h * D, dq_row, first, T, scale, dq_sum);
}
