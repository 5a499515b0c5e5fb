// Backward of the gated delta rule on tensor cores (mma.sync, sm_80 and newer), bf16 operands and float32
// accumulation. B batch, T tokens, H heads, D key and value dim (HEAD_DIM: 16, 32, 64, 128), C = 64 tokens
// a chunk, n = ceil(T / C) chunks. r = 1/sqrt(D). Formulas of one chunk, with e = e^G, h = e^{G_C - G},
// Γ_ij = e^{G_i - G_j} for i >= j, G the log decay accumulated in the chunk, V' = T(β X), P = r Γ QKᵀ:
//
//   delta_gates      G, e, h, β of every token                                     a warp a chunk
//   delta_prepare    X = V - e K S0, V' = T(β X), P                                chunks in parallel
//   delta_scan       dV' = h(K dS1) + Pᵀ dO, E = Tᵀ dV', dV = β E, dY = -e dV,
//                    dS0 = e^{G_C} dS1 + Kᵀ dY + r(e Q)ᵀ dO                        chunks in reverse order;
//                    columns of the state are independent of each other: VALUE_BLOCK of them a block
//   delta_gradients  D = r Γ (dO V'ᵀ), N = -Γ strictLower(dV V'ᵀ),                 chunks in parallel
//                    dQ = r e (dO S0ᵀ) + D K, Kr = dY S0ᵀ + N K,
//                    Kw = h(V' dS1ᵀ) + Dᵀ Q + Nᵀ K, dK = Kr + Kw,
//                    dβ_i = dV_i·V'_i / β_i²,
//                    dG_i = q_i·dQ_i + k_i·(Kr_i - Kw_i) + [i = C] <S1, dS1>, dg_t = sum of dG_i, i >= t
//
// dβ: with W' = V'/β it is E_i·W'_i; β is clamped to 2^-40 here and where T was made, so the quotient keeps
// its relative precision. <S1, dS1> = e^{G_C} <S0, dS1> + sum of k_i·(h V' dS1ᵀ)_i.
//
// The split into a scan over value columns and a pass over all chunks is that of flash-linear-attention.
//
// Layouts: q, k, v, their gradients, dO: rows (b T + t) with strides, head h at column h D. g, β, dg, dβ:
// float [B T, H]. S0, dS1 [B, H, n, D, D] and T, P [B, H, n, C, C]: bf16, contiguous. V' [B T, H D].
#include "common.cuh"
#include "hopper.cuh"

using namespace hopper;

constexpr int D = HEAD_DIM;
constexpr int C = 64;
constexpr float MIN_BETA = 0x1p-40f;

// Vectors of a chunk as delta_gates leaves them: G in units of log 2 as two floats, e, h, β.
constexpr int GATES = 5 * C;
constexpr int HIGH = 0, LOW = C, E = 2 * C, H_ = 3 * C, BETA = 4 * C;

// -----------------------------------------------------------------------------------------------
// Tiles in shared memory: rows of W bf16 whose 16-byte units are permuted so that 8 successive rows
// at one unit lie in different banks.

template <int W>
DEVICE u32 at(int row, int unit) {
  int swap = W >= 64 ? row & 7 : W == 32 ? row >> 1 & 3 : row >> 2 & 1;
  return row * (2 * W) + ((unit ^ swap) << 4);
}

// The pair of elements (row, col), (row, col + 1), col even.
template <int W>
DEVICE u32 pair_at(int row, int col) {
  return at<W>(row, col >> 3) + (col & 7) * 2;
}

DEVICE u32 load_pair(u32 address) {
  u32 v;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
  return v;
}

DEVICE void store_pair(u32 address, u32 v) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
}

DEVICE uint4 load_unit(u32 address) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address) : "memory");
  return v;
}

// A [16 x 16] at (row, col) of a tile stored as rows of M.
template <int W>
DEVICE void load_a(u32 (&a)[4], u32 tile, int row, int col, int lane) {
  ldmatrix4(a[0], a[1], a[2], a[3], tile + at<W>(row + (lane & 15), (col >> 3) + (lane >> 4)));
}

// A [16 x 16], rows m of A and depth k, of a tile stored as rows of K.
template <int W>
DEVICE void load_a_trans(u32 (&a)[4], u32 tile, int k, int m, int lane) {
  ldmatrix4Trans(a[0], a[1], a[2], a[3],
                 tile + at<W>(k + (lane & 7) + (lane >> 4 << 3), (m >> 3) + (lane >> 3 & 1)));
}

// B [16 x 16], depth k and columns n, two column tiles {b0, b1}, {b2, b3}, of a tile stored as rows of N.
template <int W>
DEVICE void load_b(u32 (&b)[4], u32 tile, int n, int k, int lane) {
  ldmatrix4(b[0], b[1], b[2], b[3],
            tile + at<W>(n + (lane & 7) + (lane >> 4 << 3), (k >> 3) + (lane >> 3 & 1)));
}

// The same of a tile stored as rows of K.
template <int W>
DEVICE void load_b_trans(u32 (&b)[4], u32 tile, int k, int n, int lane) {
  ldmatrix4Trans(b[0], b[1], b[2], b[3],
                 tile + at<W>(k + (lane & 7) + ((lane >> 3 & 1) << 3), (n >> 3) + (lane >> 4)));
}

DEVICE void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  mma16816(d[0], d[1], d[2], d[3], a[0], a[1], a[2], a[3], b0, b1);
}

DEVICE void cp_async(u32 to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

// Starts copying `rows` rows of W elements into a tile; rows from `count` on become zeros.
template <int W, int THREADS>
DEVICE void fetch(u32 tile, const bf16* from, long long stride, int rows, int count, int thread) {
  constexpr int UNITS = W / 8;
  for (int i = thread; i < rows * UNITS; i += THREADS) {
    int row = i / UNITS;
    int unit = i % UNITS;
    bool there = row < count;
    cp_async(tile + at<W>(row, unit), from + (there ? row : 0) * stride + unit * 8, there ? 16 : 0);
  }
}

template <int THREADS>
DEVICE void fetch_gates(u32 to, const float* from, int thread) {
  for (int i = thread; i < GATES / 4; i += THREADS) {
    cp_async(to + i * 16, from + i * 4, 16);
  }
}

// Writes the first `count` rows of a tile.
template <int W, int THREADS>
DEVICE void put(bf16* to, long long stride, u32 tile, int count, int thread) {
  constexpr int UNITS = W / 8;
  for (int i = thread; i < count * UNITS; i += THREADS) {
    int row = i / UNITS;
    int unit = i % UNITS;
    *reinterpret_cast<uint4*>(to + row * stride + unit * 8) = load_unit(tile + at<W>(row, unit));
  }
}

// Accumulators of a 16 x 8 tile as bf16 into a tile of shared memory.
template <int W>
DEVICE void put_accumulators(u32 tile, int row, int col, const float (&d)[4], int lane) {
  int r = row + (lane >> 2);
  int c = col + (lane & 3) * 2;
  store_pair(tile + pair_at<W>(r, c), packBf16(d[0], d[1]));
  store_pair(tile + pair_at<W>(r + 8, c), packBf16(d[2], d[3]));
}

DEVICE bf16* advance(void* p, long long elements) { return (bf16*)p + elements; }

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

// -----------------------------------------------------------------------------------------------

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

// Γ_ij for i >= j.
DEVICE float decay_between(const float* gates, int i, int j) {
  return exp2_fast(fminf((gates[HIGH + i] - gates[HIGH + j]) + (gates[LOW + i] - gates[LOW + j]), 0.f));
}

// -----------------------------------------------------------------------------------------------

constexpr int PREPARE_COLUMNS = D >= 32 ? 2 : 1;
constexpr int PREPARE_THREADS = 128 * PREPARE_COLUMNS;

// V' [B T, H D] and P [B, H, n, C, C]; grid (n, B H), shared 2 (3 C D + D D + 2 C C) + 4 GATES bytes.
extern "C" __global__ void __launch_bounds__(PREPARE_THREADS)
    delta_prepare(const bf16* q, const bf16* k, const bf16* v, long long q_stride, long long k_stride, long long v_stride,
                  const float* gates_of_chunks, const bf16* states, const bf16* inverses, bf16* writes, bf16* scores, int heads,
                  int tokens, int chunks) {
  extern __shared__ __align__(1024) unsigned char memory[];
  u32 tile_k = sharedAddress(memory);
  u32 tile_q = tile_k + 2 * C * D;
  u32 tile_v = tile_q + 2 * C * D;
  u32 tile_s = tile_v + 2 * C * D;
  u32 tile_t = tile_s + 2 * D * D;
  u32 tile_p = tile_t + 2 * C * C;
  float* gates = reinterpret_cast<float*>(memory + 2 * (3 * C * D + D * D + 2 * C * C));
  int thread = threadIdx.x;
  int lane = thread % 32;
  int warp = thread / 32;
  int row = warp % 4 * 16;
  int part = warp / 4;
  Place p(blockIdx.y, blockIdx.x, heads, tokens, chunks);

  fetch<D, PREPARE_THREADS>(tile_k, k + p.row * k_stride + p.head * D, k_stride, C, p.count, thread);
  fetch<D, PREPARE_THREADS>(tile_s, states + p.index * D * D, D, D, D, thread);
  fetch<D, PREPARE_THREADS>(tile_q, q + p.row * q_stride + p.head * D, q_stride, C, p.count, thread);
  fetch_gates<PREPARE_THREADS>(sharedAddress(gates), gates_of_chunks + p.index * GATES, thread);
  fetch<D, PREPARE_THREADS>(tile_v, v + p.row * v_stride + p.head * D, v_stride, C, p.count, thread);
  fetch<C, PREPARE_THREADS>(tile_t, inverses + p.index * C * C, C, C, C, thread);
  cpAsyncCommit();
  cpAsyncWait<0>();
  __syncthreads();

  constexpr int TILES = D / PREPARE_COLUMNS / 8;
  constexpr int SQUARES = C / PREPARE_COLUMNS / 8;
  int first = part * (D / PREPARE_COLUMNS);
  int firstSquare = part * (C / PREPARE_COLUMNS);
  float y[TILES][4] = {};
  float s[SQUARES][4] = {};
#pragma unroll
  for (int d = 0; d < D; d += 16) {
    u32 a[4];
    u32 b[4];
    load_a<D>(a, tile_k, row, d, lane);
#pragma unroll
    for (int j = 0; j < TILES; j += 2) {
      load_b_trans<D>(b, tile_s, d, first + j * 8, lane);
      mma(y[j], a, b[0], b[1]);
      mma(y[j + 1], a, b[2], b[3]);
    }
    load_a<D>(a, tile_q, row, d, lane);
#pragma unroll
    for (int j = 0; j < SQUARES; j += 2) {
      load_b<D>(b, tile_k, firstSquare + j * 8, d, lane);
      mma(s[j], a, b[0], b[1]);
      mma(s[j + 1], a, b[2], b[3]);
    }
  }
  const float norm = rsqrtf((float)D);
#pragma unroll
  for (int j = 0; j < SQUARES; j++) {
#pragma unroll
    for (int x = 0; x < 4; x++) {
      int i = row + (lane >> 2) + (x >> 1) * 8;
      int col = firstSquare + j * 8 + (lane & 3) * 2 + (x & 1);
      s[j][x] = i >= col ? s[j][x] * norm * decay_between(gates, i, col) : 0.f;
    }
    put_accumulators<C>(tile_p, row, firstSquare + j * 8, s[j], lane);
  }
  // β X in place of V.
#pragma unroll
  for (int j = 0; j < TILES; j++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      int i = row + (lane >> 2) + half * 8;
      u32 address = tile_v + pair_at<D>(i, first + j * 8 + (lane & 3) * 2);
      u32 value = load_pair(address);
      float e = gates[E + i];
      float strength = gates[BETA + i];
      store_pair(address, packBf16(strength * (low_bf16(value) - e * y[j][2 * half]),
                                   strength * (high_bf16(value) - e * y[j][2 * half + 1])));
    }
  }
  __syncthreads();

  float w[TILES][4] = {};
#pragma unroll
  for (int step = 0; step < 4; step++) {
    if (step * 16 <= row) {
      u32 a[4];
      u32 b[4];
      load_a<C>(a, tile_t, row, step * 16, lane);
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        load_b_trans<D>(b, tile_v, step * 16, first + j * 8, lane);
        mma(w[j], a, b[0], b[1]);
        mma(w[j + 1], a, b[2], b[3]);
      }
    }
  }
#pragma unroll
  for (int j = 0; j < TILES; j++) {
    put_accumulators<D>(tile_q, row, first + j * 8, w[j], lane);
  }
  __syncthreads();
  put<D, PREPARE_THREADS>(writes + p.row * heads * D + p.head * D, (long long)heads * D, tile_q, p.count, thread);
  put<C, PREPARE_THREADS>(scores + p.index * C * C, C, tile_p, C, thread);
}

// -----------------------------------------------------------------------------------------------

#ifndef VALUE_BLOCK
#define VALUE_BLOCK (HEAD_DIM < 32 ? HEAD_DIM : 32)
#endif
#ifndef STAGES
#define STAGES 3
#endif

constexpr int BV = VALUE_BLOCK;
constexpr int WARP_COLUMNS = BV >= 64 ? 32 : 16;
constexpr int SCAN_THREADS = 128 * (BV / WARP_COLUMNS);
constexpr int SCAN_STAGE = 2 * (2 * C * D + 2 * C * C + C * BV) + 4 * GATES;

// dV and dS1; grid (D / VALUE_BLOCK, B H), shared STAGES SCAN_STAGE + 2 (D + 3 C) VALUE_BLOCK bytes. `dstate`
// [B, H, D, D] holds the gradient of the last state and receives that of the first.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS)
    delta_scan(const bf16* q, const bf16* k, const bf16* dout, long long q_stride, long long k_stride, long long dout_stride,
               const float* gates_of_chunks, const bf16* inverses, const bf16* scores, bf16* dv, long long dv_stride,
               bf16* dstates, float* dstate, int heads, int tokens, int chunks) {
  extern __shared__ __align__(1024) unsigned char memory[];
  u32 stages = sharedAddress(memory);
  u32 tile_ds = stages + STAGES * SCAN_STAGE;
  u32 tile_dw = tile_ds + 2 * D * BV;
  u32 tile_dy = tile_dw + 2 * C * BV;
  u32 tile_dv = tile_dy + 2 * C * BV;
  constexpr int AT_Q = 2 * C * D;
  constexpr int AT_T = AT_Q + 2 * C * D;
  constexpr int AT_P = AT_T + 2 * C * C;
  constexpr int AT_DOUT = AT_P + 2 * C * C;
  constexpr int AT_GATES = AT_DOUT + 2 * C * BV;
  constexpr int TILES = WARP_COLUMNS / 8;
  constexpr int KEY_TILES = (D / 16 + 3) / 4;
  int thread = threadIdx.x;
  int lane = thread % 32;
  int warp = thread / 32;
  int part = warp % 4;
  int row = part * 16;
  int first = warp / 4 * WARP_COLUMNS;
  int bh = blockIdx.y;
  int column = blockIdx.x * BV;
  const float norm = rsqrtf((float)D);

  auto start = [&](int chunk) {
    if (chunk >= 0) {
      Place p(bh, chunk, heads, tokens, chunks);
      u32 to = stages + chunk % STAGES * SCAN_STAGE;
      fetch<D, SCAN_THREADS>(to, k + p.row * k_stride + p.head * D, k_stride, C, p.count, thread);
      fetch<C, SCAN_THREADS>(to + AT_P, scores + p.index * C * C, C, C, C, thread);
      fetch<BV, SCAN_THREADS>(to + AT_DOUT, dout + p.row * dout_stride + p.head * D + column, dout_stride, C, p.count, thread);
      fetch_gates<SCAN_THREADS>(to + AT_GATES, gates_of_chunks + p.index * GATES, thread);
      fetch<C, SCAN_THREADS>(to + AT_T, inverses + p.index * C * C, C, C, C, thread);
      fetch<D, SCAN_THREADS>(to + AT_Q, q + p.row * q_stride + p.head * D, q_stride, C, p.count, thread);
    }
    cpAsyncCommit();
  };
#pragma unroll
  for (int i = 1; i < STAGES; i++) {
    start(chunks - i);
  }

  // dS: rows (keys) 16 (part + 4 i), columns `first` on.
  float ds[KEY_TILES][TILES][4];
  float* at_state = dstate + (long long)bh * D * D + column + first + (lane & 3) * 2;
#pragma unroll
  for (int i = 0; i < KEY_TILES; i++) {
    int key = (part + 4 * i) * 16;
#pragma unroll
    for (int j = 0; j < TILES; j++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float2 x = make_float2(0.f, 0.f);
        if (key < D) {
          x = *reinterpret_cast<float2*>(at_state + (key + (lane >> 2) + half * 8) * D + j * 8);
        }
        ds[i][j][2 * half] = x.x;
        ds[i][j][2 * half + 1] = x.y;
      }
    }
  }

  for (int chunk = chunks - 1; chunk >= 0; chunk--) {
    u32 stage = stages + chunk % STAGES * SCAN_STAGE;
    const float* gates = reinterpret_cast<const float*>(memory + chunk % STAGES * SCAN_STAGE + AT_GATES);
    Place p(bh, chunk, heads, tokens, chunks);
#pragma unroll
    for (int i = 0; i < KEY_TILES; i++) {
      if ((part + 4 * i) * 16 < D) {
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          put_accumulators<BV>(tile_ds, (part + 4 * i) * 16, first + j * 8, ds[i][j], lane);
        }
      }
    }
    cpAsyncWait<STAGES - 2>();
    __syncthreads();
    start(chunk - (STAGES - 1));
    put<BV, SCAN_THREADS>(dstates + p.index * D * D + column, D, tile_ds, D, thread);

    // dV' = h (K dS1) + Pᵀ dO
    float dw[TILES][4] = {};
    float local[TILES][4] = {};
#pragma unroll
    for (int d = 0; d < D; d += 16) {
      u32 a[4];
      load_a<D>(a, stage, row, d, lane);
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        load_b_trans<BV>(b, tile_ds, d, first + j * 8, lane);
        mma(dw[j], a, b[0], b[1]);
        mma(dw[j + 1], a, b[2], b[3]);
      }
      if (d < C && d >= row) {
        load_a_trans<C>(a, stage + AT_P, d, row, lane);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          load_b_trans<BV>(b, stage + AT_DOUT, d, first + j * 8, lane);
          mma(local[j], a, b[0], b[1]);
          mma(local[j + 1], a, b[2], b[3]);
        }
      }
    }
#pragma unroll
    for (int d = D; d < C; d += 16) {
      if (d >= row) {
        u32 a[4];
        load_a_trans<C>(a, stage + AT_P, d, row, lane);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          load_b_trans<BV>(b, stage + AT_DOUT, d, first + j * 8, lane);
          mma(local[j], a, b[0], b[1]);
          mma(local[j + 1], a, b[2], b[3]);
        }
      }
    }
    float h0 = gates[H_ + row + (lane >> 2)];
    float h1 = gates[H_ + row + (lane >> 2) + 8];
#pragma unroll
    for (int j = 0; j < TILES; j++) {
#pragma unroll
      for (int x = 0; x < 4; x++) {
        dw[j][x] = local[j][x] + (x < 2 ? h0 : h1) * dw[j][x];
      }
      put_accumulators<BV>(tile_dw, row, first + j * 8, dw[j], lane);
    }
    __syncthreads();

    // E = Tᵀ dV', dV = β E, dY = -e dV
    float grad[TILES][4] = {};
#pragma unroll
    for (int step = 0; step < 4; step++) {
      if (step * 16 >= row) {
        u32 a[4];
        load_a_trans<C>(a, stage + AT_T, step * 16, row, lane);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          load_b_trans<BV>(b, tile_dw, step * 16, first + j * 8, lane);
          mma(grad[j], a, b[0], b[1]);
          mma(grad[j + 1], a, b[2], b[3]);
        }
      }
    }
    float b0 = gates[BETA + row + (lane >> 2)];
    float b1 = gates[BETA + row + (lane >> 2) + 8];
    float e0 = gates[E + row + (lane >> 2)];
    float e1 = gates[E + row + (lane >> 2) + 8];
#pragma unroll
    for (int j = 0; j < TILES; j++) {
#pragma unroll
      for (int x = 0; x < 4; x++) {
        grad[j][x] *= x < 2 ? b0 : b1;
      }
      put_accumulators<BV>(tile_dv, row, first + j * 8, grad[j], lane);
#pragma unroll
      for (int x = 0; x < 4; x++) {
        grad[j][x] *= x < 2 ? -e0 : -e1;
      }
      put_accumulators<BV>(tile_dy, row, first + j * 8, grad[j], lane);
    }

    // dS0 = e^{G_C} dS1 + r (e Q)ᵀ dO + Kᵀ dY
    float decay = gates[E + C - 1];
#pragma unroll
    for (int i = 0; i < KEY_TILES; i++) {
#pragma unroll
      for (int j = 0; j < TILES; j++) {
#pragma unroll
        for (int x = 0; x < 4; x++) {
          ds[i][j][x] *= decay;
        }
      }
    }
#pragma unroll
    for (int step = 0; step < 4; step++) {
      u32 b[TILES / 2][4];
      const float* at_e = gates + E + step * 16 + (lane & 3) * 2;
      float s0 = norm * at_e[0], s1 = norm * at_e[1], s8 = norm * at_e[8], s9 = norm * at_e[9];
#pragma unroll
      for (int j = 0; j < TILES / 2; j++) {
        load_b_trans<BV>(b[j], stage + AT_DOUT, step * 16, first + j * 16, lane);
#pragma unroll
        for (int x = 0; x < 4; x++) {
          b[j][x] = packBf16(low_bf16(b[j][x]) * (x & 1 ? s8 : s0), high_bf16(b[j][x]) * (x & 1 ? s9 : s1));
        }
      }
#pragma unroll
      for (int i = 0; i < KEY_TILES; i++) {
        if ((part + 4 * i) * 16 < D) {
          u32 a[4];
          load_a_trans<D>(a, stage + AT_Q, step * 16, (part + 4 * i) * 16, lane);
#pragma unroll
          for (int j = 0; j < TILES; j++) {
            mma(ds[i][j], a, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
          }
        }
      }
    }
    __syncthreads();
#pragma unroll
    for (int step = 0; step < 4; step++) {
      u32 b[TILES / 2][4];
#pragma unroll
      for (int j = 0; j < TILES / 2; j++) {
        load_b_trans<BV>(b[j], tile_dy, step * 16, first + j * 16, lane);
      }
#pragma unroll
      for (int i = 0; i < KEY_TILES; i++) {
        if ((part + 4 * i) * 16 < D) {
          u32 a[4];
          load_a_trans<D>(a, stage, step * 16, (part + 4 * i) * 16, lane);
#pragma unroll
          for (int j = 0; j < TILES; j++) {
            mma(ds[i][j], a, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
          }
        }
      }
    }
    put<BV, SCAN_THREADS>(dv + p.row * dv_stride + p.head * D + column, dv_stride, tile_dv, p.count, thread);
  }

#pragma unroll
  for (int i = 0; i < KEY_TILES; i++) {
    int key = (part + 4 * i) * 16;
    if (key < D) {
#pragma unroll
      for (int j = 0; j < TILES; j++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          *reinterpret_cast<float2*>(at_state + (key + (lane >> 2) + half * 8) * D + j * 8) =
              make_float2(ds[i][j][2 * half], ds[i][j][2 * half + 1]);
        }
      }
    }
  }
}

// -----------------------------------------------------------------------------------------------

constexpr int GRAD_ROWS = D == 16 ? 4 : 2;
constexpr int GRAD_COLUMNS = D == 16 ? 1 : D == 32 ? 2 : 4;
constexpr int GRAD_WARPS = GRAD_ROWS * GRAD_COLUMNS;
constexpr int GRAD_THREADS = 32 * GRAD_WARPS;

// dq, dk, dg, dβ of the chunks blockIdx.x, blockIdx.x + gridDim.x, …; shared 2 (9 C D + 2 D D + 2 C C) + 8 GATES + 4 KB.
// Each operand is fetched as soon as its buffer is free, so that the next chunk arrives under this one's products.
extern "C" __global__ void __launch_bounds__(GRAD_THREADS)
    delta_gradients(const bf16* q, const bf16* k, const bf16* dout, long long q_stride, long long k_stride,
                    long long dout_stride, const float* gates_of_chunks, const bf16* states, const bf16* dstates,
                    const bf16* writes, const bf16* dv, long long dv_stride, bf16* dq, bf16* dk, long long dq_stride,
                    long long dk_stride, float* dg, float* dbeta, int heads, int tokens, int chunks, int total) {
  extern __shared__ __align__(1024) unsigned char memory[];
  constexpr int ROWS_TILE = 2 * C * D;
  u32 tile_q = sharedAddress(memory);
  u32 tile_k = tile_q + ROWS_TILE;
  u32 tile_dout = tile_k + ROWS_TILE;
  u32 tiles_dv = tile_dout + ROWS_TILE;
  u32 tiles_w = tiles_dv + 2 * ROWS_TILE;
  u32 tile_dq = tiles_w + 2 * ROWS_TILE;
  u32 tile_dk = tile_dq + ROWS_TILE;
  u32 tile_s = tile_dk + ROWS_TILE;
  u32 tile_ds = tile_s + 2 * D * D;
  u32 tile_d = tile_ds + 2 * D * D;
  u32 tile_n = tile_d + 2 * C * C;
  constexpr int AT_GATES = 9 * ROWS_TILE + 4 * D * D + 4 * C * C;
  float* all_gates = reinterpret_cast<float*>(memory + AT_GATES);
  float* row_sums = all_gates + 2 * GATES;
  float* ends = row_sums + GRAD_COLUMNS * C;
  int thread = threadIdx.x;
  int lane = thread % 32;
  int warp = thread / 32;
  constexpr int M_TILES = C / GRAD_ROWS / 16;
  constexpr int TILES = D / GRAD_COLUMNS / 8;
  constexpr int SQUARES = C / GRAD_COLUMNS / 8;
  int row = warp / GRAD_COLUMNS * (C / GRAD_ROWS);
  int last = row + C / GRAD_ROWS - 1;
  int first = warp % GRAD_COLUMNS * (D / GRAD_COLUMNS);
  int firstSquare = warp % GRAD_COLUMNS * (C / GRAD_COLUMNS);
  const float norm = rsqrtf((float)D);

  auto place = [&](int item) { return Place(item / chunks, item % chunks, heads, tokens, chunks); };
  auto start_writes = [&](int item, int buffer) {
    if (item < total) {
      Place p = place(item);
      fetch<D, GRAD_THREADS>(tiles_dv + buffer * ROWS_TILE, dv + p.row * dv_stride + p.head * D, dv_stride, C, p.count, thread);
      fetch<D, GRAD_THREADS>(tiles_w + buffer * ROWS_TILE, writes + p.row * heads * D + p.head * D, (long long)heads * D, C,
                             p.count, thread);
      fetch_gates<GRAD_THREADS>(sharedAddress(all_gates + buffer * GATES), gates_of_chunks + p.index * GATES, thread);
    }
    cpAsyncCommit();
  };
  auto start_outputs = [&](int item) {
    if (item < total) {
      Place p = place(item);
      fetch<D, GRAD_THREADS>(tile_dout, dout + p.row * dout_stride + p.head * D, dout_stride, C, p.count, thread);
      fetch<D, GRAD_THREADS>(tile_s, states + p.index * D * D, D, D, D, thread);
    }
    cpAsyncCommit();
  };
  auto start_keys = [&](int item) {
    if (item < total) {
      Place p = place(item);
      fetch<D, GRAD_THREADS>(tile_k, k + p.row * k_stride + p.head * D, k_stride, C, p.count, thread);
      fetch<D, GRAD_THREADS>(tile_q, q + p.row * q_stride + p.head * D, q_stride, C, p.count, thread);
    }
    cpAsyncCommit();
    if (item < total) {
      fetch<D, GRAD_THREADS>(tile_ds, dstates + (long long)item * D * D, D, D, D, thread);
    }
    cpAsyncCommit();
  };

  int buffer = 0;
  start_writes(blockIdx.x, 0);
  start_outputs(blockIdx.x);
  start_keys(blockIdx.x);
  for (int item = blockIdx.x; item < total; item += gridDim.x) {
    Place p = place(item);
    int next = item + gridDim.x;
    const float* gates = all_gates + buffer * GATES;
    u32 tile_dv = tiles_dv + buffer * ROWS_TILE;
    u32 tile_w = tiles_w + buffer * ROWS_TILE;
    // In flight now, oldest first: writes, outputs, keys, dstates of this chunk; then writes of the next.
    start_writes(next, buffer ^ 1);
    cpAsyncWait<3>();
    __syncthreads();

    // D = r Γ (dO V'ᵀ) and N = -Γ strictLower(dV V'ᵀ), rows `row` on, columns `firstSquare` on.
    {
      float d[M_TILES][SQUARES][4] = {};
      float n[M_TILES][SQUARES][4] = {};
      if (firstSquare <= last) {
#pragma unroll
        for (int v = 0; v < D; v += 16) {
          u32 a[M_TILES][4];
          u32 c[M_TILES][4];
#pragma unroll
          for (int i = 0; i < M_TILES; i++) {
            load_a<D>(a[i], tile_dout, row + i * 16, v, lane);
            load_a<D>(c[i], tile_dv, row + i * 16, v, lane);
          }
#pragma unroll
          for (int j = 0; j < SQUARES; j += 2) {
            u32 b[4];
            load_b<D>(b, tile_w, firstSquare + j * 8, v, lane);
#pragma unroll
            for (int i = 0; i < M_TILES; i++) {
              mma(d[i][j], a[i], b[0], b[1]);
              mma(d[i][j + 1], a[i], b[2], b[3]);
              mma(n[i][j], c[i], b[0], b[1]);
              mma(n[i][j + 1], c[i], b[2], b[3]);
            }
          }
        }
      }
#pragma unroll
      for (int i = 0; i < M_TILES; i++) {
#pragma unroll
        for (int j = 0; j < SQUARES; j++) {
#pragma unroll
          for (int x = 0; x < 4; x++) {
            int at_row = row + i * 16 + (lane >> 2) + (x >> 1) * 8;
            int at_col = firstSquare + j * 8 + (lane & 3) * 2 + (x & 1);
            if (at_row == at_col && at_row < p.count) {
              float strength = gates[BETA + at_row];
              dbeta[(p.row + at_row) * heads + p.head] = n[i][j][x] / strength / strength;
            }
            float gamma = at_row >= at_col ? decay_between(gates, at_row, at_col) : 0.f;
            d[i][j][x] *= norm * gamma;
            n[i][j][x] *= at_row > at_col ? -gamma : 0.f;
          }
          put_accumulators<C>(tile_d, row + i * 16, firstSquare + j * 8, d[i][j], lane);
          put_accumulators<C>(tile_n, row + i * 16, firstSquare + j * 8, n[i][j], lane);
        }
      }
    }

    // dQ and Kr.
    float dqs[M_TILES][TILES][4] = {};
    float read[M_TILES][TILES][4] = {};
#pragma unroll
    for (int v = 0; v < D; v += 16) {
      u32 a[M_TILES][4];
      u32 c[M_TILES][4];
#pragma unroll
      for (int i = 0; i < M_TILES; i++) {
        load_a<D>(a[i], tile_dout, row + i * 16, v, lane);
        load_a<D>(c[i], tile_dv, row + i * 16, v, lane);
      }
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        load_b<D>(b, tile_s, first + j * 8, v, lane);
#pragma unroll
        for (int i = 0; i < M_TILES; i++) {
          mma(dqs[i][j], a[i], b[0], b[1]);
          mma(dqs[i][j + 1], a[i], b[2], b[3]);
          mma(read[i][j], c[i], b[0], b[1]);
          mma(read[i][j + 1], c[i], b[2], b[3]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float e = gates[E + row + i * 16 + (lane >> 2) + half * 8];
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          dqs[i][j][2 * half] *= norm * e;
          dqs[i][j][2 * half + 1] *= norm * e;
          read[i][j][2 * half] *= -e;
          read[i][j][2 * half + 1] *= -e;
        }
      }
    }
    cpAsyncWait<2>();
    __syncthreads();
#pragma unroll
    for (int t = 0; t < C; t += 16) {
      if (t <= last) {
        u32 a[M_TILES][4];
        u32 c[M_TILES][4];
#pragma unroll
        for (int i = 0; i < M_TILES; i++) {
          load_a<C>(a[i], tile_d, row + i * 16, t, lane);
          load_a<C>(c[i], tile_n, row + i * 16, t, lane);
        }
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          load_b_trans<D>(b, tile_k, t, first + j * 8, lane);
#pragma unroll
          for (int i = 0; i < M_TILES; i++) {
            mma(dqs[i][j], a[i], b[0], b[1]);
            mma(dqs[i][j + 1], a[i], b[2], b[3]);
            mma(read[i][j], c[i], b[0], b[1]);
            mma(read[i][j + 1], c[i], b[2], b[3]);
          }
        }
      }
    }
    // Sums over this warp's columns of a row of q·dQ + k·(Kr - Kw).
    float sums[M_TILES][2];
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int at_row = row + i * 16 + (lane >> 2) + half * 8;
        float sum = 0.f;
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          u32 at_pair = pair_at<D>(at_row, first + j * 8 + (lane & 3) * 2);
          u32 qs = load_pair(tile_q + at_pair);
          u32 ks = load_pair(tile_k + at_pair);
          sum += low_bf16(qs) * dqs[i][j][2 * half] + high_bf16(qs) * dqs[i][j][2 * half + 1];
          sum += low_bf16(ks) * read[i][j][2 * half] + high_bf16(ks) * read[i][j][2 * half + 1];
        }
        sums[i][half] = sum;
      }
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        put_accumulators<D>(tile_dq, row + i * 16, first + j * 8, dqs[i][j], lane);
      }
    }
    cpAsyncWait<1>();
    __syncthreads();

    // Kw, first from the states; <S1, dS1>.
    float end = 0.f;
    for (int i = thread; i < D * D / 8; i += GRAD_THREADS) {
      uint4 s = load_unit(tile_s + i * 16);
      uint4 ds = load_unit(tile_ds + i * 16);
      end += low_bf16(s.x) * low_bf16(ds.x) + high_bf16(s.x) * high_bf16(ds.x);
      end += low_bf16(s.y) * low_bf16(ds.y) + high_bf16(s.y) * high_bf16(ds.y);
      end += low_bf16(s.z) * low_bf16(ds.z) + high_bf16(s.z) * high_bf16(ds.z);
      end += low_bf16(s.w) * low_bf16(ds.w) + high_bf16(s.w) * high_bf16(ds.w);
    }
    end *= gates[E + C - 1];
    float write[M_TILES][TILES][4] = {};
#pragma unroll
    for (int v = 0; v < D; v += 16) {
      u32 a[M_TILES][4];
#pragma unroll
      for (int i = 0; i < M_TILES; i++) {
        load_a<D>(a[i], tile_w, row + i * 16, v, lane);
      }
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        load_b<D>(b, tile_ds, first + j * 8, v, lane);
#pragma unroll
        for (int i = 0; i < M_TILES; i++) {
          mma(write[i][j], a[i], b[0], b[1]);
          mma(write[i][j + 1], a[i], b[2], b[3]);
        }
      }
    }
    __syncthreads();
    start_outputs(next);
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int at_row = row + i * 16 + (lane >> 2) + half * 8;
        float h = gates[H_ + at_row];
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          u32 ks = load_pair(tile_k + pair_at<D>(at_row, first + j * 8 + (lane & 3) * 2));
          write[i][j][2 * half] *= h;
          write[i][j][2 * half + 1] *= h;
          end += low_bf16(ks) * write[i][j][2 * half] + high_bf16(ks) * write[i][j][2 * half + 1];
        }
      }
    }
    end = warp_sum(end);
    if (lane == 0) {
      ends[warp] = end;
    }
#pragma unroll
    for (int t = 0; t < C; t += 16) {
      if (t + 15 >= row) {
        u32 a[M_TILES][4];
        u32 c[M_TILES][4];
#pragma unroll
        for (int i = 0; i < M_TILES; i++) {
          load_a_trans<C>(a[i], tile_d, t, row + i * 16, lane);
          load_a_trans<C>(c[i], tile_n, t, row + i * 16, lane);
        }
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          u32 f[4];
          load_b_trans<D>(b, tile_q, t, first + j * 8, lane);
          load_b_trans<D>(f, tile_k, t, first + j * 8, lane);
#pragma unroll
          for (int i = 0; i < M_TILES; i++) {
            mma(write[i][j], a[i], b[0], b[1]);
            mma(write[i][j + 1], a[i], b[2], b[3]);
            mma(write[i][j], c[i], f[0], f[1]);
            mma(write[i][j + 1], c[i], f[2], f[3]);
          }
        }
      }
    }
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int at_row = row + i * 16 + (lane >> 2) + half * 8;
        float sum = sums[i][half];
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          u32 ks = load_pair(tile_k + pair_at<D>(at_row, first + j * 8 + (lane & 3) * 2));
          sum -= low_bf16(ks) * write[i][j][2 * half] + high_bf16(ks) * write[i][j][2 * half + 1];
          read[i][j][2 * half] += write[i][j][2 * half];
          read[i][j][2 * half + 1] += write[i][j][2 * half + 1];
        }
        sum = warp_sum<4>(sum);
        if ((lane & 3) == 0) {
          row_sums[warp % GRAD_COLUMNS * C + at_row] = sum;
        }
      }
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        put_accumulators<D>(tile_dk, row + i * 16, first + j * 8, read[i][j], lane);
      }
    }
    __syncthreads();
    start_keys(next);

    put<D, GRAD_THREADS>(dq + p.row * dq_stride + p.head * D, dq_stride, tile_dq, p.count, thread);
    put<D, GRAD_THREADS>(dk + p.row * dk_stride + p.head * D, dk_stride, tile_dk, p.count, thread);
    if (warp == 0) {
      double sum[2] = {0., 0.};
#pragma unroll
      for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int part = 0; part < GRAD_COLUMNS; part++) {
          sum[i] += row_sums[part * C + 2 * lane + i];
        }
      }
      double all_ends = 0.;
#pragma unroll
      for (int w = 0; w < GRAD_WARPS; w++) {
        all_ends += ends[w];
      }
      sum[0] += sum[1];
      double from = sum[0];
#pragma unroll
      for (int step = 1; step < 32; step *= 2) {
        double other = __shfl_down_sync(FULL_WARP, from, step);
        from += lane + step < 32 ? other : 0.;
      }
      double after = from - sum[0] + all_ends;
#pragma unroll
      for (int i = 0; i < 2; i++) {
        int t = 2 * lane + i;
        if (t < p.count) {
          dg[(p.row + t) * heads + p.head] = (float)(after + sum[i]);
        }
      }
    }
    buffer ^= 1;
  }
}
