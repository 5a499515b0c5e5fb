// Log-decay and write strength of GDN heads: g = -exp(A_log) softplus(a + dt_bias) and
// beta = beta_max sigmoid(b). a, b and their gradients are column slices of elements; g, beta [n,
// heads] and their gradients are float32.
//
// nvrtc: -DBF16=1
// nvrtc: -DBF16=0
#include "common.cuh"

constexpr int BLOCK = 256;

extern "C" __global__ void __launch_bounds__(BLOCK)
    decay_forward(int n, int heads, const elem* a, long long a_stride, const elem* b,
                  long long b_stride, const float* a_log, const float* dt_bias, float beta_max,
                  float* g, float* beta) {
  start_next();
  wait_for_previous();
  int count = n * heads;
  for (int i = blockIdx.x * BLOCK + threadIdx.x; i < count; i += gridDim.x * BLOCK) {
    int row = i / heads;
    int head = i - row * heads;
    float dt = to_float(a[row * a_stride + head]) + dt_bias[head];
    g[i] = -expf(a_log[head]) * softplus(dt);
    beta[i] = beta_max * sigmoid(to_float(b[row * b_stride + head]));
  }
}

// da = -exp(A_log) sigmoid(a + dt_bias) dg and db = beta_max s (1 - s) dbeta. The block's sums of dg g
// (for A_log) and of da (for dt_bias) go to partials[blockIdx.x][2, heads]. Heads in blocks of up to
// BLOCK by blockIdx.y; a thread stays with its head.
extern "C" __global__ void __launch_bounds__(BLOCK)
    decay_backward(int n, int heads, const elem* a, long long a_stride, const elem* b,
                   long long b_stride, const float* a_log, const float* dt_bias, float beta_max,
                   const float* dg, const float* dbeta, elem* da, long long da_stride, elem* db,
                   long long db_stride, float* partials) {
  __shared__ float log_sums[BLOCK];
  __shared__ float bias_sums[BLOCK];
  int first = blockIdx.y * BLOCK;
  int tile = min(heads - first, BLOCK);
  int rows = BLOCK / tile;
  int at = threadIdx.x / tile;
  int head = first + threadIdx.x % tile;
  float rate = -expf(a_log[head]);
  float bias = dt_bias[head];
  float log_sum = 0;
  float bias_sum = 0;
  for (int row = blockIdx.x * rows + at; at < rows && row < n; row += gridDim.x * rows) {
    int i = row * heads + head;
    float dt = to_float(a[row * a_stride + head]) + bias;
    float slope = rate * sigmoid(dt) * dg[i];
    log_sum = fmaf(rate * softplus(dt), dg[i], log_sum);
    bias_sum += slope;
    float s = sigmoid(to_float(b[row * b_stride + head]));
    assign(da[row * da_stride + head], slope);
    assign(db[row * db_stride + head], beta_max * s * (1.f - s) * dbeta[i]);
  }
  log_sums[threadIdx.x] = log_sum;
  bias_sums[threadIdx.x] = bias_sum;
  __syncthreads();
  if (at == 0) {
    log_sum = 0;
    bias_sum = 0;
    for (int r = 0; r < rows; r++) {
      log_sum += log_sums[threadIdx.x + r * tile];
      bias_sum += bias_sums[threadIdx.x + r * tile];
    }
    float* to = partials + (long long)blockIdx.x * 2 * heads;
    to[head] = log_sum;
    to[heads + head] = bias_sum;
  }
}

// dA_log and ddt_bias += the partial sums of all blocks; blockIdx.y picks one of the two.
extern "C" __global__ void __launch_bounds__(1024)
    decay_parameters(const float* partials, int slices, int heads, float* da_log, float* ddt_bias) {
  bool bias = blockIdx.y == 1;
  add_slices(partials + (bias ? heads : 0), slices, 2 * heads, bias ? ddt_bias : da_log, heads);
}
