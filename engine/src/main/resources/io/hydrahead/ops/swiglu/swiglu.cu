// out = silu(gate) * up with silu(x) = x sigmoid(x), and its backward pass, over rows of WIDTH
// elements: gate and up may be the two halves of a packed product.
//
// -DWIDTH=<row length> -DALIGNED=<whether all rows start at multiples of 16 bytes>
//
// nvrtc: -DBF16=1 -DWIDTH=6144
// nvrtc: -DBF16=0 -DWIDTH=5 -DALIGNED=0
#include "common.cuh"

#ifndef WIDTH
#define WIDTH 1024
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int BLOCK = 256;
constexpr int V = ALIGNED && WIDTH % VECTOR<elem> == 0 ? VECTOR<elem> : 1;
constexpr unsigned VECTORS = WIDTH / V;

extern "C" __global__ void __launch_bounds__(BLOCK)
    swiglu_forward(int n, const elem* gate, long long gate_stride, const elem* up,
                   long long up_stride, elem* out, long long out_stride) {
  start_next();
  wait_for_previous();
  unsigned count = n * VECTORS;
  for (unsigned i = blockIdx.x * BLOCK + threadIdx.x; i < count; i += gridDim.x * BLOCK) {
    unsigned row = i / VECTORS;
    unsigned c = i % VECTORS * V;
    float x[V];
    float u[V];
    load(gate + row * gate_stride + c, x);
    load(up + row * up_stride + c, u);
#pragma unroll
    for (int k = 0; k < V; k++) {
      x[k] *= sigmoid(x[k]) * u[k];
    }
    store(out + row * out_stride + c, x);
  }
}

// dgate = dout up s (1 + x (1 - s)) and dup = dout x s, with s = sigmoid(x) of the gate x; they may
// be the memory of gate and up.
extern "C" __global__ void __launch_bounds__(BLOCK)
    swiglu_backward(int n, const elem* gate, long long gate_stride, const elem* up,
                    long long up_stride, const elem* dout, long long dout_stride, elem* dgate,
                    long long dgate_stride, elem* dup, long long dup_stride) {
  unsigned count = n * VECTORS;
  for (unsigned i = blockIdx.x * BLOCK + threadIdx.x; i < count; i += gridDim.x * BLOCK) {
    unsigned row = i / VECTORS;
    unsigned c = i % VECTORS * V;
    float x[V];
    float u[V];
    float g[V];
    load(gate + row * gate_stride + c, x);
    load(up + row * up_stride + c, u);
    load(dout + row * dout_stride + c, g);
#pragma unroll
    for (int k = 0; k < V; k++) {
      float s = sigmoid(x[k]);
      float activated = x[k] * s;
      u[k] *= g[k] * fmaf(activated, 1.f - s, s);
      g[k] *= activated;
    }
    store(dgate + row * dgate_stride + c, u);
    store(dup + row * dup_stride + c, g);
  }
}
