// The scan of delta_backward.cu for heads of D = 128 on Hopper (sm_90a): TMA brings tiles, wgmma multiplies.
//
// A warpgroup owns 64 value columns of dS and keeps them transposed, dSᵀ [64, D], in its accumulators. Every
// product is transposed too, so that the accumulators of one are, packed to bf16, the left operand of the next:
// nothing of the chain over the chunks goes through shared memory or waits at a barrier.
//
//   dV'ᵀ = (dS1ᵀ Kᵀ) h + dOᵀ P,   Eᵀ = dV'ᵀ T,   dVᵀ = Eᵀ β,   dYᵀ = -dVᵀ e,
//   dS0ᵀ = e^{G_C} dS1ᵀ + (dOᵀ r e) Q + dYᵀ K          (a vector beside a transposed matrix scales its columns)
//
// The product with Q fills the tensor cores while dY is made. The same orientation serves the
// forward pass (chunks_hopper.cu).
//
// P is made by a second warpgroup, a chunk or two ahead. Copies of dS1 and dV leave a warp at a time, so that the four
// warps of the chain never wait for each other but at the tensor cores.
//
// nvrtc: -DBF16=1 -DHEAD_DIM=128
#include "delta_tiles.cuh"

static_assert(D == 128, "one width of tiles");

#ifndef STAGES
#define STAGES 3
#endif

constexpr int PANEL = 2 * C * 64; // bytes of 64 rows of 64 columns
constexpr int AT_Q = 2 * PANEL;
constexpr int AT_T = 4 * PANEL;
constexpr int AT_DOUT = 5 * PANEL;
constexpr int AT_P = 6 * PANEL;
constexpr int AT_GATES = 7 * PANEL;
constexpr int STAGE = AT_GATES + 2048;
constexpr int LOADED = 6 * PANEL + 4 * GATES;
// Chain, scores, loads.
constexpr int SCAN_THREADS = 384;

struct ScanShared {
  unsigned char stages[STAGES][STAGE];
  unsigned char ds[4][2 * D * 16];
  unsigned char dv[4][2 * C * 16];
  u64 full[STAGES];
  u64 scored[STAGES];
  u64 empty[STAGES];
};

DEVICE float2 load_two(u32 address) {
  float2 v;
  asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(v.x), "=f"(v.y) : "r"(address) : "memory");
  return v;
}

DEVICE float load_one(u32 address) {
  float v;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(v) : "r"(address) : "memory");
  return v;
}

// Descriptors of tiles in 128-byte rows at an address of shared memory: K-major, and MN-major with panels of 64 columns.
DEVICE u64 rows_at(u32 address) { return (u64)(address >> 4) | (u64)1 << 16 | (u64)64 << 32 | (u64)SWIZZLE_128 << 62; }

DEVICE u64 columns_at(u32 address) {
  return (u64)(address >> 4) | (u64)(PANEL >> 4) << 16 | (u64)64 << 32 | (u64)SWIZZLE_128 << 62;
}

// Columns of the accumulators of a 64 x 64 product: a[4 j + x] sits in column 8 j + 2 (l % 4) + x % 2. `factors` is the
// address of this lane's first.
template <class F>
DEVICE void each_column(u32 factors, F f) {
#pragma unroll
  for (int j = 0; j < 8; j++) {
    float2 s = load_two(factors + 32 * j);
    f(4 * j, s.x, s.y);
  }
}

// Accumulators as the left operand of the next product, 4 registers for 16 columns.
template <int N>
DEVICE void pack(u32 (&a)[N / 2], const float (&d)[N]) {
#pragma unroll
  for (int i = 0; i < N / 2; i++) {
    a[i] = packBf16(d[2 * i], d[2 * i + 1]);
  }
}

#if __CUDA_ARCH_FEAT_SM90_ALL

// P = r Γ QKᵀ of every chunk as its keys and queries arrive.
DEVICE void make_scores(ScanShared& shared, int chunks, int thread) {
  int lane = thread % 32;
  int warp = thread / 32;
  const Tile<64> at(lane);
  const float norm = rsqrtf((float)D);
  int row = 16 * warp + (lane >> 2);
  Ring<STAGES> ring(0);
  for (int chunk = chunks - 1; chunk >= 0; chunk--) {
    mbarrierWait(&shared.full[ring.stage], ring.parity);
    u32 tiles = sharedAddress(shared.stages[ring.stage]);
    float s[32];
    u64 queries = rows_at(tiles + AT_Q);
    u64 keys = rows_at(tiles);
    wgmmaFence();
#pragma unroll
    for (int i = 0; i < 8; i++) {
      int along = i / 4 * PANEL + i % 4 * 32;
      wgmma<64>(s, wgmmaAdvance(queries, along), wgmmaAdvance(keys, along), i != 0);
    }
    wgmmaCommit();
    u32 gates = tiles + AT_GATES;
    float high[2] = {load_one(gates + 4 * (HIGH + row)), load_one(gates + 4 * (HIGH + row + 8))};
    float low[2] = {load_one(gates + 4 * (LOW + row)), load_one(gates + 4 * (LOW + row + 8))};
    wgmmaWait<0>();
    wgmmaPin(s);
#pragma unroll
    for (int j = 0; j < 8; j++) {
      int col = 8 * j + (lane & 3) * 2;
      float2 highs = load_two(gates + 4 * (HIGH + col));
      float2 lows = load_two(gates + 4 * (LOW + col));
#pragma unroll
      for (int x = 0; x < 4; x++) {
        float gamma = exp2_fast(
            fminf((high[x >> 1] - (x & 1 ? highs.y : highs.x)) + (low[x >> 1] - (x & 1 ? lows.y : lows.x)), 0.f));
        s[4 * j + x] *= row + (x >> 1) * 8 >= col + (x & 1) ? norm * gamma : 0.f;
      }
    }
    u32 p[16];
    pack(p, s);
    u32 to = tiles + AT_P + warp * 16 * 128 + at.straight_row;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      stmatrix4(to + (32 * i ^ at.straight_unit), p[4 * i], p[4 * i + 1], p[4 * i + 2], p[4 * i + 3]);
    }
    fenceProxyAsync();
    __syncwarp();
    if (lane == 0) {
      mbarrierArrive(&shared.scored[ring.stage]);
      mbarrierArrive(&shared.empty[ring.stage]);
    }
    ring.next();
  }
}

#endif

// dV and dS1; grid (2, B H): 64 value columns a block; shared sizeof(ScanShared) + 1024. q, k, dout are maps over [B, T, H D]
// in boxes of 64 columns x 64 rows, inverses over [B H n C, C] in boxes of 64 x 64, swizzle 128 bytes; dv over [B, T, H D] in
// boxes of 16 x 64, dstates over [B H n D, D] in boxes of 16 x 128, swizzle 32 bytes. `dstate` as in delta_backward.cu.
extern "C" __global__ void __launch_bounds__(SCAN_THREADS, 1)
    delta_scan_hopper(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k,
                      const __grid_constant__ TensorMap dout, const __grid_constant__ TensorMap inverses,
                      const __grid_constant__ TensorMap dv, const __grid_constant__ TensorMap dstates,
                      const float* gates_of_chunks, float* dstate, int heads, int chunks) {
#if __CUDA_ARCH_FEAT_SM90_ALL
  extern __shared__ unsigned char memory[];
  ScanShared& shared = *reinterpret_cast<ScanShared*>(((unsigned long long)memory + 1023) & ~1023ull);
  int thread = threadIdx.x;
  int bh = blockIdx.y;
  int head = bh % heads;
  int sequence = bh / heads;
  int half = blockIdx.x;
  if (thread == 0) {
    for (int i = 0; i < STAGES; i++) {
      mbarrierInit(&shared.full[i], 1);
      mbarrierInit(&shared.scored[i], 4);
      mbarrierInit(&shared.empty[i], 8);
    }
    fenceBarrierInit();
  }
  __syncthreads();

  if (thread >= 256) {
    registersDecrease<24>();
    if (thread == 256) {
      Ring<STAGES> ring(1);
      for (int chunk = chunks - 1; chunk >= 0; chunk--) {
        mbarrierWait(&shared.empty[ring.stage], ring.parity);
        unsigned char* to = shared.stages[ring.stage];
        u64* bar = &shared.full[ring.stage];
        mbarrierArriveExpect(bar, LOADED);
        int index = bh * chunks + chunk;
        int row = chunk * C;
        tmaLoad(to, &k, bar, head * D, row, sequence);
        tmaLoad(to + PANEL, &k, bar, head * D + 64, row, sequence);
        tmaLoad(to + AT_Q, &q, bar, head * D, row, sequence);
        tmaLoad(to + AT_Q + PANEL, &q, bar, head * D + 64, row, sequence);
        bulkLoad(to + AT_GATES, gates_of_chunks + (long long)index * GATES, 4 * GATES, bar);
        tmaLoad(to + AT_DOUT, &dout, bar, head * D + half * 64, row, sequence);
        tmaLoad(to + AT_T, &inverses, bar, 0, index * C);
        ring.next();
      }
    }
  } else if (thread >= 128) {
    make_scores(shared, chunks, thread - 128);
  } else {
    registersIncrease<240>();
    int lane = thread % 32;
    int warp = thread / 32;
    const Tile<64> at(lane);
    const Tile<16> at_out(lane);
    u32 to_ds = sharedAddress(shared.ds[warp]) + at_out.crossed_row + at_out.crossed_unit;
    u32 to_dv = sharedAddress(shared.dv[warp]) + at_out.crossed_row + at_out.crossed_unit;
    int column = half * 64 + warp * 16;
    const float norm = rsqrtf((float)D);

    // Row v = column + l / 4 (+ 8), column (key) 8 j + 2 (l % 4) (+ 1) of dSᵀ.
    float ds[64];
    float* at_state = dstate + (long long)bh * D * D + column + (lane >> 2) + (lane & 3) * 2 * D;
#pragma unroll
    for (int i = 0; i < 64; i++) {
      ds[i] = at_state[(i / 4 * 8 + i % 2) * D + i / 2 % 2 * 8];
    }

    Ring<STAGES> ring(0);
    for (int chunk = chunks - 1; chunk >= 0; chunk--) {
      u32 tiles = sharedAddress(shared.stages[ring.stage]);
      u32 gates = tiles + AT_GATES + (lane & 3) * 8;

      // dS1ᵀ Kᵀ and dOᵀ P. (dS is scaled before: what is scaled while products run, the compiler waits for.)
      u32 left[32];
      u32 outs[16];
      float y[32];
      float local[32];
      pack(left, ds);
      mbarrierWait(&shared.full[ring.stage], ring.parity);
      float decay = load_one(tiles + AT_GATES + 4 * (E + C - 1));
#pragma unroll
      for (int i = 0; i < 64; i++) {
        ds[i] *= decay;
      }
      u64 keys = rows_at(tiles);
      wgmmaFence();
#pragma unroll
      for (int i = 0; i < 8; i++) {
        wgmma<64>(y, left[4 * i], left[4 * i + 1], left[4 * i + 2], left[4 * i + 3],
                  wgmmaAdvance(keys, i / 4 * PANEL + i % 4 * 32), i != 0);
      }
      wgmmaCommit();
      u32 scaled[16];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        u32 a[4];
        at.a_trans(a, tiles + AT_DOUT, 16 * i, 16 * warp);
#pragma unroll
        for (int x = 0; x < 4; x++) {
          outs[4 * i + x] = a[x];
        }
      }
#pragma unroll
      for (int i = 0; i < 8; i++) {
        float2 e = load_two(gates + 4 * E + 32 * i);
        e.x *= norm;
        e.y *= norm;
#pragma unroll
        for (int x = 0; x < 2; x++) {
          u32 v = outs[2 * i + x];
          scaled[2 * i + x] = packBf16(low_bf16(v) * e.x, high_bf16(v) * e.y);
        }
      }
      mbarrierWait(&shared.scored[ring.stage], ring.parity);
      u64 scores = columns_at(tiles + AT_P);
      wgmmaFence();
#pragma unroll
      for (int i = 0; i < 4; i++) {
        wgmma<64, 1>(local, outs[4 * i], outs[4 * i + 1], outs[4 * i + 2], outs[4 * i + 3], wgmmaAdvance(scores, 2048 * i), i != 0);
      }
      wgmmaCommit();
      wgmmaWait<0>();
      wgmmaPin(y);
      wgmmaPin(local);
      each_column(gates + 4 * H_, [&](int i, float s0, float s1) {
        y[i] = s0 * y[i] + local[i];
        y[i + 1] = s1 * y[i + 1] + local[i + 1];
        y[i + 2] = s0 * y[i + 2] + local[i + 2];
        y[i + 3] = s1 * y[i + 3] + local[i + 3];
      });
      u32 writes[16];
      pack(writes, y);
      float grad[32];
      u64 inverse = columns_at(tiles + AT_T);
      wgmmaFence();
#pragma unroll
      for (int i = 0; i < 4; i++) {
        wgmma<64, 1>(grad, writes[4 * i], writes[4 * i + 1], writes[4 * i + 2], writes[4 * i + 3],
                     wgmmaAdvance(inverse, 2048 * i), i != 0);
      }
      wgmmaCommit();

      // e^{G_C} dS1ᵀ + (dOᵀ r e) Q
      u64 queries = columns_at(tiles + AT_Q);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        wgmma<128, 1>(ds, scaled[4 * i], scaled[4 * i + 1], scaled[4 * i + 2], scaled[4 * i + 3],
                      wgmmaAdvance(queries, 2048 * i), 1);
      }
      wgmmaCommit();
      wgmmaWait<1>();
      wgmmaPin(grad);
      each_column(gates + 4 * BETA, [&](int i, float s0, float s1) {
        grad[i] *= s0;
        grad[i + 1] *= s1;
        grad[i + 2] *= s0;
        grad[i + 3] *= s1;
      });
      u32 dvs[16];
      pack(dvs, grad);
      each_column(gates + 4 * E, [&](int i, float s0, float s1) {
        grad[i] *= -s0;
        grad[i + 1] *= -s1;
        grad[i + 2] *= -s0;
        grad[i + 3] *= -s1;
      });
      u32 dys[16];
      pack(dys, grad);
      u64 keys_across = columns_at(tiles);
      wgmmaFence();
#pragma unroll
      for (int i = 0; i < 4; i++) {
        wgmma<128, 1>(ds, dys[4 * i], dys[4 * i + 1], dys[4 * i + 2], dys[4 * i + 3], wgmmaAdvance(keys_across, 2048 * i), 1);
      }
      wgmmaCommit();

      // dS1 and dV leave, when those of the chunk before have.
      if (lane == 0) {
        tmaStoreWaitRead<0>();
      }
      __syncwarp();
#pragma unroll
      for (int i = 0; i < 8; i++) {
        stmatrix4Trans(to_ds + i * 16 * 32, left[4 * i], left[4 * i + 1], left[4 * i + 2], left[4 * i + 3]);
      }
#pragma unroll
      for (int i = 0; i < 4; i++) {
        stmatrix4Trans(to_dv + i * 16 * 32, dvs[4 * i], dvs[4 * i + 1], dvs[4 * i + 2], dvs[4 * i + 3]);
      }
      fenceProxyAsync();
      __syncwarp();
      if (lane == 0) {
        tmaStore(&dstates, shared.ds[warp], column, (bh * chunks + chunk) * D);
        tmaStore(&dv, shared.dv[warp], head * D + column, chunk * C, sequence);
        tmaStoreCommit();
      }

      wgmmaWait<0>();
      wgmmaPin(ds);
      if (lane == 0) {
        mbarrierArrive(&shared.empty[ring.stage]);
      }
      ring.next();
    }

#pragma unroll
    for (int i = 0; i < 64; i++) {
      at_state[(i / 4 * 8 + i % 2) * D + i / 2 % 2 * 8] = ds[i];
    }
    if (lane == 0) {
      tmaStoreWait<0>();
    }
  }
#endif
}
