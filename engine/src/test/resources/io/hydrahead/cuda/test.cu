#include "test.cuh"

// z = x + y
extern "C" __global__ void add(const float* x, const float* y, float* z, int n) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) z[i] = x[i] + y[i];
}

// x *= *factor, which lies in device memory
extern "C" __global__ void scale(float* x, const float* factor, long long n, float extra) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) x[i] *= *factor * extra;
}

extern "C" __global__ void nothing(int n) {}

// out[i] = elements of the cluster's ranks, seen from block i
extern "C" __global__ void ranks(unsigned* out) {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  if (threadIdx.x == 0) out[blockIdx.x] = rank;
}

// Fills shared memory of any size and writes its sum.
extern "C" __global__ void shared_sum(float* out, int n) {
  extern __shared__ float s[];
  for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = 1.0f;
  __syncthreads();
  if (threadIdx.x == 0) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += s[i];
    *out = sum;
  }
}

extern "C" __global__ void illegal(float* x) { x[1ll << 50] = 1.0f; }
