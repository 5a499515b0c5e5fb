// Causal attention forward on Hopper (sm_90a), bf16: TMA brings tiles, wgmma multiplies.
//
// O = softmax(scale Q K^T, keys at or before the query) V, for a list of heads over grouped keys.
// T query rows a sequence at absolute positions offset + t; D head dim.
//
// The shape of FlashAttention-3 (Shah et al., arXiv:2407.08608): a block has one producer warp, which keeps K and V
// tiles coming, and WARPGROUPS consumers of 64 query rows each. A consumer hands the tensor cores the next tile's
// Q K^T and this tile's P V together; consumers take turns (named barriers), so that one's weights are computed
// while the tensor cores have another's products. Those weights are relative to old maxima, see softmaxOldMaximum.
// An item of work is (head, query tile, chunk of keys), taken heaviest first from a counter by a fixed number of
// blocks, over as many heads at a time as fit the L2 cache; a long query tile may be cut into chunks of keys, whose
// partial results the last consumer to finish adds up in their order, so that few heads fill the chip.
//
// nvrtc: -DHEAD_DIM=32
// nvrtc: -DHEAD_DIM=128
// nvrtc: -DHEAD_DIM=256
// nvrtc: -DHEAD_DIM=32 -DWINDOW=1
// nvrtc: -DHEAD_DIM=128 -DWINDOW=1
#include "attention_forward.cuh"
#include "attention_window.cuh"
#include "hopper.cuh"

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

using namespace hopper;

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif

constexpr int D = HEAD_DIM;
constexpr int WARPGROUPS = D > 64 ? 2 : 3;
constexpr int BM = 64 * WARPGROUPS;
constexpr int BN = D > 128 ? 64 : 128;
// Key and value tiles on their way: tile i of an item is in stage i % 2.
constexpr int STAGES = 2;
// Unrolled twice, the main loop knows the addresses of its stages: 5% faster at D = 128. At D = 32 twice the code
// costs more than that gains (2.0 against 1.86 ms), for large heads registers run out.
constexpr bool UNROLLED = D >= 64 && D <= 128;
// Columns of one shared-memory tile: as wide as the swizzles go.
constexpr int COLUMNS = D % 64 == 0 ? 64 : D % 32 == 0 ? 32 : 16;
constexpr int PANELS = D / COLUMNS;
constexpr int ROW_BYTES = 2 * COLUMNS;
constexpr Swizzle SWIZZLE = COLUMNS == 64 ? SWIZZLE_128 : COLUMNS == 32 ? SWIZZLE_64 : SWIZZLE_32;
constexpr int PRODUCER_REGISTERS = WARPGROUPS == 2 ? 40 : 32;
constexpr int CONSUMER_REGISTERS = WARPGROUPS == 2 ? 232 : 160;
constexpr int CONSUMERS = 128 * WARPGROUPS;
// Large heads write the output over their rows of Q, which no one else reads.
constexpr bool OUTPUT_IN_Q = D > 128;
// Of a thread's weights of a row and tile, relative to an old maximum.
constexpr float MOST_SUM = 4096;

#include "attention_window_hopper.cuh"

/** Of query tiles in chunks; unused when chunks = 1. A slot is (batch, head, query tile, chunk). */
struct Workspace {
  float *partial;     // [slots, BM · D] in an order of their own
  float *lse;         // [slots, BM], base 2
  unsigned *finished; // [batch, heads, query tiles, WARPGROUPS] zeros, which stay zeros
  int *counter;       // two zeros, which stay zeros
};

/** One item of work, as the producer hands it to the consumers. */
struct Item {
  int tile;    // query tile, -1 = no more work
  int head;    // query head
  int batch;
  int from;    // key tiles [from, to), worked off from the end
  int to;
  int slot;    // of the partial result, -1 = this is the whole result
};

struct Shared {
  alignas(1024) unsigned char q[BM * D * 2];
  alignas(1024) unsigned char o[OUTPUT_IN_Q ? 1024 : BM * D * 2];
  alignas(1024) unsigned char k[STAGES][BN * D * 2];
  alignas(1024) unsigned char v[STAGES][BN * D * 2];
  bool last[WARPGROUPS];
  u64 qFull, qEmpty;
  u64 kFull[STAGES], kEmpty[STAGES], vFull[STAGES], vEmpty[STAGES];
  Item item;
};

/** Which phase of each stage's barriers comes next. */
struct Phases {
  u32 bits;
  HOPPER_FN void wait(u64 (&bars)[STAGES], int stage) {
    mbarrierWait(&bars[stage], bits >> stage & 1);
    bits ^= 1u << stage;
  }
};

/** A tile of D columns as panels of COLUMNS. */
template <int ROWS>
HOPPER_FN void loadTile(unsigned char *to, const TensorMap *map, u64 *bar, int row, int head, int batch) {
#pragma unroll
  for (int p = 0; p < PANELS; p++) {
    tmaLoad(to + p * ROWS * ROW_BYTES, map, bar, p * COLUMNS, row, head, batch);
  }
}

/** Item `index` of all; false if that chunk does not exist. Heaviest query tiles first within a section of heads. */
HOPPER_FN bool itemAt(const Sizes &s, const Heads &heads, int index, Item &item, int &kvHead) {
  int tiles = (s.queries + BM - 1) / BM;
  int perHead = tiles * s.chunks;
  int all = s.batch * s.heads;
  int first = index / (s.section * perHead) * s.section;
  int width = min(s.section, all - first);
  int rest = index - first * perHead;
  int head = first + rest % width;
  rest /= width;
  int chunk = rest % s.chunks;
  item.tile = tiles - 1 - rest / s.chunks;
  item.batch = head / s.heads;
  head -= item.batch * s.heads;
  item.head = heads.query[head];
  kvHead = heads.kv[head];
  int n = keyTiles(s, item.tile);
  int chunks = (n + s.chunk - 1) / s.chunk;
  if (chunk >= chunks) {
    return false;
  }
  item.from = n * chunk / chunks;
  item.to = n * (chunk + 1) / chunks;
  item.slot = chunks == 1 ? -1 : ((item.batch * s.heads + item.head) * tiles + item.tile) * s.chunks + chunk;
  return true;
}

HOPPER_FN void produce(Shared &sh, const TensorMap *qMap, const TensorMap *kMap, const TensorMap *vMap, const Heads &heads,
                       const Sizes &s, int items, int *counter) {
  Phases k{3}, v{3};
  u32 qParity = 1;
  constexpr u32 TILE = BN * D * 2;
  int index = blockIdx.x;
  while (index < items) {
    // Early while there is plenty; at the end late, so that no block holds a second item while others have none.
    bool early = index + 2 * gridDim.x < items;
    int following = early ? gridDim.x + atomicAdd(counter, 1) : 0;
    Item item;
    int kvHead;
    if (itemAt(s, heads, index, item, kvHead)) {
      auto loadK = [&](int n) {
        int stage = (item.to - 1 - n) % STAGES;
        k.wait(sh.kEmpty, stage);
        mbarrierArriveExpect(&sh.kFull[stage], TILE);
        loadTile<BN>(sh.k[stage], kMap, &sh.kFull[stage], firstKey(s, item.tile, n), kvHead, item.batch);
      };
      auto loadV = [&](int n) {
        int stage = (item.to - 1 - n) % STAGES;
        v.wait(sh.vEmpty, stage);
        mbarrierArriveExpect(&sh.vFull[stage], TILE);
        loadTile<BN>(sh.v[stage], vMap, &sh.vFull[stage], firstKey(s, item.tile, n), kvHead, item.batch);
      };
      loadK(item.to - 1);
      mbarrierWait(&sh.qEmpty, qParity);
      qParity ^= 1;
      sh.item = item;
      mbarrierArriveExpect(&sh.qFull, BM * D * 2);
      loadTile<BM>(sh.q, qMap, &sh.qFull, item.tile * BM, item.head, item.batch);
      for (int n = item.to - 2; n >= item.from; n--) {
        loadK(n);
        loadV(n + 1);
      }
      loadV(item.from);
    }
    index = early ? following : gridDim.x + atomicAdd(counter, 1);
  }
  mbarrierWait(&sh.qEmpty, qParity);
  sh.item.tile = -1;
  mbarrierArrive(&sh.qFull);
  // The last block to finish leaves the counter as it was.
  __threadfence();
  if (atomicInc((unsigned *)counter + 1, gridDim.x - 1) == gridDim.x - 1) {
    *counter = 0;
  }
}

HOPPER_FN float quadMax(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}

HOPPER_FN float quadSum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

/** Two rows of a thread: r and r + 8 of its warp's 16. */
struct Rows {
  float max[2];    // of the scores, unscaled
  float sum[2];    // of this thread's columns
  float factor[2]; // for O, after a step
};

HOPPER_FN void clear(float (&o)[D / 2]) {
#pragma unroll
  for (int j = 0; j < D / 2; j++) {
    o[j] = 0;
  }
}

HOPPER_FN void scaleRows(float (&o)[D / 2], const float (&by)[2]) {
#pragma unroll
  for (int j = 0; j < D / 2; j++) {
    o[j] *= by[j / 2 % 2];
  }
}

/** Scores become weights relative to the rows' maximum so far, packed in pairs. */
template <bool FIRST> HOPPER_FN void softmax(const float (&s)[BN / 2], u32 (&p)[BN / 4], Rows &rows, float scale2) {
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float m = fmaxf(s[2 * r], s[2 * r + 1]);
#pragma unroll
    for (int j = 1; j < BN / 8; j++) {
      m = fmaxf(m, fmaxf(s[4 * j + 2 * r], s[4 * j + 2 * r + 1]));
    }
    m = quadMax(m);
    m = FIRST ? m : fmaxf(m, rows.max[r]);
    float finite = m == NO_SCORE ? 0.f : m;
    rows.factor[r] = FIRST ? 0.f : exp2Fast((rows.max[r] - finite) * scale2);
    rows.max[r] = m;
    float shift = finite * scale2;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < BN / 8; j++) {
      float a = exp2Fast(fmaf(s[4 * j + 2 * r], scale2, -shift));
      float b = exp2Fast(fmaf(s[4 * j + 2 * r + 1], scale2, -shift));
      sum += a + b;
      p[2 * j + r] = packBf16(a, b);
    }
    rows.sum[r] = FIRST ? sum : fmaf(rows.sum[r], rows.factor[r], sum);
  }
}

/**
 * The same of an unmasked tile relative to the maxima as they were before, without looking for larger ones: weights need not be
 * below 1, only far from infinity. Where a sum says that they may not be (or where there was no maximum yet), nothing but p has
 * changed, and the whole warp gets false: take softmax(). That is rare after the first tiles of a row.
 */
HOPPER_FN bool softmaxOldMaximum(const float (&s)[BN / 2], u32 (&p)[BN / 4], Rows &rows, float scale2) {
  float shift[2], sum[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    shift[r] = rows.max[r] * scale2;
    sum[r] = rows.max[r] == NO_SCORE ? MOST_SUM : 0.f;
  }
#pragma unroll
  for (int j = 0; j < BN / 8; j++) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float a = exp2Fast(fmaf(s[4 * j + 2 * r], scale2, -shift[r]));
      float b = exp2Fast(fmaf(s[4 * j + 2 * r + 1], scale2, -shift[r]));
      sum[r] += a + b;
      p[2 * j + r] = packBf16(a, b);
    }
  }
  if (__any_sync(0xffffffffu, !(sum[0] < MOST_SUM && sum[1] < MOST_SUM))) {
    return false;
  }
  rows.sum[0] += sum[0];
  rows.sum[1] += sum[1];
  return true;
}

HOPPER_FN void scoresOf(float (&s)[BN / 2], u64 q, const unsigned char *k) {
  u64 kd = wgmmaDescriptor(k, 16, 8 * ROW_BYTES, SWIZZLE);
#pragma unroll
  for (int c = 0; c < D; c += 16) {
    int at = c % COLUMNS * 2;
    wgmma<BN>(s, wgmmaAdvance(q, c / COLUMNS * BM * ROW_BYTES + at), wgmmaAdvance(kd, c / COLUMNS * BN * ROW_BYTES + at),
              c > 0);
  }
}

HOPPER_FN void addValues(float (&o)[D / 2], const u32 (&p)[BN / 4], const unsigned char *v) {
  u64 vd = wgmmaDescriptor(v, BN * ROW_BYTES, 8 * ROW_BYTES, SWIZZLE);
#pragma unroll
  for (int c = 0; c < BN; c += 16) {
    wgmma<D, 1>(o, p[c / 4], p[c / 4 + 1], p[c / 4 + 2], p[c / 4 + 3], wgmmaAdvance(vd, c * ROW_BYTES), 1);
  }
}

/** O to its rows of the output, through shared memory and TMA, which leaves out rows beyond T. */
HOPPER_FN void storeOutput(Shared &sh, const TensorMap *oMap, const float (&o)[D / 2], const Item &item, int group) {
  int thread = threadIdx.x % 128, lane = thread % 32;
  if (thread == 0) {
    tmaStoreWaitRead<0>();
  }
  namedBarrierSync(8 + group, 128);
  int row = 64 * group + thread / 32 * 16 + lane % 16;
  constexpr int UNITS = COLUMNS / 8;
  int swizzle = COLUMNS == 64 ? row % 8 : COLUMNS == 32 ? row / 2 % 4 : row / 4 % 2;
  unsigned char *tile = OUTPUT_IN_Q ? sh.q : sh.o;
  u32 base = sharedAddress(tile) + row * ROW_BYTES;
#pragma unroll
  for (int j = 0; j < D / 8; j += 2) {
    int unit = j % UNITS + lane / 16;
    stmatrix4(base + j / UNITS * BM * ROW_BYTES + (unit ^ swizzle) * 16, packBf16(o[4 * j], o[4 * j + 1]),
              packBf16(o[4 * j + 2], o[4 * j + 3]), packBf16(o[4 * j + 4], o[4 * j + 5]),
              packBf16(o[4 * j + 6], o[4 * j + 7]));
  }
  fenceProxyAsync();
  namedBarrierSync(8 + group, 128);
  if (thread == 0) {
#pragma unroll
    for (int p = 0; p < PANELS; p++) {
      tmaStore(oMap, tile + (p * BM + 64 * group) * ROW_BYTES, p * COLUMNS, item.tile * BM + 64 * group, item.head,
               item.batch);
    }
    tmaStoreCommit();
    if (OUTPUT_IN_Q) {
      tmaStoreWaitRead<0>();
    }
  }
  if (OUTPUT_IN_Q) {
    namedBarrierSync(8 + group, 128);
  }
}

/**
 * Leaves this consumer's part of a query tile in the workspace. True if all other parts were there already: then o and logSum are
 * those of all keys, added in the order of the chunks, whoever was last.
 */
HOPPER_FN bool combineChunks(Shared &sh, float (&o)[D / 2], float (&logSum)[2], const Item &item, const Sizes &s,
                             const Workspace &work, int group, int row) {
  int thread = threadIdx.x % 128;
  auto part = [&](int slot) { return (float4 *)work.partial + ((long long)slot * WARPGROUPS + group) * (D / 8) * 128 + thread; };
  float4 *mine = part(item.slot);
#pragma unroll
  for (int j = 0; j < D / 8; j++) {
    __stcg(mine + j * 128, make_float4(o[4 * j], o[4 * j + 1], o[4 * j + 2], o[4 * j + 3]));
  }
  if (thread % 4 == 0) {
    __stcg(work.lse + (long long)item.slot * BM + row, logSum[0]);
    __stcg(work.lse + (long long)item.slot * BM + row + 8, logSum[1]);
  }
  __threadfence();
  namedBarrierSync(8 + group, 128);
  int chunks = (keyTiles(s, item.tile) + s.chunk - 1) / s.chunk;
  if (thread == 0) {
    unsigned tile = item.slot / s.chunks;
    sh.last[group] = atomicInc(work.finished + tile * WARPGROUPS + group, chunks - 1) == chunks - 1;
  }
  namedBarrierSync(8 + group, 128);
  if (!sh.last[group]) {
    return false;
  }
  __threadfence();
  int first = item.slot - item.slot % s.chunks;
  // Four parts at a time, so that their loads are under way together.
  float max[2] = {NO_SCORE, NO_SCORE};
  for (int c = 0; c < chunks; c += 4) {
#pragma unroll
    for (int i = 0; i < 8; i++) {
      float x = c + i / 2 < chunks ? __ldcg(work.lse + (long long)(first + c + i / 2) * BM + row + i % 2 * 8) : NO_SCORE;
      max[i % 2] = fmaxf(max[i % 2], x);
    }
  }
  float sum[2] = {0, 0};
  clear(o);
#pragma unroll 1
  for (int c = 0; c < chunks; c++) {
    const float4 *from = part(first + c);
    float4 x[D / 8];
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
      x[j] = __ldcg(from + j * 128);
    }
    float weight[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
      weight[r] = exp2Fast(__ldcg(work.lse + (long long)(first + c) * BM + row + 8 * r) - max[r]);
      sum[r] += weight[r];
    }
#pragma unroll
    for (int j = 0; j < D / 8; j++) {
      o[4 * j] = fmaf(weight[0], x[j].x, o[4 * j]);
      o[4 * j + 1] = fmaf(weight[0], x[j].y, o[4 * j + 1]);
      o[4 * j + 2] = fmaf(weight[1], x[j].z, o[4 * j + 2]);
      o[4 * j + 3] = fmaf(weight[1], x[j].w, o[4 * j + 3]);
    }
  }
#pragma unroll
  for (int r = 0; r < 2; r++) {
    logSum[r] = max[r] + __log2f(sum[r]);
    sum[r] = 1.f / sum[r];
  }
  scaleRows(o, sum);
  return true;
}

HOPPER_FN void consume(Shared &sh, const TensorMap *oMap, float *lse, const Workspace &work, const Sizes &s) {
  int group = threadIdx.x / 128 - 1;
  int thread = threadIdx.x % 128, lane = thread % 32;
  int row = 64 * group + thread / 32 * 16 + lane / 4;
  float scale2 = s.scale * 1.44269504088896341f;
  Phases k{0}, v{0};
  u32 qParity = 0;
  u64 q = wgmmaDescriptor(sh.q + 64 * group * ROW_BYTES, 16, 8 * ROW_BYTES, SWIZZLE);
  float o[D / 2];
  float scores[BN / 2];
  u32 p[BN / 4];
  Rows rows;

  auto release = [&](u64 *bar) {
    if (lane == 0) {
      mbarrierArrive(bar);
    }
  };
  if (group == WARPGROUPS - 1) {
    namedBarrierArrive(1, 256);
  }
  for (;;) {
    mbarrierWait(&sh.qFull, qParity);
    qParity ^= 1;
    Item item = sh.item;
    if (item.tile < 0) {
      break;
    }
    int position = s.offset + item.tile * BM + row;
    int column = 2 * (lane % 4);
    int n = item.to - 1;

    k.wait(sh.kFull, 0);
    wgmmaFence();
    scoresOf(scores, q, sh.k[0]);
    wgmmaCommit();
    wgmmaWait<0>();
    wgmmaPin(scores);
    release(&sh.kEmpty[0]);
    hideKeys(scores, s, position, firstKey(s, item.tile, n), column);
    softmax<true>(scores, p, rows, scale2);
    clear(o);
    // Tiles whose last key the first query row does not see need the mask.
    int unmasked = (s.offset + item.tile * BM + 1) / BN;
    // Scores of tile n in this stage, values of tile n + 1 in the other; then weights of tile n.
    auto step = [&](int stage, bool masked) {
      k.wait(sh.kFull, stage);
      v.wait(sh.vFull, 1 - stage);
      namedBarrierSync(1 + group, 256);
      wgmmaFence();
      scoresOf(scores, q, sh.k[stage]);
      wgmmaCommit();
      addValues(o, p, sh.v[1 - stage]);
      wgmmaCommit();
      namedBarrierArrive(1 + (group + 1) % WARPGROUPS, 256);
      wgmmaWait<0>();
      wgmmaPin(scores);
      wgmmaPin(o);
      release(&sh.kEmpty[stage]);
      release(&sh.vEmpty[1 - stage]);
      if (masked || !softmaxOldMaximum(scores, p, rows, scale2)) {
        if (masked) {
          hideKeys(scores, s, position, firstKey(s, item.tile, n), column);
        }
        softmax<false>(scores, p, rows, scale2);
        scaleRows(o, rows.factor);
      }
    };
    int stage = 0;
    n--;
#if WINDOW
#pragma unroll 1
    for (; n >= item.from; n--) {
      stage ^= 1;
      step(stage, atEdge(s, item.tile, n, unmasked));
    }
#else
    if (UNROLLED) {
#pragma unroll 1
      for (; n >= item.from; n--) {
        step(1, n >= unmasked);
        stage = 1;
        if (--n < item.from) {
          break;
        }
        step(0, n >= unmasked);
        stage = 0;
      }
    } else {
#pragma unroll 1
      for (; n >= max(item.from, unmasked); n--) {
        stage ^= 1;
        step(stage, true);
      }
#pragma unroll 1
      for (; n >= item.from; n--) {
        stage ^= 1;
        step(stage, false);
      }
    }
#endif
    if (!OUTPUT_IN_Q) {
      release(&sh.qEmpty);
    }

    v.wait(sh.vFull, stage);
    wgmmaFence();
    addValues(o, p, sh.v[stage]);
    wgmmaCommit();
    float inverse[2];
    float logSum[2]; // base 2
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float sum = quadSum(rows.sum[r]);
      inverse[r] = sum > 0 ? 1.f / sum : 0.f;
      logSum[r] = sum > 0 ? fmaf(rows.max[r], scale2, __log2f(sum)) : NO_SCORE;
    }
    wgmmaWait<0>();
    wgmmaPin(o);
    release(&sh.vEmpty[stage]);

    scaleRows(o, inverse);
    bool whole = item.slot < 0;
    if (!whole) {
      whole = combineChunks(sh, o, logSum, item, s, work, group, row);
    }
    if (whole) {
      if (lse != nullptr && lane % 4 == 0) {
        int t = item.tile * BM + row;
        float *to = lse + ((long long)item.batch * s.heads + item.head) * s.queries + t;
        for (int r = 0; r < 2 && t + 8 * r < s.queries; r++) {
          to[8 * r] = logSum[r] * 0.69314718055994531f;
        }
      }
      storeOutput(sh, oMap, o, item, group);
    }
    if (OUTPUT_IN_Q) {
      release(&sh.qEmpty);
    }
  }
  if (thread == 0) {
    tmaStoreWait<0>();
  }
}

/**
 * A fixed number of blocks (at most one a multiprocessor) of 128 (WARPGROUPS + 1) threads, sizeof(Shared) bytes.
 *
 * Maps: q and o [batch][head][T][D], k and v [batch][head][keys][D] with any strides, boxes of COLUMNS × BM (o: 64)
 * and COLUMNS × BN, swizzled over ROW_BYTES. lse [batch, heads, T] or null. items = batch · heads · query tiles · chunks.
 */
extern "C" __global__ void __launch_bounds__(CONSUMERS + 128, 1)
    attention_forward_hopper(const __grid_constant__ TensorMap qMap, const __grid_constant__ TensorMap kMap,
                             const __grid_constant__ TensorMap vMap, const __grid_constant__ TensorMap oMap,
                             const __grid_constant__ Heads heads, const __grid_constant__ Sizes s,
                             const __grid_constant__ Workspace work, float *lse, int items) {
  extern __shared__ __align__(1024) unsigned char dynamicShared[];
  Shared &sh = *reinterpret_cast<Shared *>(dynamicShared);
  if (threadIdx.x == 0) {
    mbarrierInit(&sh.qFull, 1);
    mbarrierInit(&sh.qEmpty, 4 * WARPGROUPS);
    for (int i = 0; i < STAGES; i++) {
      mbarrierInit(&sh.kFull[i], 1);
      mbarrierInit(&sh.vFull[i], 1);
      mbarrierInit(&sh.kEmpty[i], 4 * WARPGROUPS);
      mbarrierInit(&sh.vEmpty[i], 4 * WARPGROUPS);
    }
    fenceBarrierInit();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    registersDecrease<PRODUCER_REGISTERS>();
    if (threadIdx.x == 0) {
      tmaPrefetch(&qMap);
      tmaPrefetch(&kMap);
      tmaPrefetch(&vMap);
      tmaPrefetch(&oMap);
      produce(sh, &qMap, &kMap, &vMap, heads, s, items, work.counter);
    }
  } else {
    registersIncrease<CONSUMER_REGISTERS>();
    consume(sh, &oMap, lse, work, s);
  }
}
#endif
