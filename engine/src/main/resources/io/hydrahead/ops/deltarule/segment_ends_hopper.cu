// The first pass over a text in segments, with wgmma and TMA (sm_90a): what each segment does to a state, see chunks.cu
// and chunks_hopper.cu.
//
// KEY_DIM, VALUE_DIM: 64 or 128; WARPGROUPS (64 value columns each): 1 or 2; STAGES. K and V maps: {columns, tokens,
// sequences}, boxes of 64 × 64; T: {64, rows}, 64 × 64; all with 128-byte swizzle.
//
// nvrtc: -DBF16=1 -DKEY_DIM=128 -DVALUE_DIM=128 -DWARPGROUPS=2 -DSTAGES=4
#define OUTPUT 0
#define SAVE 0
#include "chain_hopper.cuh"

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// As in chunks.cu. Grid [(V + K) / COLUMNS · B · H, segments − 1].
extern "C" __global__ void __launch_bounds__(THREADS)
    gdn_segment_ends(const __grid_constant__ TensorMap kMap, const __grid_constant__ TensorMap vMap,
                     const __grid_constant__ TensorMap inverseMap, const float* records,
                     const float* decays, const float* state, float* ends, float* transitions,
                     int heads, int lead, int chunks, int segmentChunks, int segments) {
  extern __shared__ char raw[];
  char* shared = raw + (1024 - sharedAddress(raw) % 1024) % 1024;
  Barriers* bars = reinterpret_cast<Barriers*>(shared + AT_BARRIERS);
  constexpr int GROUPS = (V + K) / COLUMNS;
  int group = blockIdx.x % GROUPS;
  int index = blockIdx.x / GROUPS;
  int segment = blockIdx.y;
  bool values = group < V / COLUMNS;
  int column = values ? group * COLUMNS : group * COLUMNS - V;
  if (segment == 0 && !values) {
    return;
  }
  int from = segment * segmentChunks;
  int to = from + segmentChunks;
  int felt = first_felt(decays + (long long)index * chunks, from, to);
  if (felt >= 0) {
    if (!values) {
      return;
    }
    from = felt;
  }
  barriers_init(bars, false);
  int count = to - from;
  // The same for all lanes, and known to be: wgmma must not lie in a divergent path.
  int warpgroup = __shfl_sync(FULL_WARP, threadIdx.x / 128, 0);
  if (warpgroup == WARPGROUPS) {
    if (threadIdx.x % 32 == 0) {
      int head = index % heads;
      Head h = {nullptr, &kMap, &vMap, &inverseMap, records + (long long)index * chunks * RECORD,
                head * K, head * V + column, index / heads, index * chunks, lead, values};
      for (int i = 0; i < count; i++) {
        int s = i % STAGES;
        if (i >= STAGES) {
          mbarrierWait(&bars->empty[s], (i / STAGES - 1) & 1);
        }
        fetch(h, from + i, shared + s * STAGE, shared + AT_RECORDS + s * 4 * RECORD, &bars->full[s]);
      }
    }
    return;
  }
  column += 64 * warpgroup;
  float s[K / 2];
  if (segment == 0 && felt < 0) {
    load_state(s, state + (long long)index * K * V + column, V);
  } else {
    unit_state(s, !values, column);
  }
  for (int i = 0; i < count; i++) {
    int n = i % STAGES;
    char* stage = shared + n * STAGE;
    const float* record = reinterpret_cast<float*>(shared + AT_RECORDS + n * 4 * RECORD);
    u32 a[K / 4];
    pack_state(a, s);
    mbarrierWait(&bars->full[n], (i / STAGES) & 1);
    decay_state(s, record);
    float y[32];
    pin(a);
    wgmmaFence();
    times_rows(y, a, wgmmaRows128(stage));
    wgmmaCommit();
    wgmmaWait<0>();
    wgmmaPin(y);
    u32 x[16];
    residual(x, y, record, sharedAddress(stage + AT_V + warpgroup * TILE), values);
    pin(x);
    wgmmaPin(y);
    wgmmaFence();
    times_square(y, x, wgmmaRows128(stage + AT_T), 0);
    wgmmaCommit();
    wgmmaWait<0>();
    wgmmaPin(y);
    pack_writes(x, y, record);
    pin(x);
    wgmmaPin(s);
    wgmmaFence();
    write_keys(s, x, wgmmaColumns128(stage, TILE));
    wgmmaCommit();
    wgmmaWait<0>();
    wgmmaPin(s);
    warp_arrive(&bars->empty[n]);
  }
  long long slot = (long long)index * segments + segment;
  if (values) {
    store_state(s, ends + slot * K * V + column, V);
  } else {
    store_state(s, transitions + slot * K * K + column, K);
  }
}

#endif
