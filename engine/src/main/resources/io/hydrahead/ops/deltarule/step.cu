// Decode step of the gated delta rule: one token a sequence, every head in one launch, the float32
// state in place. Bound by the traffic of the state, so a head's state is cut by value columns over
// several blocks.
//
// KEY_DIM, VALUE_DIM (a multiple of VALUE_COLUMNS), VALUE_COLUMNS (of a block: 4, 8, 16, 32 …).
//
// nvrtc: -DBF16=0 -DKEY_DIM=128 -DVALUE_DIM=128 -DVALUE_COLUMNS=16
// nvrtc: -DBF16=1 -DKEY_DIM=32 -DVALUE_DIM=32 -DVALUE_COLUMNS=16
#include "common.cuh"
#include "step.cuh"

constexpr int K = KEY_DIM;
constexpr int V = VALUE_DIM;
constexpr int THREADS = 128;

// Grid [V / VALUE_COLUMNS, H, B]; q, k, v, out: one row a sequence, with row strides. The states [H, K, V] of a sequence
// lie in slot slots[b] of `state`, or in slot b without slots; slots are slotStride floats apart.
extern "C" __global__ void __launch_bounds__(THREADS)
    gdn_step(const elem* q, long long qStride, const elem* k, long long kStride, const elem* v,
             long long vStride, const float* g, long long gStride, const float* beta,
             long long betaStride, float* state, elem* out, long long outStride,
             const int* slots, long long slotStride) {
  using Step = DeltaStep<K, V, VALUE_COLUMNS, THREADS>;
  __shared__ float qk[2][K];
  __shared__ typename Step::Shared shared;
  start_next();
  wait_for_previous();
  int head = blockIdx.y;
  int sequence = blockIdx.z;
  int first = blockIdx.x * VALUE_COLUMNS;
  int slot = slots == nullptr ? sequence : slots[sequence];
  state += slot * slotStride + (long long)head * K * V + first;
  Step step;
  step.load(state);
  q += sequence * qStride + head * K;
  k += sequence * kStride + head * K;
  for (int d = threadIdx.x; d < K; d += THREADS) {
    qk[0][d] = to_float(q[d]);
    qk[1][d] = to_float(k[d]);
  }
  float v4[4];
  load(v + sequence * vStride + head * V + first + Step::column(), v4);
  float alpha = expf(g[sequence * gStride + head]);
  float b = beta[sequence * betaStride + head];
  __syncthreads();
  float4 o = step.advance(qk[0], qk[1], make_float4(v4[0], v4[1], v4[2], v4[3]), alpha, b, shared);
  step.store(state);
  if (threadIdx.x < Step::QUADS) {
    float o4[4] = {o.x, o.y, o.z, o.w};
    store(out + sequence * outStride + head * V + first + Step::column(), o4);
  }
}
