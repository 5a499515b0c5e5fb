// States at the starts of segments, from what each segment does to a state (SEGMENT_ENDS in chunks.cu):
// start_0 = state, start_1 = end_0, start_{s+1} = M_s start_s + end_s, one segment after the other in
// float32. Where a segment forgets everything, M_s counts as zero. While one M_s multiplies, the next
// one is on its way to shared memory.
//
// KEY_DIM, VALUE_DIM: multiples of 16, KEY_DIM at most 128.
//
// nvrtc: -DKEY_DIM=16 -DVALUE_DIM=16
// nvrtc: -DKEY_DIM=128 -DVALUE_DIM=128
#include "common.cuh"
#include "hopper.cuh"
#include "segments.cuh"

constexpr int K = KEY_DIM;
constexpr int V = VALUE_DIM;
constexpr int COLUMNS = 16;
constexpr int THREADS = 256;
constexpr int WARPS = THREADS / 32;
// Threads side by side in a row of the state, two columns each; rows that the others take at a time.
constexpr int PAIRS = COLUMNS / 2;
constexpr int STEP = THREADS / PAIRS;
constexpr int ROWS = (K + STEP - 1) / STEP;
// Floats of a row of M in shared memory: neighbouring rows lie in different banks.
constexpr int ROW = K + 4;
constexpr int MATRIX = K * ROW;
constexpr int MOST_SEGMENTS = 64;
// To be asked for at launch.
[[maybe_unused]] constexpr int SHARED_BYTES = 4 * (2 * MATRIX + 2 * K * COLUMNS);

DEVICE void fetch(const float* matrix, float* to) {
  for (int u = threadIdx.x; u < K * K / 4; u += THREADS) {
    int row = u / (K / 4);
    int column = u % (K / 4) * 4;
    hopper::cpAsync16(to + row * ROW + column, matrix + row * K + column);
  }
}

// Grid [V / 16, B · H].
extern "C" __global__ void __launch_bounds__(THREADS)
    gdn_combine(const float* state, const float* ends, const float* transitions,
                const float* decays, float* starts, int chunks, int segmentChunks, int segments) {
  extern __shared__ __align__(16) float shared[];
  __shared__ bool remembers[MOST_SEGMENTS];
  float* matrices = shared;
  float* states = shared + 2 * MATRIX;
  long long index = blockIdx.y;
  int row = threadIdx.x / PAIRS;
  int column = 2 * (threadIdx.x % PAIRS);
  const long long size = (long long)K * V;
  long long at = (long long)row * V + blockIdx.x * COLUMNS + column;
  decays += index * chunks;
  transitions += index * segments * K * K;
  ends += index * segments * size + at;
  starts += index * segments * size + at;
  state += index * size + at;
  for (int s = 1 + threadIdx.x / 32; s < segments - 1; s += WARPS) {
    bool felt = first_felt(decays, s * segmentChunks, (s + 1) * segmentChunks) < 0;
    if (threadIdx.x % 32 == 0) {
      remembers[s] = felt;
    }
  }
#pragma unroll
  for (int n = 0; n < ROWS; n++) {
    if (row + n * STEP < K) {
      long long d = (long long)n * STEP * V;
      *reinterpret_cast<float2*>(starts + d) = *reinterpret_cast<const float2*>(state + d);
      float2 end = *reinterpret_cast<const float2*>(ends + d);
      *reinterpret_cast<float2*>(starts + size + d) = end;
      *reinterpret_cast<float2*>(states + (K + row + n * STEP) * COLUMNS + column) = end;
    }
  }
  __syncthreads();
  if (segments > 2 && remembers[1]) {
    fetch(transitions + (long long)K * K, matrices + MATRIX);
  }
  hopper::cpAsyncCommit();
  for (int s = 1; s < segments - 1; s++) {
    float2 x[ROWS];
#pragma unroll
    for (int n = 0; n < ROWS; n++) {
      if (row + n * STEP < K) {
        x[n] = *reinterpret_cast<const float2*>(ends + s * size + (long long)n * STEP * V);
      }
    }
    hopper::cpAsyncWait<0>();
    __syncthreads();
    if (s + 2 < segments && remembers[s + 1]) {
      fetch(transitions + (long long)(s + 1) * K * K, matrices + (s + 1) % 2 * MATRIX);
    }
    hopper::cpAsyncCommit();
    const float* from = states + s % 2 * K * COLUMNS + column;
    if (remembers[s]) {
      const float* m = matrices + s % 2 * MATRIX + row * ROW;
#pragma unroll 4
      for (int i = 0; i < K; i += 4) {
        float2 v[4];
#pragma unroll
        for (int j = 0; j < 4; j++) {
          v[j] = *reinterpret_cast<const float2*>(from + (i + j) * COLUMNS);
        }
#pragma unroll
        for (int n = 0; n < ROWS; n++) {
          if (row + n * STEP < K) {
            float4 a = *reinterpret_cast<const float4*>(m + n * STEP * ROW + i);
            x[n].x = fmaf(a.w, v[3].x, fmaf(a.z, v[2].x, fmaf(a.y, v[1].x, fmaf(a.x, v[0].x, x[n].x))));
            x[n].y = fmaf(a.w, v[3].y, fmaf(a.z, v[2].y, fmaf(a.y, v[1].y, fmaf(a.x, v[0].y, x[n].y))));
          }
        }
      }
    }
    float* to = states + (s + 1) % 2 * K * COLUMNS + column;
#pragma unroll
    for (int n = 0; n < ROWS; n++) {
      if (row + n * STEP < K) {
        *reinterpret_cast<float2*>(starts + (s + 1) * size + (long long)n * STEP * V) = x[n];
        *reinterpret_cast<float2*>(to + (row + n * STEP) * COLUMNS) = x[n];
      }
    }
  }
}
