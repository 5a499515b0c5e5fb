// Backward pass of causal attention over a list of heads, bf16, on mma.sync (sm_80 and newer).
// Deterministic: dk and dv by one kernel, dq by another, each sum in one thread and in one order.
//
// B batch, T tokens, h query heads, g KV heads, d head dim (-DHEAD_DIM, a multiple of 16). With
// P = exp(scale q k^T - lse) and dS = P (dO v^T - delta):
//   dv = P^T dO, dk = scale dS^T q, dq = scale dS k.
// q, dO, dq are rows [B*T, h*d], k, v, dk, dv [B*T, g*d], each with a row stride of its own; lse2,
// delta [B, h, padded] come from attention_backward_rows. The structure follows FlashAttention-2; S
// is computed transposed where keys are the rows, so that P^T and dS^T pass from the accumulators of
// one product to the operand of the next without leaving the registers.
//
// nvrtc: -DHEAD_DIM=32
// nvrtc: -DHEAD_DIM=128
// nvrtc: -DHEAD_DIM=32 -DWINDOW=1
// nvrtc: -DHEAD_DIM=128 -DWINDOW=1
#define BF16 1
#include "attention_backward.cuh"
#include "attention_window.cuh"
#include "common.cuh"
#include "hopper.cuh"

using namespace hopper;

constexpr int D = HEAD_DIM;
constexpr int STEPS = D / 16;       // products of 16 along d
constexpr int PITCH = D + 8;        // elements from one row in shared memory to the next
constexpr int TILE = D > 64 ? 32 : 64;  // rows that a stage of shared memory holds
constexpr int CHUNK = 32;           // rows whose probabilities are in registers at a time
constexpr int FRAGMENTS = D > 32 ? 1 : 2;  // of 16 rows a warp
constexpr int WARPS = 4;
constexpr int OWN = WARPS * 16 * FRAGMENTS;  // rows whose gradients a block computes
constexpr bool KEPT = D <= 64;      // K and V stay in registers as operands

static_assert(D % 16 == 0 && D >= 16 && D <= 128, "head dim");

struct Stage {
  bf16 a[TILE * PITCH];
  bf16 b[TILE * PITCH];
  float lse2[TILE];
  float delta[TILE];
};

struct Shared {
  Stage stages[2];
  bf16 a[OWN * PITCH];
  bf16 b[OWN * PITCH];
};

static_assert(sizeof(Shared) <= 4 * TILE * (2 * PITCH + 4) + 4 * OWN * PITCH,
              "the host allows this much");

// Rows first ... first + ROWS - 1 of a matrix of `rows` rows; zeros beyond.
template <int ROWS>
DEVICE void load_rows(bf16* to, const bf16* from, long long stride, int first, int rows) {
  for (int i = threadIdx.x; i < ROWS * (D / 8); i += WARPS * 32) {
    int r = i / (D / 8);
    int c = i % (D / 8) * 8;
    bool inside = first + r < rows;
    cpAsync16(to + r * PITCH + c, from + (inside ? first + r : 0) * stride + c, inside ? 16 : 0);
  }
}

// The operand A of STEPS products: 16 rows of d elements.
struct Rows {
  u32 a[STEPS][4];
};

DEVICE void load_step(u32 (&a)[4], const bf16* rows, int step) {
  int lane = threadIdx.x % 32;
  ldmatrix4(a[0], a[1], a[2], a[3],
            sharedAddress(rows + (lane % 16) * PITCH + step * 16 + lane / 16 * 8));
}

DEVICE void load_operand(Rows& x, const bf16* rows) {
#pragma unroll
  for (int s = 0; s < STEPS; s++) {
    load_step(x.a[s], rows, s);
  }
}

// c [16, CHUNK] += x [16, d] y^T for CHUNK rows y.
DEVICE void scores(float (&c)[FRAGMENTS][CHUNK / 8][4], const Rows (&x)[FRAGMENTS], const bf16* own,
                   const bf16* y) {
  int lane = threadIdx.x % 32;
  const bf16* at = y + (lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 8;
#pragma unroll
  for (int s = 0; s < STEPS; s++) {
    u32 a[FRAGMENTS][4];
#pragma unroll
    for (int f = 0; f < FRAGMENTS; f++) {
      if (own == nullptr) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          a[f][i] = x[f].a[s][i];
        }
      } else {
        load_step(a[f], own + f * 16 * PITCH, s);
      }
    }
#pragma unroll
    for (int j = 0; j < CHUNK / 8; j += 2) {
      u32 b[4];
      ldmatrix4(b[0], b[1], b[2], b[3], sharedAddress(at + j * 8 * PITCH + s * 16));
#pragma unroll
      for (int f = 0; f < FRAGMENTS; f++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
          float(&o)[4] = c[f][j + i];
          mma16816(o[0], o[1], o[2], o[3], a[f][0], a[f][1], a[f][2], a[f][3], b[2 * i],
                   b[2 * i + 1]);
        }
      }
    }
  }
}

// c [16, d] += weights [16, CHUNK] y for CHUNK rows y.
DEVICE void sums(float (&c)[FRAGMENTS][D / 8][4], const float (&weights)[FRAGMENTS][CHUNK / 8][4],
                 const bf16* y) {
  int lane = threadIdx.x % 32;
  const bf16* at = y + lane % 16 * PITCH + lane / 16 * 8;
#pragma unroll
  for (int s = 0; s < CHUNK / 16; s++) {
    u32 a[FRAGMENTS][4];
#pragma unroll
    for (int f = 0; f < FRAGMENTS; f++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float(&w)[4] = weights[f][2 * s + i / 2];
        a[f][i] = pack_bf16(w[i % 2 * 2], w[i % 2 * 2 + 1]);
      }
    }
#pragma unroll
    for (int j = 0; j < D / 8; j += 2) {
      u32 b[4];
      ldmatrix4Trans(b[0], b[1], b[2], b[3], sharedAddress(at + s * 16 * PITCH + j * 8));
#pragma unroll
      for (int f = 0; f < FRAGMENTS; f++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
          float(&o)[4] = c[f][j + i];
          mma16816(o[0], o[1], o[2], o[3], a[f][0], a[f][1], a[f][2], a[f][3], b[2 * i],
                   b[2 * i + 1]);
        }
      }
    }
  }
}

// scale c [16, d] to rows first ... of a matrix of `rows` rows.
DEVICE void store_rows(bf16* to, long long stride, int first, int rows, float scale,
                       const float (&c)[D / 8][4]) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int r = first + lane / 4 + half * 8;
#pragma unroll
    for (int j = 0; j < D / 8; j += 2) {
      u32 pair[2];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const float(&w)[4] = c[j + i];
        pair[i] = pack_bf16(scale * w[half * 2], scale * w[half * 2 + 1]);
      }
      quadRow(pair[0], pair[1]);
      if (r < rows) {
        *reinterpret_cast<uint2*>(to + r * stride + j * 8 + lane % 4 * 4) =
            make_uint2(pair[0], pair[1]);
      }
    }
  }
}

// One step of the keys' kernel: TILE rows of q and dO of one head, from row t.
DEVICE void load_queries(Stage& s, const bf16* q, const bf16* dO, long long q_row, long long dO_row,
                         const float* lse2, const float* delta, int t, int T) {
  load_rows<TILE>(s.a, q, q_row, t, T);
  load_rows<TILE>(s.b, dO, dO_row, t, T);
  int i = threadIdx.x;
  if (i < TILE / 4) {
    cpAsync16(s.lse2 + 4 * i, lse2 + t + 4 * i);
  } else if (i < TILE / 2) {
    cpAsync16(s.delta + 4 * (i - TILE / 4), delta + t + 4 * (i - TILE / 4));
  }
}

// dk, dv of OWN keys of one KV head. Grid (ceil(T / OWN), g, B), 4 warps, sizeof(Shared) bytes.
extern "C" __global__ void __launch_bounds__(WARPS * 32)
    attention_backward_keys(const bf16* __restrict__ q, const bf16* __restrict__ k,
                            const bf16* __restrict__ v, const bf16* __restrict__ dO,
                            const float* __restrict__ lse2, const float* __restrict__ delta,
                            bf16* __restrict__ dk, bf16* __restrict__ dv,
                            const __grid_constant__ Heads list, int heads, int T, int padded,
                            long long q_row, long long k_row, long long v_row, long long dO_row,
                            long long dk_row, long long dv_row, float scale WINDOW_ARGUMENTS) {
  extern __shared__ __align__(16) unsigned char memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int first = blockIdx.x * OWN;
  long long row = (long long)blockIdx.z * T;
  int column = blockIdx.y * D;
  auto load = [&](int stage, int index, int t) {
    int h = list.query[index];
    long long stats = ((long long)blockIdx.z * heads + h) * padded;
    load_queries(shared.stages[stage], q + row * q_row + h * D, dO + row * dO_row + h * D, q_row,
                 dO_row, lse2 + stats, delta + stats, t, T);
  };

  float dk_sum[FRAGMENTS][D / 8][4] = {};
  float dv_sum[FRAGMENTS][D / 8][4] = {};
  int start = first / TILE * TILE;
  int index = list.start[blockIdx.y];  // of the query head
  int end = list.start[blockIdx.y + 1];
#if WINDOW
  int stop = first < sinks ? T : min(T, first + OWN - 1 + window);  // rows that see any of the keys
#else
  int stop = T;
#endif
  int t = start;
  load_rows<OWN>(shared.a, k + row * k_row + column, k_row, first, T);
  load_rows<OWN>(shared.b, v + row * v_row + column, v_row, first, T);
  if (index < end) {
    load(0, index, t);
  }
  cpAsyncCommit();
  const bf16* own_k = shared.a + warp * 16 * FRAGMENTS * PITCH;
  const bf16* own_v = shared.b + warp * 16 * FRAGMENTS * PITCH;
  Rows key[FRAGMENTS];
  Rows value[FRAGMENTS];
  int own_first = first + warp * 16 * FRAGMENTS;
  float scale2 = scale * LOG2E;
  for (int i = 0; index < end; i++) {
    int next = index;
    int next_t = t + TILE;
    if (next_t >= stop) {
      next++;
      next_t = start;
    }
    if (next < end) {
      load((i + 1) % 2, next, next_t);
    }
    cpAsyncCommit();
    cpAsyncWait<1>();
    __syncthreads();
    if (KEPT && i == 0) {
#pragma unroll
      for (int f = 0; f < FRAGMENTS; f++) {
        load_operand(key[f], own_k + f * 16 * PITCH);
        load_operand(value[f], own_v + f * 16 * PITCH);
      }
    }
    const Stage& s = shared.stages[i % 2];
    for (int m = 0; m < TILE; m += CHUNK) {
      if (t + m + CHUNK <= own_first) {
        continue;
      }
      float p[FRAGMENTS][CHUNK / 8][4] = {};
      float dS[FRAGMENTS][CHUNK / 8][4] = {};
      scores(p, key, KEPT ? nullptr : own_k, s.a + m * PITCH);
      scores(dS, value, KEPT ? nullptr : own_v, s.b + m * PITCH);
      bool diagonal = t + m < own_first + 16 * FRAGMENTS - 1;
#if WINDOW
      diagonal |= t + m + CHUNK - 1 - own_first >= window;
#endif
#pragma unroll
      for (int j = 0; j < CHUNK / 8; j++) {
        int c = m + j * 8 + lane % 4 * 2;
        float2 row_lse2 = *reinterpret_cast<const float2*>(s.lse2 + c);
        float2 row_delta = *reinterpret_cast<const float2*>(s.delta + c);
#pragma unroll
        for (int f = 0; f < FRAGMENTS; f++) {
#pragma unroll
          for (int e = 0; e < 4; e++) {
            float x = exp2_fast(fmaf(p[f][j][e], scale2, -(e % 2 ? row_lse2.y : row_lse2.x)));
            if (diagonal && t + c + e % 2 < own_first + f * 16 + lane / 4 + e / 2 * 8) {
              x = 0;
            }
#if WINDOW
            int key = own_first + f * 16 + lane / 4 + e / 2 * 8;
            if (diagonal && t + c + e % 2 - key >= window && key >= sinks) {
              x = 0;
            }
#endif
            p[f][j][e] = x;
            dS[f][j][e] = x * (dS[f][j][e] - (e % 2 ? row_delta.y : row_delta.x));
          }
        }
      }
      sums(dv_sum, p, s.b + m * PITCH);
      sums(dk_sum, dS, s.a + m * PITCH);
    }
    __syncthreads();
    index = next;
    t = next_t;
  }
#pragma unroll
  for (int f = 0; f < FRAGMENTS; f++) {
    store_rows(dk + row * dk_row + column, dk_row, own_first + f * 16, T, scale, dk_sum[f]);
    store_rows(dv + row * dv_row + column, dv_row, own_first + f * 16, T, 1.f, dv_sum[f]);
  }
}

// dq of OWN rows of one head. Grid (ceil(T / OWN), h, B), 4 warps, sizeof(Shared) bytes.
extern "C" __global__ void __launch_bounds__(WARPS * 32)
    attention_backward_queries(const bf16* __restrict__ q, const bf16* __restrict__ k,
                               const bf16* __restrict__ v, const bf16* __restrict__ dO,
                               const float* __restrict__ lse2, const float* __restrict__ delta,
                               bf16* __restrict__ dq, const __grid_constant__ Heads list,
                               int heads, int T, int padded, long long q_row,
                               long long k_row, long long v_row, long long dO_row,
                               long long dq_row, float scale WINDOW_ARGUMENTS) {
  extern __shared__ __align__(16) unsigned char memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int first = (gridDim.x - 1 - blockIdx.x) * OWN;  // the longest rows first
  int h = blockIdx.y;
  long long row = (long long)blockIdx.z * T;
  long long stats = ((long long)blockIdx.z * heads + h) * padded;
  int column = list.kv[h] * D;
  auto load = [&](int stage, int t) {
    load_rows<TILE>(shared.stages[stage].a, k + row * k_row + column, k_row, t, T);
    load_rows<TILE>(shared.stages[stage].b, v + row * v_row + column, v_row, t, T);
  };

  load_rows<OWN>(shared.a, q + row * q_row + h * D, q_row, first, T);
  load_rows<OWN>(shared.b, dO + row * dO_row + h * D, dO_row, first, T);
#if WINDOW
  int oldest = max(first - window + 1, 0) / TILE * TILE;  // first tile that is not sinks
  int start = sinks > 0 ? 0 : oldest;
#else
  int start = 0;
#endif
  load(0, start);
  cpAsyncCommit();
  int own_first = first + warp * 16 * FRAGMENTS;
  float row_lse2[FRAGMENTS][2];
  float row_delta[FRAGMENTS][2];
#pragma unroll
  for (int f = 0; f < FRAGMENTS; f++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int r = own_first + f * 16 + half * 8 + lane / 4;  // below `padded`, a multiple of 128
      row_lse2[f][half] = lse2[stats + r];
      row_delta[f][half] = delta[stats + r];
    }
  }
  float dq_sum[FRAGMENTS][D / 8][4] = {};
  Rows query[FRAGMENTS];
  Rows grad[FRAGMENTS];
  float scale2 = scale * LOG2E;
  int end = min(first + OWN, T);
#if WINDOW
  for (int t = start, i = 0, next; t < end; t = next, i++) {
    next = t + TILE < sinks ? t + TILE : max(t + TILE, oldest);
#else
  for (int t = 0; t < end; t += TILE) {
    int i = t / TILE;
    int next = t + TILE;
#endif
    if (next < end) {
      load((i + 1) % 2, next);
    }
    cpAsyncCommit();
    cpAsyncWait<1>();
    __syncthreads();
    if (i == 0) {
#pragma unroll
      for (int f = 0; f < FRAGMENTS; f++) {
        load_operand(query[f], shared.a + (warp * FRAGMENTS + f) * 16 * PITCH);
        load_operand(grad[f], shared.b + (warp * FRAGMENTS + f) * 16 * PITCH);
      }
    }
    const Stage& s = shared.stages[i % 2];
    for (int n = 0; n < TILE; n += CHUNK) {
      if (t + n > own_first + 16 * FRAGMENTS - 1) {
        break;
      }
      float p[FRAGMENTS][CHUNK / 8][4] = {};
      float dS[FRAGMENTS][CHUNK / 8][4] = {};
      scores(p, query, nullptr, s.a + n * PITCH);
      scores(dS, grad, nullptr, s.b + n * PITCH);
      bool diagonal = t + n + CHUNK - 1 > own_first;
#if WINDOW
      diagonal |= own_first + 16 * FRAGMENTS - 1 - (t + n) >= window;
#endif
#pragma unroll
      for (int f = 0; f < FRAGMENTS; f++) {
#pragma unroll
        for (int j = 0; j < CHUNK / 8; j++) {
#pragma unroll
          for (int e = 0; e < 4; e++) {
            float x = exp2_fast(fmaf(p[f][j][e], scale2, -row_lse2[f][e / 2]));
            if (diagonal && hidden(t + n + j * 8 + lane % 4 * 2 + e % 2,
                                   own_first + f * 16 + lane / 4 + e / 2 * 8 WINDOW_VALUES)) {
              x = 0;
            }
            dS[f][j][e] = x * (dS[f][j][e] - row_delta[f][e / 2]);
          }
        }
      }
      sums(dq_sum, dS, s.a + n * PITCH);
    }
    __syncthreads();
  }
#pragma unroll
  for (int f = 0; f < FRAGMENTS; f++) {
    store_rows(dq + row * dq_row + h * D, dq_row, own_first + f * 16, T, scale, dq_sum[f]);
  }
}
