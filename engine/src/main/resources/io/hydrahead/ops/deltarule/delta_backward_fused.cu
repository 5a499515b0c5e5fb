// Backward of the gated delta rule for small heads (HEAD_DIM 16, 32) of many sequences: a block takes one head from
// its last chunk to its first and keeps everything in shared memory, so that inputs are read and gradients written
// once. Formulas and layouts: delta_backward.cu; X, V' and P are made on the way.
//
// Four warps, each with 16 of the chunk's 64 token rows. What a warp reads below the diagonal it reads of the rows above
// its own or, transposed, of those below: both in steps of 16 x 16 that exist. About 51 KB of shared memory, so that
// four blocks share a multiprocessor and wait for memory and barriers in turn.
//
// nvrtc: -DBF16=1 -DHEAD_DIM=16
// nvrtc: -DBF16=1 -DHEAD_DIM=32
#include "delta_tiles.cuh"

static_assert(D <= 32, "tiles of four blocks fit a multiprocessor");

constexpr int THREADS = 128;
constexpr int TILES = D / 8;
constexpr int ROWS_TILE = 2 * C * D;
constexpr int AT_K = ROWS_TILE;
constexpr int AT_V = 2 * ROWS_TILE;     // V, then β X, then dY
constexpr int AT_DOUT = 3 * ROWS_TILE;
constexpr int AT_WRITES = 4 * ROWS_TILE; // V'
constexpr int AT_DW = 5 * ROWS_TILE;     // dV', then outputs on their way, rows of a warp
constexpr int AT_DV = 6 * ROWS_TILE;
constexpr int AT_T = 7 * ROWS_TILE;      // T, then N
constexpr int AT_P = AT_T + 2 * C * C;   // P, then D
constexpr int AT_S = AT_P + 2 * C * C;
constexpr int AT_DS = AT_S + 2 * D * D;
constexpr int AT_GATES = AT_DS + 2 * D * D;

typedef float Rows16[TILES][4];

DEVICE void scale_rows(Rows16& x, float upper, float lower) {
#pragma unroll
  for (int j = 0; j < TILES; j++) {
    x[j][0] *= upper;
    x[j][1] *= upper;
    x[j][2] *= lower;
    x[j][3] *= lower;
  }
}

// Accumulators of 16 x 16, masked by the decay between row `row` on and column `col` on; the diagonal too if INCLUSIVE.
template <bool INCLUSIVE>
DEVICE void decay_block(float (&x)[2][4], const float* gates, int row, int col, float factor, int lane) {
#pragma unroll
  for (int j = 0; j < 2; j++) {
#pragma unroll
    for (int y = 0; y < 4; y++) {
      int r = row + (lane >> 2) + (y >> 1) * 8;
      int c = col + j * 8 + (lane & 3) * 2 + (y & 1);
      float gamma = decay_between(gates, r, c);
      x[j][y] *= INCLUSIVE || r > c ? factor * gamma : 0.f;
    }
  }
}

// Grid B H, THREADS threads, shared 2 (7 C D + 2 C C + 2 D D) + 4 (2 GATES + 2 C + 8) bytes. `dstate` as in delta_backward.cu.
extern "C" __global__ void __launch_bounds__(THREADS, 4)
    delta_backward_fused(const bf16* q, const bf16* k, const bf16* v, const bf16* dout, long long q_stride, long long k_stride,
                         long long v_stride, long long dout_stride, const float* g, const float* beta, long long g_stride,
                         long long beta_stride, const bf16* states,
                         const bf16* inverses, bf16* dq, bf16* dk, bf16* dv, long long dq_stride, long long dk_stride,
                         long long dv_stride, float* dg, float* dbeta, long long dg_stride,
                         long long dbeta_stride, float* dstate, int heads, int tokens, int chunks) {
  extern __shared__ __align__(1024) unsigned char memory[];
  u32 base = sharedAddress(memory);
  u32 tile_q = base, tile_k = base + AT_K, tile_v = base + AT_V, tile_dout = base + AT_DOUT, tile_w = base + AT_WRITES;
  u32 tile_dw = base + AT_DW, tile_dv = base + AT_DV, tile_t = base + AT_T, tile_p = base + AT_P, tile_s = base + AT_S;
  u32 tile_ds = base + AT_DS;
  float* all_gates = reinterpret_cast<float*>(memory + AT_GATES);
  float* row_sums = all_gates + 2 * GATES;
  float* diagonal = row_sums + C;
  float* ends = diagonal + C;
  int thread = threadIdx.x;
  int lane = thread % 32;
  int warp = thread / 32;
  int row = warp * 16;
  int bh = blockIdx.x;
  const float norm = rsqrtf((float)D);
  const Tile<D> at(lane);
  const Tile<C> at_square(lane);
  const Walk<D, C, THREADS> rows(thread);
  const Walk<D, D, THREADS> state_rows(thread);
  const Walk<C, C, THREADS> squares(thread);
  const Walk<D, 16, 32> own(lane); // rows of this warp

  auto start_early = [&](const Place& p) {
    rows.fetch(tile_dout, dout + p.row * dout_stride + p.head * D, dout_stride, p.count);
    rows.fetch(tile_v, v + p.row * v_stride + p.head * D, v_stride, p.count);
    state_rows.fetch(tile_s, states + p.index * D * D, D, D);
  };
  auto start_late = [&](const Place& p) {
    rows.fetch(tile_k, k + p.row * k_stride + p.head * D, k_stride, p.count);
    rows.fetch(tile_q, q + p.row * q_stride + p.head * D, q_stride, p.count);
    squares.fetch(tile_t, inverses + p.index * C * C, C, C);
  };
  auto own_rows = [&](bf16* to, long long stride, u32 tile, const Place& p) {
    own.put(to + (p.row + row) * stride + p.head * D, stride, tile + row * 2 * D, p.count - row);
  };

  // dS: 16 keys, 16 columns a warp (with D = 16, of the first).
  int key = warp % (D / 16) * 16;
  int column = warp / (D / 16) * 16;
  bool has_state = column < D;
  float ds[2][4] = {};
  float* at_state = dstate + (long long)bh * D * D + (key + (lane >> 2)) * D + column + (lane & 3) * 2;
  if (has_state) {
#pragma unroll
    for (int j = 0; j < 2; j++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float2 x = *reinterpret_cast<float2*>(at_state + half * 8 * D + j * 8);
        ds[j][2 * half] = x.x;
        ds[j][2 * half + 1] = x.y;
      }
      at.put(tile_ds, key, column + j * 8, ds[j]);
    }
  }
  {
    Place p(bh, chunks - 1, heads, tokens, chunks);
    start_early(p);
    start_late(p);
    cpAsyncCommit();
    if (warp == 0) {
      GateInputs(g, beta, g_stride, beta_stride, p, lane).put(all_gates, lane);
    }
  }

  int buffer = 0;
  for (int chunk = chunks - 1; chunk >= 0; chunk--) {
    Place p(bh, chunk, heads, tokens, chunks);
    Place next(bh, max(chunk - 1, 0), heads, tokens, chunks);
    const float* gates = all_gates + buffer * GATES;
    cpAsyncWait<0>();
    __syncthreads();
    float e0 = gates[E + row + (lane >> 2)], e1 = gates[E + row + (lane >> 2) + 8];
    float b0 = gates[BETA + row + (lane >> 2)], b1 = gates[BETA + row + (lane >> 2) + 8];

    // P, and β X in place of V.
    {
      u32 keys[D / 16][4];
      u32 queries[D / 16][4];
      Rows16 y = {};
#pragma unroll
      for (int d = 0; d < D; d += 16) {
        at.a(keys[d / 16], tile_k, row, d);
        at.a(queries[d / 16], tile_q, row, d);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          at.b_trans(b, tile_s, d, j * 8);
          mma(y[j], keys[d / 16], b[0], b[1]);
          mma(y[j + 1], keys[d / 16], b[2], b[3]);
        }
      }
#pragma unroll
      for (int j = 0; j < 4; j++) {
        if (j <= warp) {
          float s[2][4] = {};
#pragma unroll
          for (int d = 0; d < D; d += 16) {
            u32 b[4];
            at.b(b, tile_k, j * 16, d);
            mma(s[0], queries[d / 16], b[0], b[1]);
            mma(s[1], queries[d / 16], b[2], b[3]);
          }
          decay_block<true>(s, gates, row, j * 16, norm, lane);
          at_square.put(tile_p, row, j * 16, s[0]);
          at_square.put(tile_p, row, j * 16 + 8, s[1]);
        }
      }
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        u32 upper = at.pair(tile_v, row, j * 8);
        u32 lower = at.pair(tile_v, row + 8, j * 8);
        u32 x = load_pair(upper);
        store_pair(upper, packBf16(b0 * (low_bf16(x) - e0 * y[j][0]), b0 * (high_bf16(x) - e0 * y[j][1])));
        x = load_pair(lower);
        store_pair(lower, packBf16(b1 * (low_bf16(x) - e1 * y[j][2]), b1 * (high_bf16(x) - e1 * y[j][3])));
      }
    }
    __syncthreads();

    // V' = T (β X), dV' = h (K dS1) + Pᵀ dO
    {
      Rows16 w = {};
      Rows16 dw = {};
#pragma unroll
      for (int d = 0; d < D; d += 16) {
        u32 a[4];
        at.a(a, tile_k, row, d);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          at.b_trans(b, tile_ds, d, j * 8);
          mma(dw[j], a, b[0], b[1]);
          mma(dw[j + 1], a, b[2], b[3]);
        }
      }
      scale_rows(dw, gates[H_ + row + (lane >> 2)], gates[H_ + row + (lane >> 2) + 8]);
#pragma unroll
      for (int t = 0; t < 4; t++) {
        if (t <= warp) {
          u32 a[4];
          at_square.a(a, tile_t, row, t * 16);
#pragma unroll
          for (int j = 0; j < TILES; j += 2) {
            u32 b[4];
            at.b_trans(b, tile_v, t * 16, j * 8);
            mma(w[j], a, b[0], b[1]);
            mma(w[j + 1], a, b[2], b[3]);
          }
        }
        if (t >= warp) {
          u32 a[4];
          at_square.a_trans(a, tile_p, t * 16, row);
#pragma unroll
          for (int j = 0; j < TILES; j += 2) {
            u32 b[4];
            at.b_trans(b, tile_dout, t * 16, j * 8);
            mma(dw[j], a, b[0], b[1]);
            mma(dw[j + 1], a, b[2], b[3]);
          }
        }
      }
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        at.put(tile_w, row, j * 8, w[j]);
        at.put(tile_dw, row, j * 8, dw[j]);
      }
    }
    __syncthreads();

    // E = Tᵀ dV', dV = β E, dY = -e dV in place of β X
    {
      Rows16 grad = {};
#pragma unroll
      for (int t = 0; t < 4; t++) {
        if (t >= warp) {
          u32 a[4];
          at_square.a_trans(a, tile_t, t * 16, row);
#pragma unroll
          for (int j = 0; j < TILES; j += 2) {
            u32 b[4];
            at.b_trans(b, tile_dw, t * 16, j * 8);
            mma(grad[j], a, b[0], b[1]);
            mma(grad[j + 1], a, b[2], b[3]);
          }
        }
      }
      scale_rows(grad, b0, b1);
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        at.put(tile_dv, row, j * 8, grad[j]);
      }
      scale_rows(grad, -e0, -e1);
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        at.put(tile_v, row, j * 8, grad[j]);
      }
    }
    // D in place of P, dQ = r e (dO S0ᵀ) + D K
    float sums[2] = {0.f, 0.f};
    u32 dqs[TILES][2];
    {
      u32 outs[D / 16][4];
      Rows16 x = {};
#pragma unroll
      for (int d = 0; d < D; d += 16) {
        at.a(outs[d / 16], tile_dout, row, d);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          at.b(b, tile_s, j * 8, d);
          mma(x[j], outs[d / 16], b[0], b[1]);
          mma(x[j + 1], outs[d / 16], b[2], b[3]);
        }
      }
      scale_rows(x, norm * e0, norm * e1);
#pragma unroll
      for (int t = 0; t < 4; t++) {
        if (t <= warp) {
          float s[2][4] = {};
#pragma unroll
          for (int d = 0; d < D; d += 16) {
            u32 b[4];
            at.b(b, tile_w, t * 16, d);
            mma(s[0], outs[d / 16], b[0], b[1]);
            mma(s[1], outs[d / 16], b[2], b[3]);
          }
          decay_block<true>(s, gates, row, t * 16, norm, lane);
          at_square.put(tile_p, row, t * 16, s[0]);
          at_square.put(tile_p, row, t * 16 + 8, s[1]);
          u32 a[4] = {packBf16(s[0][0], s[0][1]), packBf16(s[0][2], s[0][3]), packBf16(s[1][0], s[1][1]),
                      packBf16(s[1][2], s[1][3])};
#pragma unroll
          for (int j = 0; j < TILES; j += 2) {
            u32 b[4];
            at.b_trans(b, tile_k, t * 16, j * 8);
            mma(x[j], a, b[0], b[1]);
            mma(x[j + 1], a, b[2], b[3]);
          }
        }
      }
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        u32 upper = load_pair(at.pair(tile_q, row, j * 8));
        u32 lower = load_pair(at.pair(tile_q, row + 8, j * 8));
        sums[0] += low_bf16(upper) * x[j][0] + high_bf16(upper) * x[j][1];
        sums[1] += low_bf16(lower) * x[j][2] + high_bf16(lower) * x[j][3];
        dqs[j][0] = packBf16(x[j][0], x[j][1]);
        dqs[j][1] = packBf16(x[j][2], x[j][3]);
      }
    }
    // <S0, dS1> e^{G_C}, this thread's part.
    float end = 0.f;
    if (thread < D * D / 8) {
      uint4 s = load_unit(tile_s + thread * 16);
      uint4 d = load_unit(tile_ds + thread * 16);
      end += low_bf16(s.x) * low_bf16(d.x) + high_bf16(s.x) * high_bf16(d.x);
      end += low_bf16(s.y) * low_bf16(d.y) + high_bf16(s.y) * high_bf16(d.y);
      end += low_bf16(s.z) * low_bf16(d.z) + high_bf16(s.z) * high_bf16(d.z);
      end += low_bf16(s.w) * low_bf16(d.w) + high_bf16(s.w) * high_bf16(d.w);
    }
    float decay = gates[E + C - 1];
    end *= decay;
    __syncthreads();

    // N in place of T, Kr = -e (dV S0ᵀ) + N K; dS0; dV and dQ leave.
    Rows16 read = {};
    {
      u32 dvs[D / 16][4];
#pragma unroll
      for (int d = 0; d < D; d += 16) {
        at.a(dvs[d / 16], tile_dv, row, d);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          at.b(b, tile_s, j * 8, d);
          mma(read[j], dvs[d / 16], b[0], b[1]);
          mma(read[j + 1], dvs[d / 16], b[2], b[3]);
        }
      }
      scale_rows(read, -e0, -e1);
#pragma unroll
      for (int t = 0; t < 4; t++) {
        if (t <= warp) {
          float s[2][4] = {};
#pragma unroll
          for (int d = 0; d < D; d += 16) {
            u32 b[4];
            at.b(b, tile_w, t * 16, d);
            mma(s[0], dvs[d / 16], b[0], b[1]);
            mma(s[1], dvs[d / 16], b[2], b[3]);
          }
          if (t == warp) {
            // Row l / 4 (+ 8) meets its own column in tile 0 (1), pair l % 4 = row / 2 of 8.
            if ((lane & 3) == lane >> 3) {
              bool odd = lane >> 2 & 1;
              diagonal[row + (lane >> 2)] = odd ? s[0][1] : s[0][0];
              diagonal[row + (lane >> 2) + 8] = odd ? s[1][3] : s[1][2];
            }
          }
          decay_block<false>(s, gates, row, t * 16, -1.f, lane);
          at_square.put(tile_t, row, t * 16, s[0]);
          at_square.put(tile_t, row, t * 16 + 8, s[1]);
          u32 a[4] = {packBf16(s[0][0], s[0][1]), packBf16(s[0][2], s[0][3]), packBf16(s[1][0], s[1][1]),
                      packBf16(s[1][2], s[1][3])};
#pragma unroll
          for (int j = 0; j < TILES; j += 2) {
            u32 b[4];
            at.b_trans(b, tile_k, t * 16, j * 8);
            mma(read[j], a, b[0], b[1]);
            mma(read[j + 1], a, b[2], b[3]);
          }
        }
      }
    }
    if (has_state) {
#pragma unroll
      for (int j = 0; j < 2; j++) {
#pragma unroll
        for (int x = 0; x < 4; x++) {
          ds[j][x] *= decay;
        }
      }
#pragma unroll
      for (int t = 0; t < C; t += 16) {
        u32 a[4];
        u32 b[4];
        at.a_trans(a, tile_k, t, key);
        at.b_trans(b, tile_v, t, column);
        mma(ds[0], a, b[0], b[1]);
        mma(ds[1], a, b[2], b[3]);
        at.a_trans(a, tile_q, t, key);
        at.b_trans(b, tile_dout, t, column);
        float2 low = *reinterpret_cast<const float2*>(gates + E + t + (lane & 3) * 2);
        float2 high = *reinterpret_cast<const float2*>(gates + E + t + (lane & 3) * 2 + 8);
#pragma unroll
        for (int x = 0; x < 4; x++) {
          float2 s = x & 1 ? high : low;
          b[x] = packBf16(low_bf16(b[x]) * (norm * s.x), high_bf16(b[x]) * (norm * s.y));
        }
        mma(ds[0], a, b[0], b[1]);
        mma(ds[1], a, b[2], b[3]);
      }
    }
#pragma unroll
    for (int j = 0; j < TILES; j++) {
      store_pair(at.pair(tile_dw, row, j * 8), dqs[j][0]);
      store_pair(at.pair(tile_dw, row + 8, j * 8), dqs[j][1]);
    }
    __syncwarp();
    own_rows(dq, dq_stride, tile_dw, p);
    own_rows(dv, dv_stride, tile_dv, p);
    if (warp == 0 && chunk > 0) {
      GateInputs(g, beta, g_stride, beta_stride, next, lane).put(all_gates + (buffer ^ 1) * GATES, lane);
    }
    __syncthreads();
    if (chunk > 0) {
      start_early(next);
    }

    // Kw = h (V' dS1ᵀ) + Dᵀ Q + Nᵀ K, dK = Kr + Kw
    {
      Rows16 write = {};
#pragma unroll
      for (int d = 0; d < D; d += 16) {
        u32 a[4];
        at.a(a, tile_w, row, d);
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          at.b(b, tile_ds, j * 8, d);
          mma(write[j], a, b[0], b[1]);
          mma(write[j + 1], a, b[2], b[3]);
        }
      }
      scale_rows(write, gates[H_ + row + (lane >> 2)], gates[H_ + row + (lane >> 2) + 8]);
      u32 ks[TILES][2];
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        ks[j][0] = load_pair(at.pair(tile_k, row, j * 8));
        ks[j][1] = load_pair(at.pair(tile_k, row + 8, j * 8));
        end += low_bf16(ks[j][0]) * write[j][0] + high_bf16(ks[j][0]) * write[j][1];
        end += low_bf16(ks[j][1]) * write[j][2] + high_bf16(ks[j][1]) * write[j][3];
      }
#pragma unroll
      for (int t = 0; t < 4; t++) {
        if (t >= warp) {
          u32 a[4];
          u32 c[4];
          at_square.a_trans(a, tile_p, t * 16, row);
          at_square.a_trans(c, tile_t, t * 16, row);
#pragma unroll
          for (int j = 0; j < TILES; j += 2) {
            u32 b[4];
            at.b_trans(b, tile_q, t * 16, j * 8);
            mma(write[j], a, b[0], b[1]);
            mma(write[j + 1], a, b[2], b[3]);
            at.b_trans(b, tile_k, t * 16, j * 8);
            mma(write[j], c, b[0], b[1]);
            mma(write[j + 1], c, b[2], b[3]);
          }
        }
      }
#pragma unroll
      for (int j = 0; j < TILES; j++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          float x = read[j][2 * half] - write[j][2 * half];
          float y = read[j][2 * half + 1] - write[j][2 * half + 1];
          sums[half] += low_bf16(ks[j][half]) * x + high_bf16(ks[j][half]) * y;
        }
#pragma unroll
        for (int x = 0; x < 4; x++) {
          write[j][x] += read[j][x];
        }
        at.put(tile_dw, row, j * 8, write[j]);
      }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float sum = warp_sum<4>(sums[half]);
      if ((lane & 3) == 0) {
        row_sums[row + (lane >> 2) + half * 8] = sum;
      }
    }
    end = warp_sum(end);
    if (lane == 0) {
      ends[warp] = end;
    }
    __syncwarp();
    own_rows(dk, dk_stride, tile_dw, p);
    __syncthreads();
    if (chunk > 0) {
      start_late(next);
    }
    cpAsyncCommit();
    if (has_state) {
      at.put(tile_ds, key, column, ds[0]);
      at.put(tile_ds, key, column + 8, ds[1]);
    }
    if (warp == 0) {
      double all_ends = (double)ends[0] + ends[1] + ends[2] + ends[3];
      put_decay_gradients(dg, dg_stride, row_sums[2 * lane], row_sums[2 * lane + 1], all_ends, p, lane);
    }
    if (warp == 1) {
#pragma unroll
      for (int t = lane; t < C; t += 32) {
        if (t < p.count) {
          float inverse = reciprocal_fast(gates[BETA + t]);
          dbeta[(p.row + t) * dbeta_stride + p.head] = diagonal[t] * inverse * inverse;
        }
      }
    }
    buffer ^= 1;
  }

  if (has_state) {
#pragma unroll
    for (int j = 0; j < 2; j++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        *reinterpret_cast<float2*>(at_state + half * 8 * D + j * 8) = make_float2(ds[j][2 * half], ds[j][2 * half + 1]);
      }
    }
  }
}
