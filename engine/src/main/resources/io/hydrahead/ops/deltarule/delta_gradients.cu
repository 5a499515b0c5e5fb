// Backward of the gated delta rule on tensor cores, last part: the gradients of all chunks at once, when
// the gradient of the state after each is known. See delta_backward.cu for formulas and layouts.
//
// nvrtc: -DBF16=1 -DHEAD_DIM=16
// nvrtc: -DBF16=1 -DHEAD_DIM=32
// nvrtc: -DBF16=1 -DHEAD_DIM=64
// nvrtc: -DBF16=1 -DHEAD_DIM=128
#include "delta_tiles.cuh"

constexpr int GRAD_ROWS = D == 16 ? 4 : 2;
constexpr int GRAD_COLUMNS = D == 16 ? 1 : D == 32 ? 2 : 4;
constexpr int GRAD_WARPS = GRAD_ROWS * GRAD_COLUMNS;
constexpr int GRAD_THREADS = 32 * GRAD_WARPS;

// dq, dk, dg, dβ of the chunks blockIdx.x, blockIdx.x + gridDim.x, …; shared 2 (8 C D + 2 D D + 3 C C) + 8 GATES + 2 KB.
// X = V - e K S0 and V' = T(β X) are made again: that costs less than keeping them.
// Each operand is fetched as soon as its buffer is free, so that the next chunk arrives under this one's products.
extern "C" __global__ void __launch_bounds__(GRAD_THREADS)
    delta_gradients(const bf16* q, const bf16* k, const bf16* v, const bf16* dout, long long q_stride, long long k_stride,
                    long long v_stride, long long dout_stride, const float* gates_of_chunks, const bf16* states,
                    const bf16* inverses, const bf16* dstates, const bf16* dv, long long dv_stride, bf16* dq, bf16* dk,
                    long long dq_stride, long long dk_stride, float* dg, float* dbeta, long long dg_stride,
                    long long dbeta_stride, int heads, int tokens, int chunks, int total) {
  extern __shared__ __align__(1024) unsigned char memory[];
  constexpr int ROWS_TILE = 2 * C * D;
  u32 tiles_k = sharedAddress(memory);
  u32 tiles_v = tiles_k + 2 * ROWS_TILE; // V, then β X, then V'
  u32 tile_q = tiles_v + 2 * ROWS_TILE;
  u32 tile_dout = tile_q + ROWS_TILE;
  u32 tile_dv = tile_dout + ROWS_TILE;
  u32 tile_out = tile_dv + ROWS_TILE;
  u32 tile_s = tile_out + ROWS_TILE;
  u32 tile_ds = tile_s + 2 * D * D;
  u32 tile_t = tile_ds + 2 * D * D;
  u32 tile_d = tile_t + 2 * C * C;
  u32 tile_n = tile_d + 2 * C * C;
  constexpr int AT_GATES = 8 * ROWS_TILE + 4 * D * D + 6 * C * C;
  float* all_gates = reinterpret_cast<float*>(memory + AT_GATES);
  float* row_sums = all_gates + 2 * GATES;
  float* ends = row_sums + GRAD_COLUMNS * C;
  float* diagonal = ends + GRAD_WARPS;
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

  const Tile<D> at(lane);
  const Tile<C> at_square(lane);
  const Walk<D, C, GRAD_THREADS> rows(thread);
  const Walk<D, D, GRAD_THREADS> state_rows(thread);
  const Walk<C, C, GRAD_THREADS> squares(thread);

  auto place = [&](int item) { return Place(item / chunks, item % chunks, heads, tokens, chunks); };
  auto start_keys = [&](int item, int buffer) {
    if (item < total) {
      Place p = place(item);
      rows.fetch(tiles_k + buffer * ROWS_TILE, k + p.row * k_stride + p.head * D, k_stride, p.count);
      rows.fetch(tiles_v + buffer * ROWS_TILE, v + p.row * v_stride + p.head * D, v_stride, p.count);
      fetch_gates(sharedAddress(all_gates + buffer * GATES), gates_of_chunks + p.index * GATES, thread);
    }
    cpAsyncCommit();
  };
  auto start_inverse = [&](int item) {
    if (item < total) {
      squares.fetch(tile_t, inverses + (long long)item * C * C, C, C);
    }
    cpAsyncCommit();
  };
  auto start_outputs = [&](int item) {
    if (item < total) {
      Place p = place(item);
      rows.fetch(tile_dout, dout + p.row * dout_stride + p.head * D, dout_stride, p.count);
      rows.fetch(tile_dv, dv + p.row * dv_stride + p.head * D, dv_stride, p.count);
    }
    cpAsyncCommit();
  };
  auto start_states = [&](int item) {
    if (item < total) {
      state_rows.fetch(tile_s, states + (long long)item * D * D, D, D);
    }
    cpAsyncCommit();
  };
  auto start_rest = [&](int item) {
    if (item < total) {
      Place p = place(item);
      rows.fetch(tile_q, q + p.row * q_stride + p.head * D, q_stride, p.count);
    }
    cpAsyncCommit();
    if (item < total) {
      state_rows.fetch(tile_ds, dstates + (long long)item * D * D, D, D);
    }
    cpAsyncCommit();
  };

  int buffer = 0;
  start_keys(blockIdx.x, 0);
  start_inverse(blockIdx.x);
  start_outputs(blockIdx.x);
  start_states(blockIdx.x);
  start_rest(blockIdx.x);
  for (int item = blockIdx.x; item < total; item += gridDim.x) {
    Place p = place(item);
    int next = item + gridDim.x;
    const float* gates = all_gates + buffer * GATES;
    u32 tile_k = tiles_k + buffer * ROWS_TILE;
    u32 tile_w = tiles_v + buffer * ROWS_TILE;
    // In flight, oldest first: keys, inverse, outputs, states, q, dstates of this chunk; then keys of the next.
    start_keys(next, buffer ^ 1);
    cpAsyncWait<3>();
    __syncthreads();

    // β X in place of V, then V' in place of that.
    {
      float x[M_TILES][TILES][4] = {};
#pragma unroll
      for (int d = 0; d < D; d += 16) {
        u32 a[M_TILES][4];
#pragma unroll
        for (int i = 0; i < M_TILES; i++) {
          at.a(a[i], tile_k, row + i * 16, d);
        }
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          at.b_trans(b, tile_s, d, first + j * 8);
#pragma unroll
          for (int i = 0; i < M_TILES; i++) {
            mma(x[i][j], a[i], b[0], b[1]);
            mma(x[i][j + 1], a[i], b[2], b[3]);
          }
        }
      }
#pragma unroll
      for (int i = 0; i < M_TILES; i++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
          int at_row = row + i * 16 + (lane >> 2) + half * 8;
          float e = gates[E + at_row];
          float strength = gates[BETA + at_row];
#pragma unroll
          for (int j = 0; j < TILES; j++) {
            u32 address = at.pair(tile_w, row + i * 16 + half * 8, first + j * 8);
            u32 v = load_pair(address);
            store_pair(address, packBf16(strength * (low_bf16(v) - e * x[i][j][2 * half]),
                                         strength * (high_bf16(v) - e * x[i][j][2 * half + 1])));
          }
        }
      }
      __syncthreads();
      float w[M_TILES][TILES][4] = {};
#pragma unroll
      for (int t = 0; t < C; t += 16) {
        if (t <= last) {
          u32 a[M_TILES][4];
#pragma unroll
          for (int i = 0; i < M_TILES; i++) {
            at_square.a(a[i], tile_t, row + i * 16, t);
          }
#pragma unroll
          for (int j = 0; j < TILES; j += 2) {
            u32 b[4];
            at.b_trans(b, tile_w, t, first + j * 8);
#pragma unroll
            for (int i = 0; i < M_TILES; i++) {
              mma(w[i][j], a[i], b[0], b[1]);
              mma(w[i][j + 1], a[i], b[2], b[3]);
            }
          }
        }
      }
      __syncthreads();
      start_inverse(next);
#pragma unroll
      for (int i = 0; i < M_TILES; i++) {
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          at.put(tile_w, row + i * 16, first + j * 8, w[i][j]);
        }
      }
    }
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
            at.a(a[i], tile_dout, row + i * 16, v);
            at.a(c[i], tile_dv, row + i * 16, v);
          }
#pragma unroll
          for (int j = 0; j < SQUARES; j += 2) {
            u32 b[4];
            at.b(b, tile_w, firstSquare + j * 8, v);
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
        int at_row = row + i * 16 + (lane >> 2);
        float high[2] = {gates[HIGH + at_row], gates[HIGH + at_row + 8]};
        float low[2] = {gates[LOW + at_row], gates[LOW + at_row + 8]};
#pragma unroll
        for (int j = 0; j < SQUARES; j++) {
          int at_col = firstSquare + j * 8 + (lane & 3) * 2;
          float2 highs = *reinterpret_cast<const float2*>(gates + HIGH + at_col);
          float2 lows = *reinterpret_cast<const float2*>(gates + LOW + at_col);
#pragma unroll
          for (int x = 0; x < 4; x++) {
            int below = at_row + (x >> 1) * 8 - (at_col + (x & 1));
            float gamma = exp2_fast(fminf(
                (high[x >> 1] - (x & 1 ? highs.y : highs.x)) + (low[x >> 1] - (x & 1 ? lows.y : lows.x)), 0.f));
            if (below == 0) {
              float inverse = reciprocal_fast(gates[BETA + at_col + (x & 1)]);
              diagonal[at_col + (x & 1)] = n[i][j][x] * inverse * inverse;
            }
            d[i][j][x] *= below >= 0 ? norm * gamma : 0.f;
            n[i][j][x] *= below > 0 ? -gamma : 0.f;
          }
          at_square.put(tile_d, row + i * 16, firstSquare + j * 8, d[i][j]);
          at_square.put(tile_n, row + i * 16, firstSquare + j * 8, n[i][j]);
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
        at.a(a[i], tile_dout, row + i * 16, v);
        at.a(c[i], tile_dv, row + i * 16, v);
      }
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        at.b(b, tile_s, first + j * 8, v);
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
    cpAsyncWait<3>();
    __syncthreads();
#pragma unroll
    for (int t = 0; t < C; t += 16) {
      if (t <= last) {
        u32 a[M_TILES][4];
        u32 c[M_TILES][4];
#pragma unroll
        for (int i = 0; i < M_TILES; i++) {
          at_square.a(a[i], tile_d, row + i * 16, t);
          at_square.a(c[i], tile_n, row + i * 16, t);
        }
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          at.b_trans(b, tile_k, t, first + j * 8);
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
        float sum = 0.f;
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          u32 qs = load_pair(at.pair(tile_q, row + i * 16 + half * 8, first + j * 8));
          u32 ks = load_pair(at.pair(tile_k, row + i * 16 + half * 8, first + j * 8));
          sum += low_bf16(qs) * dqs[i][j][2 * half] + high_bf16(qs) * dqs[i][j][2 * half + 1];
          sum += low_bf16(ks) * read[i][j][2 * half] + high_bf16(ks) * read[i][j][2 * half + 1];
        }
        sums[i][half] = sum;
      }
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        at.put(tile_out, row + i * 16, first + j * 8, dqs[i][j]);
      }
    }
    cpAsyncWait<2>();
    __syncthreads();
    start_outputs(next);

    rows.put(dq + p.row * dq_stride + p.head * D, dq_stride, tile_out, p.count);

    // Kw, first from the states; <S1, dS1>.
    float end = 0.f;
#pragma unroll 4
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
        at.a(a[i], tile_w, row + i * 16, v);
      }
#pragma unroll
      for (int j = 0; j < TILES; j += 2) {
        u32 b[4];
        at.b(b, tile_ds, first + j * 8, v);
#pragma unroll
        for (int i = 0; i < M_TILES; i++) {
          mma(write[i][j], a[i], b[0], b[1]);
          mma(write[i][j + 1], a[i], b[2], b[3]);
        }
      }
    }
    __syncthreads();
    start_states(next);
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        int at_row = row + i * 16 + (lane >> 2) + half * 8;
        float h = gates[H_ + at_row];
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          u32 ks = load_pair(at.pair(tile_k, row + i * 16 + half * 8, first + j * 8));
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
          at_square.a_trans(a[i], tile_d, t, row + i * 16);
          at_square.a_trans(c[i], tile_n, t, row + i * 16);
        }
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
          u32 b[4];
          u32 f[4];
          at.b_trans(b, tile_q, t, first + j * 8);
          at.b_trans(f, tile_k, t, first + j * 8);
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
          u32 ks = load_pair(at.pair(tile_k, row + i * 16 + half * 8, first + j * 8));
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
        at.put(tile_out, row + i * 16, first + j * 8, read[i][j]);
      }
    }
    __syncthreads();
    start_rest(next);

    rows.put(dk + p.row * dk_stride + p.head * D, dk_stride, tile_out, p.count);
    if (warp == 0) {
      double sums[2] = {0., 0.};
#pragma unroll
      for (int part = 0; part < GRAD_COLUMNS; part++) {
        sums[0] += row_sums[part * C + 2 * lane];
        sums[1] += row_sums[part * C + 2 * lane + 1];
      }
      double end = 0.;
#pragma unroll
      for (int w = 0; w < GRAD_WARPS; w++) {
        end += ends[w];
      }
      put_decay_gradients(dg, dg_stride, sums[0], sums[1], end, p, lane);
#pragma unroll
      for (int i = 0; i < 2; i++) {
        int t = 2 * lane + i;
        if (t < p.count) {
          dbeta[(p.row + t) * dbeta_stride + p.head] = diagonal[t];
        }
      }
    }
    buffer ^= 1;
  }
}
