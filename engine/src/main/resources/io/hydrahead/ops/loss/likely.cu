// The likeliest tokens of each row of logits, for sampling on the host: all within the least distance from the largest
// logit that holds WANTED of them, and what all tokens together weigh. A block a row, which it reads three times, twice
// from the cache.
//
// nvrtc: -DBF16=0
#include "common.cuh"

constexpr int BLOCK = 1024;
constexpr int WARPS = BLOCK / 32;
constexpr int WANTED = 256;
constexpr int MOST = 512;
// Distances in temperatures, up to 32: further tokens weigh e^-32 at most.
constexpr int BINS = 2048;
constexpr float BINS_A_NAT = 64.f;
#define LEAST __int_as_float(0xff800000)

template <class F>
DEVICE void each(const elem* row, int width, F f) {
  constexpr int AHEAD = 4;
  for (int from = threadIdx.x; from < width; from += AHEAD * BLOCK) {
    float x[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      int at = from + i * BLOCK;
      x[i] = at < width ? to_float(row[at]) : LEAST;
    }
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      if (x[i] > LEAST) {  // neither NaN nor -infinity
        f(x[i], from + i * BLOCK);
      }
    }
  }
}

// counts [n]: how many, or -1 if they are more than MOST or the largest is infinite; stats [n, 2]: the largest logit and
// the sum of e^((x - largest) / temperature); ids and values [n, MOST], in any order.
extern "C" __global__ void __launch_bounds__(BLOCK)
    likely_of_rows(int width, const elem* logits, long long stride, const float* temperatures,
                   int* counts, float* stats, int* ids, float* values) {
  __shared__ int bins[BINS];
  __shared__ float warps[WARPS];
  __shared__ int taken;
  __shared__ int last;
  const elem* row = logits + blockIdx.x * stride;
  float inverse = 1.f / temperatures[blockIdx.x];
  for (int i = threadIdx.x; i < BINS; i += BLOCK) {
    bins[i] = 0;
  }
  float max = LEAST;
  each(row, width, [&](float x, int) { max = fmaxf(max, x); });
  max = warp_max(max);
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = max;
  }
  __syncthreads();
  max = warp_max(warps[threadIdx.x % 32]);
  __syncthreads();
  float scale = BINS_A_NAT * inverse;
  float sum = 0;
  each(row, width, [&](float x, int) {
    float away = (max - x) * scale;
    sum += __expf((x - max) * inverse);
    if (away < BINS) {
      atomicAdd(bins + (int)away, 1);
    }
  });
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) {
    warps[threadIdx.x / 32] = sum;
  }
  __syncthreads();
  if (threadIdx.x < 32) {
    constexpr int SHARE = BINS / 32;
    float total = warp_sum(warps[threadIdx.x]);
    int mine = 0;
    for (int i = 0; i < SHARE; i++) {
      mine += bins[threadIdx.x * SHARE + i];
    }
    int before = mine;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      int other = __shfl_up_sync(FULL_WARP, before, step);
      before += threadIdx.x >= step ? other : 0;
    }
    int all = __shfl_sync(FULL_WARP, before, 31);
    before -= mine;
    bool here = before < WANTED && before + mine >= WANTED;
    if (here || (all < WANTED && threadIdx.x == 31)) {
      int count = before;
      int bin = threadIdx.x * SHARE - 1;
      while (count < WANTED && bin < (threadIdx.x + 1) * SHARE - 1) {
        count += bins[++bin];
      }
      bool good = count > 0 && count <= MOST && max < __int_as_float(0x7f800000);
      last = good ? bin : -1;
      counts[blockIdx.x] = good ? count : -1;
      stats[2 * blockIdx.x] = max;
      taken = 0;
    }
    if (threadIdx.x == 0) {
      stats[2 * blockIdx.x + 1] = total;
    }
  }
  __syncthreads();
  if (last < 0) {
    return;
  }
  each(row, width, [&](float x, int i) {
    float away = (max - x) * scale;
    if (away < BINS && (int)away <= last) {
      int at = blockIdx.x * MOST + atomicAdd(&taken, 1);
      ids[at] = i;
      values[at] = x;
    }
  });
}
