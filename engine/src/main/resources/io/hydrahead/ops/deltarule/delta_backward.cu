// Backward of the gated delta rule on tensor cores (mma.sync, sm_80 and newer), bf16 operands and float32
// accumulation. B batch, T tokens, H heads, D key and value dim (HEAD_DIM: 16, 32, 64, 128), C = 64 tokens
// a chunk, n = ceil(T / C) chunks. r = 1/sqrt(D). Formulas of one chunk, with e = e^G, h = e^{G_C - G},
// Γ_ij = e^{G_i - G_j} for i >= j, G the log decay accumulated in the chunk, V' = T(β X), P = r Γ QKᵀ:
//
//   delta_gates      G, e, h, β of every token                                     a warp a chunk
//   delta_scores     P                                                             chunks in parallel
//   delta_scan       dV' = h(K dS1) + Pᵀ dO, E = Tᵀ dV', dV = β E, dY = -e dV,
//                    dS0 = e^{G_C} dS1 + Kᵀ dY + r(e Q)ᵀ dO                        chunks in reverse order;
//                    columns of the state are independent of each other: VALUE_BLOCK of them a block
//   delta_gradients  X = V - e K S0, V' = T(β X),                                  chunks in parallel
//                    D = r Γ (dO V'ᵀ), N = -Γ strictLower(dV V'ᵀ),
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
// float [B T, H]. S0, dS1 [B, H, n, D, D] and T, P [B, H, n, C, C]: bf16, contiguous.
//
// nvrtc: -DBF16=1 -DHEAD_DIM=16
// nvrtc: -DBF16=1 -DHEAD_DIM=32
// nvrtc: -DBF16=1 -DHEAD_DIM=64
// nvrtc: -DBF16=1 -DHEAD_DIM=128
#include "delta_tiles.cuh"

// P [B, H, n, C, C]; grid (n, B H), 128 threads, shared 2 (2 C D + C C) + 4 GATES bytes.
extern "C" __global__ void __launch_bounds__(128)
    delta_scores(const bf16* q, const bf16* k, long long q_stride, long long k_stride, const float* gates_of_chunks,
                 bf16* scores, int heads, int tokens, int chunks) {
  extern __shared__ __align__(1024) unsigned char memory[];
  u32 tile_k = sharedAddress(memory);
  u32 tile_q = tile_k + 2 * C * D;
  u32 tile_p = tile_q + 2 * C * D;
  float* gates = reinterpret_cast<float*>(memory + 2 * (2 * C * D + C * C));
  int thread = threadIdx.x;
  int lane = thread % 32;
  int row = thread / 32 * 16;
  Place p(blockIdx.y, blockIdx.x, heads, tokens, chunks);
  const Tile<D> at(lane);
  const Tile<C> at_square(lane);
  const Walk<D, C, 128> rows(thread);
  rows.fetch(tile_k, k + p.row * k_stride + p.head * D, k_stride, p.count);
  rows.fetch(tile_q, q + p.row * q_stride + p.head * D, q_stride, p.count);
  fetch_gates(sharedAddress(gates), gates_of_chunks + p.index * GATES, thread);
  cpAsyncCommit();
  cpAsyncWait<0>();
  __syncthreads();

  float s[8][4] = {};
#pragma unroll
  for (int d = 0; d < D; d += 16) {
    u32 a[4];
    at.a(a, tile_q, row, d);
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
      u32 b[4];
      at.b(b, tile_k, j * 8, d);
      mma(s[j], a, b[0], b[1]);
      mma(s[j + 1], a, b[2], b[3]);
    }
  }
  const float norm = rsqrtf((float)D);
#pragma unroll
  for (int j = 0; j < 8; j++) {
#pragma unroll
    for (int x = 0; x < 4; x++) {
      s[j][x] *= norm * decay_between(gates, row + (lane >> 2) + (x >> 1) * 8, j * 8 + (lane & 3) * 2 + (x & 1));
    }
    at_square.put(tile_p, row, j * 8, s[j]);
  }
  __syncthreads();
  Walk<C, C, 128>(thread).put(scores + p.index * C * C, C, tile_p, C);
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

  const Tile<D> at_keys(lane);
  const Tile<C> at_square(lane);
  const Tile<BV> at(lane);
  const Walk<D, C, SCAN_THREADS> key_rows(thread);
  const Walk<C, C, SCAN_THREADS> squares(thread);
  const Walk<BV, C, SCAN_THREADS> rows(thread);
  const Walk<BV, D, SCAN_THREADS> state_rows(thread);

  auto start = [&](int chunk) {
    if (chunk >= 0) {
      Place p(bh, chunk, heads, tokens, chunks);
      u32 to = stages + chunk % STAGES * SCAN_STAGE;
      key_rows.fetch(to, k + p.row * k_stride + p.head * D, k_stride, p.count);
      squares.fetch(to + AT_P, scores + p.index * C * C, C, C);
      rows.fetch(to + AT_DOUT, dout + p.row * dout_stride + p.head * D + column, dout_stride, p.count);
      fetch_gates(to + AT_GATES, gates_of_chunks + p.index * GATES, thread);
      squares.fetch(to + AT_T, inverses + p.index * C * C, C, C);
      key_rows.fetch(to + AT_Q, q + p.row * q_stride + p.head * D, q_stride, p.count);
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
          at.put(tile_ds, (part + 4 * i) * 16, first + j * 8, ds[i][j]);
        }
      }
    }
    cpAsyncWait<STAGES - 2>();
    __syncthreads();
    start(chunk - (STAGES - 1));
    state_rows.put(dstates + p.index * D * D + column, D, tile_ds, D);

    // dV' = h (K dS1) + Pᵀ dO. (P and T are zero above the diagonal; multiplying by it costs less than branches.)
    float dw[2][TILES][4] = {};
    float local[TILES][4] = {};
#pragma unroll
    for (int d = 0; d < D; d += 16) {
      u32 a[4];
      at_keys.a(a, stage, row, d);
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        at.b_trans(b, tile_ds, d, first + j * 8);
        mma(dw[d / 16 % 2][j], a, b[0], b[1]);
        mma(dw[d / 16 % 2][j + 1], a, b[2], b[3]);
      }
    }
#pragma unroll
    for (int t = 0; t < C; t += 16) {
      u32 a[4];
      at_square.a_trans(a, stage + AT_P, t, row);
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        at.b_trans(b, stage + AT_DOUT, t, first + j * 8);
        mma(local[j], a, b[0], b[1]);
        mma(local[j + 1], a, b[2], b[3]);
      }
    }
    float h0 = gates[H_ + row + (lane >> 2)];
    float h1 = gates[H_ + row + (lane >> 2) + 8];
#pragma unroll
    for (int j = 0; j < TILES; j++) {
#pragma unroll
      for (int x = 0; x < 4; x++) {
        local[j][x] += (x < 2 ? h0 : h1) * (dw[0][j][x] + dw[1][j][x]);
      }
      at.put(tile_dw, row, first + j * 8, local[j]);
    }
    __syncthreads();

    // E = Tᵀ dV', dV = β E, dY = -e dV
    float grad[TILES][4] = {};
#pragma unroll
    for (int t = 0; t < C; t += 16) {
      u32 a[4];
      at_square.a_trans(a, stage + AT_T, t, row);
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        at.b_trans(b, tile_dw, t, first + j * 8);
        mma(grad[j], a, b[0], b[1]);
        mma(grad[j + 1], a, b[2], b[3]);
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
      at.put(tile_dv, row, first + j * 8, grad[j]);
#pragma unroll
      for (int x = 0; x < 4; x++) {
        grad[j][x] *= x < 2 ? -e0 : -e1;
      }
      at.put(tile_dy, row, first + j * 8, grad[j]);
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
        at.b_trans(b[j], stage + AT_DOUT, step * 16, first + j * 16);
#pragma unroll
        for (int x = 0; x < 4; x++) {
          b[j][x] = packBf16(low_bf16(b[j][x]) * (x & 1 ? s8 : s0), high_bf16(b[j][x]) * (x & 1 ? s9 : s1));
        }
      }
#pragma unroll
      for (int i = 0; i < KEY_TILES; i++) {
        if ((part + 4 * i) * 16 < D) {
          u32 a[4];
          at_keys.a_trans(a, stage + AT_Q, step * 16, (part + 4 * i) * 16);
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
        at.b_trans(b[j], tile_dy, step * 16, first + j * 16);
      }
#pragma unroll
      for (int i = 0; i < KEY_TILES; i++) {
        if ((part + 4 * i) * 16 < D) {
          u32 a[4];
          at_keys.a_trans(a, stage, step * 16, (part + 4 * i) * 16);
#pragma unroll
          for (int j = 0; j < TILES; j++) {
            mma(ds[i][j], a, b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
          }
        }
      }
    }
    rows.put(dv + p.row * dv_stride + p.head * D + column, dv_stride, tile_dv, p.count);
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
