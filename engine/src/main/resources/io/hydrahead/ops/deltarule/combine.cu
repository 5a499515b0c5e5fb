// States at the starts of segments, from what each segment does to a state (SEGMENT_ENDS in chunks.cu):
// start_0 = state, start_1 = end_0, start_{s+1} = M_s start_s + end_s, one segment after the other in
// float32. Where a segment forgets everything, M_s counts as zero.
//
// KEY_DIM, VALUE_DIM: multiples of 16.
//
// nvrtc: -DKEY_DIM=128 -DVALUE_DIM=128
#include "common.cuh"

constexpr int K = KEY_DIM;
constexpr int V = VALUE_DIM;
constexpr int COLUMNS = 16;
constexpr int THREADS = 2 * K < 64 ? 64 : 2 * K;
constexpr float FORGOTTEN = -40.f;

// Grid [V / 16, B · H]. Thread t: row t / 2 of 8 of the block's 16 columns.
extern "C" __global__ void __launch_bounds__(THREADS)
    gdn_combine(const float* state, const float* ends, const float* transitions,
                const float* decays, float* starts, int chunks, int segmentChunks, int segments) {
  __shared__ float s[2][K][COLUMNS];
  long long index = blockIdx.y;
  int row = threadIdx.x / 2;
  int column = 8 * (threadIdx.x % 2);
  bool active = row < K;
  long long at = (long long)row * V + blockIdx.x * COLUMNS + column;
  const long long size = (long long)K * V;
  decays += index * chunks;
  float x[8] = {};
  if (active) {
    load(state + index * size + at, x);
    store(starts + index * segments * size + at, x);
    load(ends + index * segments * size + at, x);
    store(starts + (index * segments + 1) * size + at, x);
    store(s[1][row] + column, x);
  }
  __syncthreads();
  for (int segment = 1; segment + 1 < segments; segment++) {
    float sum = 0.f;
    for (int c = (segment + 1) * segmentChunks - 1; c >= segment * segmentChunks; c--) {
      sum += decays[c];
      if (sum < FORGOTTEN) {
        break;
      }
    }
    long long slot = index * segments + segment;
    if (active) {
      load(ends + slot * size + at, x);
      if (!(sum < FORGOTTEN)) {
        const float4* m = reinterpret_cast<const float4*>(transitions + (slot * K + row) * K);
#pragma unroll 4
        for (int i = 0; i < K; i += 4) {
          float4 a = m[i / 4];
          float f[4] = {a.x, a.y, a.z, a.w};
#pragma unroll
          for (int n = 0; n < 4; n++) {
            float v[8];
            load(s[segment % 2][i + n] + column, v);
#pragma unroll
            for (int c = 0; c < 8; c++) {
              x[c] = fmaf(f[n], v[c], x[c]);
            }
          }
        }
      }
      store(starts + (slot + 1) * size + at, x);
      store(s[(segment + 1) % 2][row] + column, x);
    }
    __syncthreads();
  }
}
