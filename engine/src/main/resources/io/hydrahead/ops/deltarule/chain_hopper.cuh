// What chunks_hopper.cu and segment_ends_hopper.cu share: the chain over the chunks with wgmma and TMA.
//
// OUTPUT says whether queries are read and outputs made.
#pragma once
#include "common.cuh"
#include "hopper.cuh"
#include "segments.cuh"

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

using namespace hopper;

constexpr int K = KEY_DIM;
constexpr int V = VALUE_DIM;
constexpr int C = 64;
constexpr int COLUMNS = 64 * WARPGROUPS;
constexpr int RECORD = 5 * C;
constexpr int KEY_TILES = K / 64;
// 64 rows of 128 bytes.
constexpr int TILE = 8192;
constexpr int AT_Q = KEY_TILES * TILE;
constexpr int AT_V = (OUTPUT ? 2 : 1) * KEY_TILES * TILE;
constexpr int AT_T = AT_V + WARPGROUPS * TILE;
constexpr int STAGE = AT_T + TILE;
constexpr int AT_P = STAGES * STAGE;
constexpr int STAGING = OUTPUT ? (SAVE ? 128 * K : TILE) : 0;
constexpr int AT_STAGING = AT_P + (OUTPUT ? 2 * TILE : 0);
constexpr int AT_RECORDS = AT_STAGING + WARPGROUPS * STAGING;
constexpr int AT_BARRIERS = AT_RECORDS + STAGES * 4 * RECORD;
// To be asked for at launch: SHARED_BYTES = this (the start is aligned to 1024 bytes by hand).
[[maybe_unused]] constexpr int SHARED_BYTES = AT_BARRIERS + 8 * (2 * STAGES + 4) + 1024;
constexpr int THREADS = 128 * WARPGROUPS + (OUTPUT ? 128 : 32);

struct Barriers {
  u64 full[STAGES];
  u64 empty[STAGES];
  u64 scoresFull[2];
  u64 scoresEmpty[2];
};

struct Head {
  const TensorMap* q;
  const TensorMap* k;
  const TensorMap* v;
  const TensorMap* inverse;
  const float* records;
  int keyColumn;
  int valueColumn;
  int sequence;
  int firstChunk;
  int lead;
  bool values;
};

// One thread: starts the loads of chunk `chunk` of the sequence.
DEVICE void fetch(const Head& head, int chunk, char* stage, char* record, u64* full) {
  int t = chunk * C - head.lead;
  int keyBytes = (OUTPUT ? 2 : 1) * KEY_TILES * TILE;
  mbarrierArriveExpect(full, keyBytes + TILE + 4 * RECORD + (head.values ? WARPGROUPS * TILE : 0));
#pragma unroll
  for (int i = 0; i < KEY_TILES; i++) {
    tmaLoad(stage + i * TILE, head.k, full, head.keyColumn + 64 * i, t, head.sequence);
    if (OUTPUT) {
      tmaLoad(stage + AT_Q + i * TILE, head.q, full, head.keyColumn + 64 * i, t, head.sequence);
    }
  }
  if (head.values) {
#pragma unroll
    for (int i = 0; i < WARPGROUPS; i++) {
      tmaLoad(stage + AT_V + i * TILE, head.v, full, head.valueColumn + 64 * i, t, head.sequence);
    }
  }
  tmaLoad(stage + AT_T, head.inverse, full, 0, (head.firstChunk + chunk) * C);
  bulkLoad(record, head.records + (long long)chunk * RECORD, 4 * RECORD, full);
}

template <int N>
DEVICE void pin(u32 (&a)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) {
    asm volatile("" : "+r"(a[i])::"memory");
  }
}

// 16-byte unit `unit` of row `row` of a swizzled tile.
DEVICE u32 unit_at(u32 tile, int row, int unit) {
  return tile + row * 128 + ((unit ^ (row & 7)) << 4);
}

// For lane l, the row l % 8 of matrix l / 8 of four: {rows 8 j, columns 0-7 of the warp's 16}, {rows 8 j, columns 8-15},
// {rows 8 j + 8, columns 0-7}, {rows 8 j + 8, columns 8-15}.
DEVICE u32 quarter(u32 tile, int j) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32 % 4;
  return unit_at(tile, 8 * (j + lane / 16) + lane % 8, 2 * warp + lane / 8 % 2);
}

DEVICE float2 gates(const float* record, int row, int tile) {
  return *reinterpret_cast<const float2*>(record + row * C + 8 * tile + 2 * (threadIdx.x % 4));
}

// d[64, 64] = a[64, K] · rowsᵀ: 64 rows of K in tiles of 64 columns.
DEVICE void times_rows(float (&d)[32], const u32 (&a)[K / 4], u64 rows) {
#pragma unroll
  for (int k = 0; k < K / 16; k++) {
    wgmma<64>(d, a[4 * k], a[4 * k + 1], a[4 * k + 2], a[4 * k + 3],
              wgmmaAdvance(rows, k / 4 * TILE + k % 4 * 32), k > 0);
  }
}

// d[64, 64] (+)= a[64, 64] · matrixᵀ. (That the matrix is lower triangular cannot be used: products of fewer columns
// would need accumulators at other places in the register file.)
DEVICE void times_square(float (&d)[32], const u32 (&a)[16], u64 matrix, int accumulate) {
#pragma unroll
  for (int k = 0; k < 4; k++) {
    wgmma<64>(d, a[4 * k], a[4 * k + 1], a[4 * k + 2], a[4 * k + 3], wgmmaAdvance(matrix, 32 * k),
              accumulate | (k > 0));
  }
}

// S += Kᵀ a, transposed: a[64, 64 tokens] times the key tile as rows of tokens.
DEVICE void write_keys(float (&s)[K / 2], const u32 (&a)[16], u64 keys) {
#pragma unroll
  for (int t = 0; t < 4; t++) {
    wgmma<K, 1>(s, a[4 * t], a[4 * t + 1], a[4 * t + 2], a[4 * t + 3], wgmmaAdvance(keys, 2048 * t), 1);
  }
}

// 64 value columns of S: s[4 j …] of thread t are S[8 j + 2 (t % 4), …][column] and that + 1, then column + 8.
DEVICE int state_at(int j, int width) {
  int thread = threadIdx.x % 128;
  return (8 * j + 2 * (thread % 4)) * width + thread / 32 * 16 + thread % 32 / 4;
}

DEVICE void load_state(float (&s)[K / 2], const float* state, int width) {
#pragma unroll
  for (int j = 0; j < K / 8; j++) {
    const float* p = state + state_at(j, width);
    s[4 * j] = p[0];
    s[4 * j + 1] = p[width];
    s[4 * j + 2] = p[8];
    s[4 * j + 3] = p[width + 8];
  }
}

DEVICE void store_state(const float (&s)[K / 2], float* state, int width) {
#pragma unroll
  for (int j = 0; j < K / 8; j++) {
    float* p = state + state_at(j, width);
    p[0] = s[4 * j];
    p[width] = s[4 * j + 1];
    p[8] = s[4 * j + 2];
    p[width + 8] = s[4 * j + 3];
  }
}

// Zeros, or rows `first` to first + 63 of the identity.
DEVICE void unit_state(float (&s)[K / 2], bool identity, int first) {
  int thread = threadIdx.x % 128;
  int column = first + thread / 32 * 16 + thread % 32 / 4;
#pragma unroll
  for (int j = 0; j < K / 8; j++) {
#pragma unroll
    for (int x = 0; x < 4; x++) {
      int row = 8 * j + 2 * (thread % 4) + x % 2;
      s[4 * j + x] = identity && row == column + 8 * (x / 2) ? 1.f : 0.f;
    }
  }
}

DEVICE void pack_state(u32 (&a)[K / 4], const float (&s)[K / 2]) {
#pragma unroll
  for (int j = 0; j < K / 4; j++) {
    a[j] = packBf16(s[2 * j], s[2 * j + 1]);
  }
}

// Before the chunk's first product: ptxas waits for all products in flight before it touches an accumulator.
DEVICE void decay_state(float (&s)[K / 2], const float* record) {
  float keep = record[2 * C + C - 1];
#pragma unroll
  for (int j = 0; j < K / 2; j++) {
    s[j] *= keep;
  }
}

// h ⊙ V′, transposed and packed.
DEVICE void pack_writes(u32 (&w)[16], const float (&v)[32], const float* record) {
#pragma unroll
  for (int j = 0; j < 8; j++) {
    float2 h = gates(record, 3, j);
    w[2 * j] = packBf16(h.x * v[4 * j], h.y * v[4 * j + 1]);
    w[2 * j + 1] = packBf16(h.x * v[4 * j + 2], h.y * v[4 * j + 3]);
  }
}

// X = β ⊙ (V − e ⊙ Y), transposed and packed.
DEVICE void residual(u32 (&x)[16], const float (&y)[32], const float* record, u32 tile, bool values) {
#pragma unroll
  for (int j = 0; j < 8; j += 2) {
    u32 v[4] = {};
    if (values) {
      ldmatrix4Trans(v[0], v[1], v[2], v[3], quarter(tile, j));
    }
#pragma unroll
    for (int n = 0; n < 2; n++) {
      float2 e = gates(record, 2, j + n);
      float2 b = gates(record, 4, j + n);
      int d = 4 * (j + n);
#pragma unroll
      for (int m = 0; m < 2; m++) {
        x[2 * (j + n) + m] = packBf16(b.x * fmaf(-e.x, y[d + 2 * m], low_bf16(v[2 * n + m])),
                                      b.y * fmaf(-e.y, y[d + 2 * m + 1], high_bf16(v[2 * n + m])));
      }
    }
  }
}

DEVICE void barriers_init(Barriers* bars, bool output) {
  if (threadIdx.x == 0) {
    for (int i = 0; i < STAGES; i++) {
      mbarrierInit(&bars->full[i], 1);
      mbarrierInit(&bars->empty[i], 4 * WARPGROUPS + (output ? 4 : 0));
    }
    for (int i = 0; i < 2; i++) {
      mbarrierInit(&bars->scoresFull[i], 4);
      mbarrierInit(&bars->scoresEmpty[i], 4 * WARPGROUPS);
    }
    fenceBarrierInit();
  }
  __syncthreads();
}

// One arrival for the warp, all of whose lanes are done.
DEVICE void warp_arrive(u64* bar) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) {
    mbarrierArrive(bar);
  }
}

#endif
