// The id of the largest of each row of logits, of equals the smallest: a block a row.
//
// nvrtc: -DBF16=0
#include "common.cuh"

constexpr int BLOCK = 1024;
constexpr int AHEAD = 4; // elements of a thread on their way

struct Best {
  float most;
  int id;

  DEVICE void take(float x, int i) {
    if (x > most || (x == most && i < id)) {
      most = x;
      id = i;
    }
  }

  DEVICE void merge_lanes() {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      float x = __shfl_xor_sync(FULL_WARP, most, step);
      int i = __shfl_xor_sync(FULL_WARP, id, step);
      take(x, i);
    }
  }
};

extern "C" __global__ void __launch_bounds__(BLOCK)
    best_of_rows(int width, const elem* logits, long long stride, int* ids) {
  __shared__ Best warps[BLOCK / 32];
  start_next();
  wait_for_previous();
  const elem* row = logits + blockIdx.x * stride;
  Best best = {__int_as_float(0xff800000), 0x7fffffff};
  for (int from = threadIdx.x; from < width; from += AHEAD * BLOCK) {
    float x[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      int at = from + i * BLOCK;
      x[i] = at < width ? to_float(row[at]) : __int_as_float(0xff800000);
    }
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      if (from + i * BLOCK < width) {
        best.take(x[i], from + i * BLOCK);
      }
    }
  }
  best.merge_lanes();
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = best;
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    best = warps[threadIdx.x];
    best.merge_lanes();
    if (threadIdx.x == 0) {
      ids[blockIdx.x] = best.id < width ? best.id : 0;
    }
  }
}
