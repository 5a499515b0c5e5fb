// chunks.cu with wgmma and TMA (sm_90a): the same formulas, the same segments, heads of dim 64 or 128.
//
// A consumer warpgroup takes 64 value columns and keeps its columns of S, transposed, in float32
// accumulators; Sᵀ Kᵀ, Xᵀ Tᵀ and (h ⊙ V′)ᵀ K take their left operands from the accumulators before, so
// the chain over the chunks touches shared memory only to read K, V, Q and T. One more warpgroup loads
// (TMA, a ring of stages) and makes P = r Γ ⊙ Q Kᵀ one chunk ahead.
//
// TMA fills what lies outside of a sequence with zeros and does not write there, so no masks are needed but where a
// chunk begins before the sequence: TMA loads from negative coordinates, but does not store there.
//
// KEY_DIM, VALUE_DIM: 64 or 128; WARPGROUPS (64 value columns each): 1 or 2; SAVE: 0 or 1;
// STAGES. Q, K, V, O maps: {columns, tokens, sequences}, boxes of 64 × 64; T: {64, rows}, 64 × 64;
// saved states: {V, rows}, 64 × K; all with 128-byte swizzle.
//
// nvrtc: -DBF16=1 -DKEY_DIM=128 -DVALUE_DIM=128 -DWARPGROUPS=2 -DSAVE=1 -DSTAGES=3
#define OUTPUT 1
#include "chain_hopper.cuh"

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

struct Outputs {
  const TensorMap* out;
  const TensorMap* saved;
  // First row of the sequence, at this warpgroup's columns.
  bf16* rows;
  long long stride;
  int tokens;
  int column;
  int sequence;
  int firstChunk;
  int lead;
};

// The warpgroup's staging buffer may be written again.
DEVICE void staging_free(int barrier) {
  if (threadIdx.x % 128 == 0) {
    tmaStoreWaitRead<0>();
  }
  namedBarrierSync(barrier, 128);
}

// O of a chunk, from the accumulators to memory by way of the staging buffer, which is free.
DEVICE void put_out(const float (&o)[32], const Outputs& to, int chunk, char* staging, int barrier) {
  u32 at = sharedAddress(staging);
#pragma unroll
  for (int j = 0; j < 8; j += 2) {
    stmatrix4Trans(quarter(at, j), packBf16(o[4 * j], o[4 * j + 1]), packBf16(o[4 * j + 2], o[4 * j + 3]),
                   packBf16(o[4 * j + 4], o[4 * j + 5]), packBf16(o[4 * j + 6], o[4 * j + 7]));
  }
  fenceProxyAsync();
  namedBarrierSync(barrier, 128);
  int t = chunk * C - to.lead;
  if (t < 0) {
    for (int u = threadIdx.x % 128; u < C * 8; u += 128) {
      int row = u / 8;
      if (t + row >= 0 && t + row < to.tokens) {
        *reinterpret_cast<uint4*>(to.rows + (t + row) * to.stride + u % 8 * 8) =
            *reinterpret_cast<uint4*>(staging + row * 128 + ((u % 8 ^ row % 8) << 4));
      }
    }
    namedBarrierSync(barrier, 128);
  } else if (threadIdx.x % 128 == 0) {
    tmaStore(to.out, staging, to.column, t, to.sequence);
    tmaStoreCommit();
  }
}

// S before a chunk, as rows of K.
DEVICE void put_state(const u32 (&a)[K / 4], const Outputs& to, int chunk, int column, char* staging,
                      int barrier) {
  staging_free(barrier);
  u32 at = sharedAddress(staging);
#pragma unroll
  for (int j = 0; j < K / 8; j += 2) {
    stmatrix4Trans(quarter(at, j), a[2 * j], a[2 * j + 1], a[2 * j + 2], a[2 * j + 3]);
  }
  fenceProxyAsync();
  namedBarrierSync(barrier, 128);
  if (threadIdx.x % 128 == 0) {
    tmaStore(to.saved, staging, column, (to.firstChunk + chunk) * K);
    tmaStoreCommit();
  }
}

// r Γ ⊙ Q Kᵀ of one chunk to a tile, by one warpgroup.
DEVICE void score(char* stage, const float* record, char* tile, u64* empty, u32 parity) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32 % 4;
  float d[32];
  u64 q = wgmmaRows128(stage + AT_Q);
  u64 k = wgmmaRows128(stage);
  wgmmaFence();
#pragma unroll
  for (int i = 0; i < K / 16; i++) {
    int at = i / 4 * TILE + i % 4 * 32;
    wgmma<64>(d, wgmmaAdvance(q, at), wgmmaAdvance(k, at), i > 0);
  }
  wgmmaCommit();
  int row = 16 * warp + lane / 4;
  float high[2] = {record[row], record[row + 8]};
  float low[2] = {record[C + row], record[C + row + 8]};
  float norm = rsqrtf((float)K);
  mbarrierWait(empty, parity);
  wgmmaWait<0>();
  wgmmaPin(d);
  u32 at = sharedAddress(tile);
#pragma unroll
  for (int j = 0; j < 8; j += 2) {
    u32 p[4] = {};
    if (j <= 2 * warp) {
#pragma unroll
      for (int n = 0; n < 2; n++) {
        float2 h = gates(record, 0, j + n);
        float2 l = gates(record, 1, j + n);
        int column = 8 * (j + n) + 2 * (lane % 4);
#pragma unroll
        for (int m = 0; m < 2; m++) {
          float a = exp2_fast(fminf((high[m] - h.x) + (low[m] - l.x), 0.f));
          float b = exp2_fast(fminf((high[m] - h.y) + (low[m] - l.y), 0.f));
          float x = row + 8 * m >= column ? norm * a * d[4 * (j + n) + 2 * m] : 0.f;
          float y = row + 8 * m >= column + 1 ? norm * b * d[4 * (j + n) + 2 * m + 1] : 0.f;
          p[2 * n + m] = packBf16(x, y);
        }
      }
    }
    // Matrices: {rows 0-7, columns 8 j}, {rows 8-15, columns 8 j}, then columns 8 j + 8.
    stmatrix4(unit_at(at, 16 * warp + lane % 16, j + lane / 16), p[0], p[1], p[2], p[3]);
  }
}

// As in chunks.cu. Grid [V / COLUMNS · B · H, segments].
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    gdn_chunks(const __grid_constant__ TensorMap qMap, const __grid_constant__ TensorMap kMap,
               const __grid_constant__ TensorMap vMap, const __grid_constant__ TensorMap inverseMap,
               const __grid_constant__ TensorMap outMap, const __grid_constant__ TensorMap savedMap,
               const float* records, const float* starts, float* state, bf16* out,
               long long outStride, int tokens, int heads, int lead, int chunks, int segmentChunks,
               int segments) {
  extern __shared__ char raw[];
  char* shared = raw + (1024 - sharedAddress(raw) % 1024) % 1024;
  Barriers* bars = reinterpret_cast<Barriers*>(shared + AT_BARRIERS);
  barriers_init(bars, true);
  constexpr int GROUPS = V / COLUMNS;
  int column = blockIdx.x % GROUPS * COLUMNS;
  int index = blockIdx.x / GROUPS;
  int segment = blockIdx.y;
  int head = index % heads;
  int from = segment * segmentChunks;
  int to = min(chunks, from + segmentChunks);
  int count = to - from;
  // The same for all lanes, and known to be: wgmma must not lie in a divergent path.
  int warpgroup = __shfl_sync(FULL_WARP, threadIdx.x / 128, 0);
  if (warpgroup == WARPGROUPS) {
    if constexpr (WARPGROUPS == 2) {
      registersDecrease<88>();
    }
    Head h = {&qMap, &kMap, &vMap, &inverseMap, records + (long long)index * chunks * RECORD,
              head * K, head * V + column, index / heads, index * chunks, lead, true};
    bool loads = threadIdx.x % 128 == 0;
    if (loads) {
      for (int i = 0; i < min(STAGES, count); i++) {
        fetch(h, from + i, shared + i * STAGE, shared + AT_RECORDS + i * 4 * RECORD, &bars->full[i]);
      }
    }
    __syncwarp();
    for (int i = 0; i < count; i++) {
      int n = i % STAGES;
      mbarrierWait(&bars->full[n], (i / STAGES) & 1);
      score(shared + n * STAGE, reinterpret_cast<float*>(shared + AT_RECORDS + n * 4 * RECORD),
            shared + AT_P + i % 2 * TILE, &bars->scoresEmpty[i % 2], (i / 2 & 1) ^ 1);
      fenceProxyAsync();
      warp_arrive(&bars->scoresFull[i % 2]);
      warp_arrive(&bars->empty[n]);
      // The stage of the chunk before this one is free once the consumers are through with it.
      int next = i - 1 + STAGES;
      if (loads && i > 0 && next < count) {
        int m = (i - 1) % STAGES;
        mbarrierWait(&bars->empty[m], ((i - 1) / STAGES) & 1);
        fetch(h, from + next, shared + m * STAGE, shared + AT_RECORDS + m * 4 * RECORD, &bars->full[m]);
      }
      __syncwarp();
    }
    return;
  }
  if constexpr (WARPGROUPS == 2) {
    registersIncrease<208>();
  }
  column += 64 * warpgroup;
  long long row = (long long)(index / heads) * tokens;
  Outputs outputs = {&outMap,
                     &savedMap,
                     out + row * outStride + head * V + column,
                     outStride,
                     tokens,
                     head * V + column,
                     index / heads,
                     index * chunks,
                     lead};
  char* staging = shared + AT_STAGING + warpgroup * STAGING;
  int barrier = 1 + warpgroup;
  state += (long long)index * K * V + column;
  float s[K / 2];
  load_state(s, starts == nullptr ? state : starts + ((long long)index * segments + segment) * K * V + column, V);
  float norm = rsqrtf((float)K);
  for (int i = 0; i < count; i++) {
    int n = i % STAGES;
    char* stage = shared + n * STAGE;
    const float* record = reinterpret_cast<float*>(shared + AT_RECORDS + n * 4 * RECORD);
    u32 a[K / 4];
    pack_state(a, s);
    mbarrierWait(&bars->full[n], (i / STAGES) & 1);
    decay_state(s, record);
    float y[32], o[32];
    pin(a);
    wgmmaFence();
    times_rows(y, a, wgmmaRows128(stage));
    wgmmaCommit();
    times_rows(o, a, wgmmaRows128(stage + AT_Q));
    wgmmaCommit();
    wgmmaWait<1>();
    wgmmaPin(y);
    u32 x[16];
    residual(x, y, record, sharedAddress(stage + AT_V + warpgroup * TILE), true);
    pin(x);
    wgmmaPin(y);
    wgmmaFence();
    times_square(y, x, wgmmaRows128(stage + AT_T), 0);
    wgmmaCommit();
    if (SAVE) {
      put_state(a, outputs, from + i, column, staging, barrier);
    }
    wgmmaWait<1>();
    wgmmaPin(o);
#pragma unroll
    for (int j = 0; j < 8; j++) {
      float2 e = gates(record, 2, j);
      o[4 * j] *= norm * e.x;
      o[4 * j + 1] *= norm * e.y;
      o[4 * j + 2] *= norm * e.x;
      o[4 * j + 3] *= norm * e.y;
    }
    wgmmaWait<0>();
    wgmmaPin(y);
    u32 w[16];
    pack_writes(w, y, record);
    pin(w);
    wgmmaPin(s);
    wgmmaFence();
    write_keys(s, w, wgmmaColumns128(stage, TILE));
    wgmmaCommit();
#pragma unroll
    for (int j = 0; j < 16; j++) {
      x[j] = packBf16(y[2 * j], y[2 * j + 1]);
    }
    mbarrierWait(&bars->scoresFull[i % 2], (i / 2) & 1);
    pin(x);
    wgmmaPin(o);
    wgmmaFence();
    times_square(o, x, wgmmaRows128(shared + AT_P + i % 2 * TILE), 1);
    wgmmaCommit();
    staging_free(barrier);
    // Everything: ptxas gives up overlapping products that are in flight from one iteration to the next.
    wgmmaWait<0>();
    wgmmaPin(s);
    wgmmaPin(o);
    warp_arrive(&bars->empty[n]);
    warp_arrive(&bars->scoresEmpty[i % 2]);
    put_out(o, outputs, from + i, staging, barrier);
  }
  if (to == chunks) {
    store_state(s, state, V);
  }
  if (threadIdx.x % 128 == 0) {
    tmaStoreWait<0>();
  }
}

#endif
