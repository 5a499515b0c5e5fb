// Attention of one or a few queries a sequence over a long cache of keys and values: decoding.
//
// Bound by reading the cache, so every key and value is read once, whatever the number of query heads that share it:
// a group is up to ROWS query rows (heads of one KV head × new tokens) and its rows go through the matrix units together
// (bf16) or side by side in each thread (float32). The keys of a group are split over blocks, and over the
// warps of a block, each of which keeps its own ring of tiles in flight (cp.async) and its own running softmax,
// so that warps never wait for each other. Partial results are added in a fixed order, by the last block of a
// group to finish: no second launch, the same bits in every run. (Flash-decoding: Dao, Haziza, Massa, Sizov 2023.)
//
// The position is read from device memory: one captured launch serves every step of a sequence. With -DPAGED=1 every
// sequence has a position of its own, and its keys and values lie in blocks of a pool that its row of a table names.
// nvrtc: -DBF16=1 -DHEAD_DIM=128 -DPAGED=1
// nvrtc: -DBF16=0 -DHEAD_DIM=16 -DROWS=2 -DPAGED=1
// nvrtc: -DBF16=1 -DHEAD_DIM=32
// nvrtc: -DBF16=1 -DHEAD_DIM=128
// nvrtc: -DBF16=0 -DHEAD_DIM=20 -DROWS=4
// nvrtc: -DBF16=0 -DHEAD_DIM=128 -DROWS=2
#include "common.cuh"
#include "hopper.cuh"

using namespace hopper;

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
// All addresses and strides are multiples of 16 bytes.
#ifndef ALIGNED
#define ALIGNED (HEAD_DIM % (BF16 ? 8 : 4) == 0)
#endif
// Query rows of a group at most: 16 for bf16 (one tile of the matrix units), 1 to 16 for float32.
#ifndef ROWS
#define ROWS 16
#endif
#ifndef PAGED
#define PAGED 0
#endif
#define MAX_HEADS 128

constexpr int DIM = HEAD_DIM;
// Zero-padded inside; bf16 takes multiples of 16 only.
constexpr int D = (DIM + 15) / 16 * 16;
static_assert(!BF16 || D == DIM, "head dims of bf16 are multiples of 16");
constexpr int WARPS = D > (BF16 ? 128 : 32) ? 4 : 8;
constexpr int THREADS = 32 * WARPS;
constexpr int STAGES = 3;
// Blocks of a group that add up the partial results.
constexpr int HELPERS = 8;
constexpr int MOST_SPLITS = 256;
// Keys of one warp's tile.
#if BF16
constexpr int KEYS = D >= 128 ? 16 : D >= 64 ? 32 : 64;
#else
constexpr int KEYS = D > 128 ? 8 : D > 64 ? 16 : 32;
#endif
#if PAGED
// Tokens a block of the pool: no tile crosses a border.
constexpr int PAGE = 64;
static_assert(PAGE % KEYS == 0, "tiles divide blocks");
#endif
#define NO_SCORE __int_as_float(0xff800000) // -infinity

#include "attention_decode.cuh"

/** Rows of a warp: their maxima (scaled, base 2) and sums. */
struct WarpResult {
  float max[ROWS];
  float sum[ROWS];
};

/** 16-byte units of a row in shared memory lie at unit ^ swizzle(row): few or no bank conflicts. */
DEVICE int swizzle(int row) {
  if (BF16) {
    return D % 64 == 0 ? row % 8 : D % 32 == 0 ? row / 2 % 4 : row / 4 % 2;
  }
  return D % 32 == 0 ? row % 8 : row % 4;
}

constexpr int UNIT = 16 / sizeof(elem);      // elements
constexpr int UNITS = D / UNIT;              // a row
constexpr int TILE = KEYS * D;               // elements
constexpr int WARP_BYTES = STAGES * 2 * TILE * sizeof(elem);

/** Keys (or values) [from, from + KEYS) to shared memory by one warp, zeros beyond `count`. */
DEVICE void loadTile(elem *to, const elem *from, long long stride, int first, int count, int lane) {
#pragma unroll
  for (int i = lane; i < KEYS * UNITS; i += 32) {
    int row = i / UNITS, unit = i % UNITS;
    bool inside = first + row < count && (D == DIM || unit * UNIT < DIM);
    const elem *source = from + (inside ? (long long)(first + row) * stride + unit * UNIT : 0);
    elem *at = to + (row * UNITS + (unit ^ swizzle(row))) * UNIT;
    if (ALIGNED) {
      cpAsync16(at, source, inside ? 16 : 0);
    } else {
      float some[UNIT];
      load_some(source, inside ? DIM - unit * UNIT : 0, some);
      store(at, some);
    }
  }
}

#if BF16
/**
 * One warp's share of the keys of a group: O[ROWS, D] over its own sum, in the layout of mma.sync, and per row maximum and sum
 * (valid in every lane of the row's four).
 */
struct Running {
  float o[D / 8][4];
  float max[2];
  float sum[2];
};

DEVICE void attend(Running &run, const unsigned (&q)[D / 16][4], const elem *k, const elem *v, int firstKey, const int (&limit)[2],
                   float scale2, int lane) {
  float s[KEYS / 8][4];
#pragma unroll
  for (int j = 0; j < KEYS / 8; j++) {
    s[j][0] = s[j][1] = s[j][2] = s[j][3] = 0;
  }
  unsigned kBase = sharedAddress(k), vBase = sharedAddress(v);
#pragma unroll
  for (int c = 0; c < D / 16; c++) {
#pragma unroll
    for (int j = 0; j < KEYS / 16; j++) {
      // Matrices: keys 0-7 and 8-15 of this 16, each at dims 0-7 and 8-15.
      int row = 16 * j + lane / 16 * 8 + lane % 8;
      int unit = 2 * c + lane / 8 % 2;
      unsigned b0, b1, b2, b3;
      ldmatrix4(b0, b1, b2, b3, kBase + (row * UNITS + (unit ^ swizzle(row))) * 16);
      mma16816(s[2 * j][0], s[2 * j][1], s[2 * j][2], s[2 * j][3], q[c][0], q[c][1], q[c][2], q[c][3], b0, b1);
      mma16816(s[2 * j + 1][0], s[2 * j + 1][1], s[2 * j + 1][2], s[2 * j + 1][3], q[c][0], q[c][1], q[c][2], q[c][3], b2, b3);
    }
  }
  float factor[2];
  bool grown = false;
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float m = run.max[r];
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
      for (int e = 0; e < 2; e++) {
        int key = firstKey + 8 * j + 2 * (lane % 4) + e;
        float x = key <= limit[r] ? s[j][2 * r + e] * scale2 : NO_SCORE;
        s[j][2 * r + e] = x;
        m = fmaxf(m, x);
      }
    }
    m = fmaxf(m, __shfl_xor_sync(FULL_WARP, m, 1));
    m = fmaxf(m, __shfl_xor_sync(FULL_WARP, m, 2));
    grown |= m > run.max[r];
    float shift = m == NO_SCORE ? 0.f : m;
    factor[r] = exp2_fast(run.max[r] - shift);
    run.max[r] = m;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
      for (int e = 0; e < 2; e++) {
        float p = exp2_fast(s[j][2 * r + e] - shift);
        s[j][2 * r + e] = p;
        sum += p;
      }
    }
    run.sum[r] = run.sum[r] * factor[r] + sum;
  }
  if (__any_sync(FULL_WARP, grown)) {
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
      run.o[j][0] *= factor[0];
      run.o[j][1] *= factor[0];
      run.o[j][2] *= factor[1];
      run.o[j][3] *= factor[1];
    }
  }
#pragma unroll
  for (int j = 0; j < KEYS / 16; j++) {
    unsigned a0 = pack_bf16(s[2 * j][0], s[2 * j][1]), a1 = pack_bf16(s[2 * j][2], s[2 * j][3]);
    unsigned a2 = pack_bf16(s[2 * j + 1][0], s[2 * j + 1][1]), a3 = pack_bf16(s[2 * j + 1][2], s[2 * j + 1][3]);
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
      // Matrices: keys 0-7 and 8-15 of this 16 at dims 0-7, then at dims 8-15; transposed on the way.
      int row = 16 * j + lane % 16;
      int unit = 2 * c + lane / 16;
      unsigned b0, b1, b2, b3;
      ldmatrix4Trans(b0, b1, b2, b3, vBase + (row * UNITS + (unit ^ swizzle(row))) * 16);
      float(&x)[4] = run.o[2 * c];
      float(&y)[4] = run.o[2 * c + 1];
      mma16816(x[0], x[1], x[2], x[3], a0, a1, a2, a3, b0, b1);
      mma16816(y[0], y[1], y[2], y[3], a0, a1, a2, a3, b2, b3);
    }
  }
}

/** Query rows as the left operand, zeros beyond the group's. */
DEVICE void loadQueries(unsigned (&q)[D / 16][4], const Arguments &a, const Groups &groups, const Group &g, int batch, int lane) {
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int r = lane / 4 + 8 * half;
    const elem *row = a.q;
    if (r < g.rows) {
      row += ((long long)batch * a.queries + r / g.heads) * a.queryStride + groups.head[g.first + r % g.heads] * DIM;
    }
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
#pragma unroll
      for (int e = 0; e < 2; e++) {
        q[c][half + 2 * e] = r < g.rows ? *(const unsigned *)(row + 16 * c + 8 * e + 2 * (lane % 4)) : 0u;
      }
    }
  }
}
#endif

/**
 * Grid (splits ≤ MOST_SPLITS, groups, batch), THREADS threads, shared memory: the largest of WARPS · WARP_BYTES, 4 · WARPS · ROWS · D and, for
 * combine, 4 · ROWS · splits + 16 · THREADS + 16 bytes.
 */
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    attention_decode(const __grid_constant__ Arguments a, const __grid_constant__ Groups groups) {
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ WarpResult results[WARPS];
  __shared__ unsigned arrived;
  start_next();
  wait_for_previous();
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int split = blockIdx.x, splits = gridDim.x, batch = blockIdx.z;
  Group g;
  g.kv = groups.kv[blockIdx.y];
  g.first = groups.first[blockIdx.y];
  g.heads = groups.first[blockIdx.y + 1] - g.first;
  g.rows = g.heads * a.queries;
#if PAGED
  int position = a.position[batch];
#else
  int position = a.offset + (a.position == nullptr ? 0 : *a.position);
#endif
  int keys = position + a.queries;
  int tiles = (keys + KEYS - 1) / KEYS;
  int from = (int)((long long)tiles * split / splits), to = (int)((long long)tiles * (split + 1) / splits);
#if PAGED
  const int *table = a.table + batch * a.tableStride;
  const elem *k = a.k.at + g.kv * a.k.headStride;
  const elem *v = a.v.at + g.kv * a.v.headStride;
#else
  const elem *k = a.k.at + batch * a.k.batchStride + g.kv * a.k.headStride;
  const elem *v = a.v.at + batch * a.v.batchStride + g.kv * a.v.headStride;
#endif
  elem *mine = (elem *)(shared + warp * WARP_BYTES);
  float scale2 = a.scale * LOG2E;

  auto fetch = [&](int tile, int stage) {
    if (tile < to) {
      elem *at = mine + stage * 2 * TILE;
#if PAGED
      int first = tile * KEYS;
      long long block = table[first / PAGE], token = first % PAGE;
      loadTile(at, k + block * a.k.batchStride + token * a.k.tokenStride, a.k.tokenStride, 0, keys - first, lane);
      loadTile(at + TILE, v + block * a.v.batchStride + token * a.v.tokenStride, a.v.tokenStride, 0, keys - first, lane);
#else
      loadTile(at, k, a.k.tokenStride, tile * KEYS, keys, lane);
      loadTile(at + TILE, v, a.v.tokenStride, tile * KEYS, keys, lane);
#endif
    }
    cpAsyncCommit();
  };
  int next = from + warp;
#pragma unroll
  for (int i = 0; i < STAGES - 1; i++) {
    fetch(next, i);
    next += WARPS;
  }
  int stage = 0, free = STAGES - 1;

#if BF16
  unsigned q[D / 16][4];
  loadQueries(q, a, groups, g, batch, lane);
  Running run;
  run.max[0] = run.max[1] = NO_SCORE;
  run.sum[0] = run.sum[1] = 0;
#pragma unroll
  for (int j = 0; j < D / 8; j++) {
    run.o[j][0] = run.o[j][1] = run.o[j][2] = run.o[j][3] = 0;
  }
  int limit[2] = {position + lane / 4 / g.heads, position + (lane / 4 + 8) / g.heads};
  for (int tile = from + warp; tile < to; tile += WARPS) {
    fetch(next, free);
    next += WARPS;
    cpAsyncWait<STAGES - 1>();
    __syncwarp();
    attend(run, q, mine + stage * 2 * TILE, mine + (stage * 2 + 1) * TILE, tile * KEYS, limit, scale2, lane);
    __syncwarp();
    free = stage;
    stage = stage + 1 == STAGES ? 0 : stage + 1;
  }
  cpAsyncWait<0>();
  __syncthreads();
  // The warps' results meet in shared memory, [warp][row][D].
  float *outs = (float *)shared;
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float sum = run.sum[r];
    sum += __shfl_xor_sync(FULL_WARP, sum, 1);
    sum += __shfl_xor_sync(FULL_WARP, sum, 2);
    int row = lane / 4 + 8 * r;
    if (lane % 4 == 0) {
      results[warp].max[row] = run.max[r];
      results[warp].sum[row] = sum;
    }
    if (row < g.rows) {
#pragma unroll
      for (int j = 0; j < D / 8; j++) {
        *(float2 *)(outs + (warp * ROWS + row) * D + 8 * j + 2 * (lane % 4)) = make_float2(run.o[j][2 * r], run.o[j][2 * r + 1]);
      }
    }
  }
#else
  // 32 / KEYS lanes score one key, then each lane sums over the keys for its columns.
  constexpr int PER_LANE = (D + 31) / 32;
  float o[ROWS][PER_LANE];
  float max[ROWS], sum[ROWS];
  __shared__ __align__(16) float q[ROWS][D];
  for (int i = threadIdx.x; i < ROWS * D; i += THREADS) {
    int r = i / D;
    q[r][i % D] = r < g.rows && i % D < DIM ? a.q[((long long)batch * a.queries + r / g.heads) * a.queryStride +
                                                  groups.head[g.first + r % g.heads] * DIM + i % D] *
                                                  scale2
                                            : 0.f;
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    max[r] = NO_SCORE;
    sum[r] = 0;
#pragma unroll
    for (int c = 0; c < PER_LANE; c++) {
      o[r][c] = 0;
    }
  }
  __syncthreads();
  for (int tile = from + warp; tile < to; tile += WARPS) {
    fetch(next, free);
    next += WARPS;
    cpAsyncWait<STAGES - 1>();
    __syncwarp();
    const float *kt = mine + stage * 2 * TILE, *vt = kt + TILE;
    float s[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      s[r] = 0;
    }
    constexpr int SHARE = UNITS * KEYS / 32;
    int row = lane % KEYS;
#pragma unroll 4
    for (int i = 0; i < SHARE; i++) {
      int u = lane / KEYS * SHARE + i;
      float4 x = *(const float4 *)(kt + (row * UNITS + (u ^ swizzle(row))) * UNIT);
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        float4 y = *(const float4 *)&q[r][4 * u];
        s[r] = fmaf(x.x, y.x, fmaf(x.y, y.y, fmaf(x.z, y.z, fmaf(x.w, y.w, s[r]))));
      }
    }
    int key = tile * KEYS + row;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
      for (int step = KEYS; step < 32; step *= 2) {
        s[r] += __shfl_xor_sync(FULL_WARP, s[r], step);
      }
      float x = r < g.rows && key <= position + r / g.heads ? s[r] : NO_SCORE;
      float m = fmaxf(max[r], warp_max(x));
      float shift = m == NO_SCORE ? 0.f : m;
      float factor = exp2f(max[r] - shift);
      max[r] = m;
      s[r] = exp2f(x - shift);
      sum[r] = fmaf(sum[r], factor, lane < KEYS ? s[r] : 0.f);
#pragma unroll
      for (int c = 0; c < PER_LANE; c++) {
        o[r][c] *= factor;
      }
    }
#pragma unroll 4
    for (int j = 0; j < KEYS; j++) {
      float p[ROWS];
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        p[r] = __shfl_sync(FULL_WARP, s[r], j);
      }
#pragma unroll
      for (int c = 0; c < PER_LANE; c++) {
        int column = lane + 32 * c;
        if (D % 32 == 0 || column < D) {
          float x = vt[(j * UNITS + (column / 4 ^ swizzle(j))) * UNIT + column % 4];
#pragma unroll
          for (int r = 0; r < ROWS; r++) {
            o[r][c] = fmaf(p[r], x, o[r][c]);
          }
        }
      }
    }
    __syncwarp();
    free = stage;
    stage = stage + 1 == STAGES ? 0 : stage + 1;
  }
  cpAsyncWait<0>();
  __syncthreads();
  float *outs = (float *)shared;
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    float total = warp_sum(sum[r]);
    if (lane == 0) {
      results[warp].max[r] = max[r];
      results[warp].sum[r] = total;
    }
#pragma unroll
    for (int c = 0; c < PER_LANE; c++) {
      if (D % 32 == 0 || lane + 32 * c < D) {
        outs[(warp * ROWS + r) * D + lane + 32 * c] = o[r][c];
      }
    }
  }
#endif
  __syncthreads();
  int group = batch * a.groups + blockIdx.y;
  long long slot = (long long)group * splits + split;
  for (int i = threadIdx.x; i < g.rows * D / 4; i += THREADS) {
    int r = i / (D / 4), c = i % (D / 4);
    float m = NO_SCORE;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      m = fmaxf(m, results[w].max[r]);
    }
    float shift = m == NO_SCORE ? 0.f : m;
    float sum = 0;
    float4 out = make_float4(0, 0, 0, 0);
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      float weight = exp2_fast(results[w].max[r] - shift);
      sum = fmaf(results[w].sum[r], weight, sum);
      float4 x = *(const float4 *)(outs + (w * ROWS + r) * D + 4 * c);
      out.x = fmaf(x.x, weight, out.x);
      out.y = fmaf(x.y, weight, out.y);
      out.z = fmaf(x.z, weight, out.z);
      out.w = fmaf(x.w, weight, out.w);
    }
    float inverse = sum > 0 ? 1.f / sum : 0.f;
    float row[4] = {out.x * inverse, out.y * inverse, out.z * inverse, out.w * inverse};
    float lse = sum > 0 ? m + __log2f(sum) : NO_SCORE;
    if (splits == 1) {
      int head = groups.head[g.first + r % g.heads], t = r / g.heads;
      storeOutput(a.o + ((long long)batch * a.queries + t) * a.outStride + head * DIM, c, row);
      if (c == 0 && a.lse != nullptr) {
        a.lse[((long long)batch * a.heads + head) * a.queries + t] = lse * LN2;
      }
    } else {
      store(a.partial + (slot * ROWS + r) * D + 4 * c, row);
      if (c == 0) {
        a.partialLse[slot * ROWS + r] = lse;
      }
    }
  }
  if (splits == 1) {
    return;
  }
  __threadfence();
  __syncthreads();
  // The last few blocks of a group to come here wait for each other and share the work of adding up. No block ever waits
  // for one that has not started while more than HELPERS blocks wait: blocks start in the order of their group.
  unsigned *finished = a.finished + 2 * group;
  if (threadIdx.x == 0) {
    arrived = atomicAdd(finished, 1);
  }
  __syncthreads();
  int helpers = min(HELPERS, splits);
  int helper = (int)arrived - (splits - helpers);
  if (helper < 0) {
    return;
  }
  if (threadIdx.x == 0) {
    while (*(volatile unsigned *)finished < splits) {
    }
    __threadfence();
  }
  __syncthreads();
  combine(a, groups, g, batch, group, splits, helper, helpers, (float *)shared);
  if (threadIdx.x == 0 && atomicAdd(finished + 1, 1) == helpers - 1) {
    finished[0] = 0;
    finished[1] = 0;
  }
}
