// What every backward pass of attention needs a query row: its log-sum-exp in base 2 and
// delta = dO . O, the mean of dO V^T under the row's probabilities (FlashAttention's "D").
//
// B batch, T rows a sequence, h heads, d head dim (-DHEAD_DIM), elements `elem` (-DBF16).
//
// nvrtc: -DHEAD_DIM=20 -DBF16=0
// nvrtc: -DHEAD_DIM=128 -DBF16=1
#include "common.cuh"

constexpr int D = HEAD_DIM;

// Lanes that share a row: one 16-byte vector of bf16 each, or 8 that go through it together.
#if BF16
constexpr int ROW_LANES = D > 64 ? 16 : D > 32 ? 8 : D > 16 ? 4 : 2;
#else
constexpr int ROW_LANES = 8;
#endif

// o, dO [B*T, h*d] with row strides; lse [B, h, T]; lse2, delta [B, h, padded]: rows T ... padded - 1
// get lse2 = infinity, so that their probabilities are 0. Also clears `zeros` floats at `zero`.
// Grid (ceil(padded / (256 / ROW_LANES)), h, B), 256 threads.
extern "C" __global__ void __launch_bounds__(256)
    attention_backward_rows(const elem* __restrict__ o, const elem* __restrict__ dO,
                            const float* __restrict__ lse, float* __restrict__ lse2,
                            float* __restrict__ delta, int T, int padded, long long o_row,
                            long long dO_row, float4* __restrict__ zero, long long zeros) {
  int t = blockIdx.x * (256 / ROW_LANES) + threadIdx.x / ROW_LANES;
  int lane = threadIdx.x % ROW_LANES;
  int h = blockIdx.y;
  float sum = 0;
  if (t < T) {
    long long row = (long long)blockIdx.z * T + t;
    const elem* a = o + row * o_row + h * D;
    const elem* b = dO + row * dO_row + h * D;
#if BF16
    if (lane * 8 < D) {
      float x[8], y[8];
      load(a + lane * 8, x);
      load(b + lane * 8, y);
#pragma unroll
      for (int i = 0; i < 8; i++) {
        sum = fmaf(x[i], y[i], sum);
      }
    }
#else
    for (int c = lane; c < D; c += ROW_LANES) {
      sum = fmaf(a[c], b[c], sum);
    }
#endif
  }
  sum = warp_sum<ROW_LANES>(sum);
  if (lane == 0 && t < padded) {
    long long head = (long long)blockIdx.z * gridDim.y + h;
    delta[head * padded + t] = sum;
    lse2[head * padded + t] = t < T ? lse[head * T + t] * LOG2E : __int_as_float(0x7f800000);
  }
  long long block = ((long long)blockIdx.z * gridDim.y + h) * gridDim.x + blockIdx.x;
  long long step = 256LL * gridDim.x * gridDim.y * gridDim.z;
  for (long long i = block * 256 + threadIdx.x; i < zeros / 4; i += step) {
    zero[i] = make_float4(0, 0, 0, 0);
  }
}
