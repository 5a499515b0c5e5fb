// Depthwise causal convolution over time: y_t[c] = f(sum over j of w[c, j] x_{t-(K-1)+j}[c]), where f
// is the identity or silu(x) = x sigmoid(x). A thread owns a vector of channels and walks along RUN
// tokens of a sequence with the last K - 1 inputs in registers.
//
// -DKERNEL=<K> -DALIGNED=<whether all rows start at multiples of 16 bytes and channels fill vectors>
//
// nvrtc: -DBF16=1 -DKERNEL=4 -DPARAM_BF16=1
// nvrtc: -DBF16=0 -DKERNEL=1 -DALIGNED=0
#include "common.cuh"

#ifndef KERNEL
#define KERNEL 4
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int BLOCK = 64;
constexpr int V = ALIGNED ? VECTOR<elem> : 1;
constexpr int K = KERNEL;
constexpr int RUN = 32;
constexpr int AHEAD = 4;  // rows on their way

DEVICE void load_weights(const param* w, int c, float (&to)[K][V]) {
#pragma unroll
  for (int k = 0; k < V; k++) {
#pragma unroll
    for (int j = 0; j < K; j++) {
      to[j][k] = to_float(w[(c + k) * K + j]);
    }
  }
}

DEVICE void shift(float (&window)[K][V]) {
#pragma unroll
  for (int j = 0; j < K - 1; j++) {
#pragma unroll
    for (int k = 0; k < V; k++) {
      window[j][k] = window[j + 1][k];
    }
  }
}

// blockIdx.x: vectors of channels; blockIdx.y walks over the runs of all sequences. `state` holds
// the K - 1 inputs before the first token, [batch, K - 1, channels].
extern "C" __global__ void __launch_bounds__(BLOCK)
    short_conv_forward(int batch, int tokens, int channels, const elem* x, long long x_stride,
                       const param* w, const float* state, int silu, elem* y, long long y_stride) {
  int c = (blockIdx.x * BLOCK + threadIdx.x) * V;
  if (c >= channels) {
    return;
  }
  float weights[K][V];
  load_weights(w, c, weights);
  int runs = ceil_div(tokens, RUN);
  for (int r = blockIdx.y; r < batch * runs; r += gridDim.y) {
    int b = r / runs;
    int begin = (r - b * runs) * RUN;
    int end = min(begin + RUN, tokens);
    const elem* in = x + (long long)b * tokens * x_stride + c;
    elem* out = y + (long long)b * tokens * y_stride + c;
    float window[K][V];  // the last is the token's own input
#pragma unroll
    for (int j = 0; j < K - 1; j++) {
      int t = begin - (K - 1) + j;
      if (t >= 0) {
        load(in + t * x_stride, window[j + 1]);
      } else {
        load_some(state + ((long long)b * (K - 1) + t + K - 1) * channels + c, V, window[j + 1]);
      }
    }
    for (int from = begin; from < end; from += AHEAD) {
      Raw<elem, V> rows[AHEAD];
#pragma unroll
      for (int i = 0; i < AHEAD; i++) {
        if (from + i < end) {
          rows[i].load(in + (from + i) * x_stride);
        }
      }
#pragma unroll
      for (int i = 0; i < AHEAD; i++) {
        if (from + i < end) {
          shift(window);
          rows[i].unpack(window[K - 1]);
          float sum[V];
#pragma unroll
          for (int k = 0; k < V; k++) {
            sum[k] = weights[0][k] * window[0][k];
#pragma unroll
            for (int j = 1; j < K; j++) {
              sum[k] = fmaf(weights[j][k], window[j][k], sum[k]);
            }
            sum[k] = silu ? sum[k] * sigmoid(sum[k]) : sum[k];
          }
          store(out + (from + i) * y_stride, sum);
        }
      }
    }
  }
}

// The last K - 1 inputs become the state; launched behind the forward pass. One thread a channel of
// a sequence.
extern "C" __global__ void __launch_bounds__(BLOCK)
    short_conv_state(int batch, int tokens, int channels, const elem* x, long long x_stride,
                     float* state) {
  int i = blockIdx.x * BLOCK + threadIdx.x;
  if (i >= batch * channels) {
    return;
  }
  int b = i / channels;
  int c = i - b * channels;
  float* line = state + (long long)b * (K - 1) * channels + c;
  for (int j = 0; j < K - 1; j++) {
    int t = tokens - (K - 1) + j;
    line[j * channels] = t < 0 ? line[(tokens + j) * channels]
                               : to_float(x[((long long)b * tokens + t) * x_stride + c]);
  }
}

// One token of each sequence, whose state is slot slots[b] of `states`, slots slot_stride floats apart;
// the state moves on. One thread a channel of a sequence.
extern "C" __global__ void __launch_bounds__(BLOCK)
    short_conv_step(int batch, int channels, const elem* x, long long x_stride, const param* w,
                    const int* slots, float* states, long long slot_stride, int silu, elem* y,
                    long long y_stride) {
  int i = blockIdx.x * BLOCK + threadIdx.x;
  if (i >= batch * channels) {
    return;
  }
  int b = i / channels;
  int c = i - b * channels;
  float* line = states + slots[b] * slot_stride + c;
  float sum = 0;
  for (int j = 0; j < K - 1; j++) {
    float earlier = line[(long long)j * channels];
    sum = j == 0 ? to_float(w[c * K]) * earlier : fmaf(to_float(w[c * K + j]), earlier, sum);
    if (j > 0) {
      line[(long long)(j - 1) * channels] = earlier;
    }
  }
  float last = to_float(x[b * x_stride + c]);
  sum = fmaf(to_float(w[c * K + K - 1]), last, sum);
  assign(y[b * y_stride + c], silu ? sum * sigmoid(sum) : sum);
  if (K > 1) {
    line[(long long)(K - 2) * channels] = last;
  }
}

// dy *= s (1 + a (1 - s)) with s = sigmoid(a) of the sums a, which are made again from a zero state:
// the gradient of y = silu(a) becomes that of a.
extern "C" __global__ void __launch_bounds__(BLOCK)
    short_conv_slope(int batch, int tokens, int channels, const elem* x, long long x_stride,
                     const param* w, elem* dy, long long dy_stride) {
  int c = (blockIdx.x * BLOCK + threadIdx.x) * V;
  if (c >= channels) {
    return;
  }
  float weights[K][V];
  load_weights(w, c, weights);
  int runs = ceil_div(tokens, RUN);
  for (int r = blockIdx.y; r < batch * runs; r += gridDim.y) {
    int b = r / runs;
    int begin = (r - b * runs) * RUN;
    int end = min(begin + RUN, tokens);
    const elem* in = x + (long long)b * tokens * x_stride + c;
    elem* upstream = dy + (long long)b * tokens * dy_stride + c;
    float window[K][V];  // the last is the token's own input
#pragma unroll
    for (int j = 0; j < K - 1; j++) {
      int t = begin - (K - 1) + j;
      load_some(in + t * x_stride, t >= 0 ? V : 0, window[j + 1]);
    }
    for (int t = begin; t < end; t++) {
      shift(window);
      load(in + t * x_stride, window[K - 1]);
      float d[V];
      load(upstream + t * dy_stride, d);
#pragma unroll
      for (int k = 0; k < V; k++) {
        float sum = weights[0][k] * window[0][k];
#pragma unroll
        for (int j = 1; j < K; j++) {
          sum = fmaf(weights[j][k], window[j][k], sum);
        }
        float s = sigmoid(sum);
        d[k] *= fmaf(sum * s, 1.f - s, s);
      }
      store(upstream + t * dy_stride, d);
    }
  }
}

// dx_t = sum over j of w[j] dy_{t+K-1-j}; the part of dw[c, j] = sum of x_t dy_{t+K-1-j} over the runs
// of blockIdx.y goes to partials[blockIdx.y][channels, K].
extern "C" __global__ void __launch_bounds__(BLOCK)
    short_conv_backward(int batch, int tokens, int channels, const elem* x, long long x_stride,
                        const param* w, const elem* dy, long long dy_stride, elem* dx,
                        long long dx_stride, float* partials) {
  int c = (blockIdx.x * BLOCK + threadIdx.x) * V;
  if (c >= channels) {
    return;
  }
  float weights[K][V];
  load_weights(w, c, weights);
  float dw[K][V] = {};
  int runs = ceil_div(tokens, RUN);
  for (int r = blockIdx.y; r < batch * runs; r += gridDim.y) {
    int b = r / runs;
    int begin = (r - b * runs) * RUN;
    int end = min(begin + RUN, tokens);
    const elem* in = x + (long long)b * tokens * x_stride + c;
    const elem* upstream = dy + (long long)b * tokens * dy_stride + c;
    elem* out = dx + (long long)b * tokens * dx_stride + c;
    float window[K][V];  // dy of tokens t to t + K - 1
#pragma unroll
    for (int j = 0; j < K - 1; j++) {
      load_some(upstream + (begin + j) * dy_stride, begin + j < tokens ? V : 0, window[j + 1]);
    }
    for (int from = begin; from < end; from += AHEAD) {
      Raw<elem, V> rows[AHEAD];
      Raw<elem, V> later[AHEAD];  // dy of token t + K - 1
#pragma unroll
      for (int i = 0; i < AHEAD; i++) {
        if (from + i < end) {
          rows[i].load(in + (from + i) * x_stride);
        }
        if (from + i < end && from + i + K - 1 < tokens) {
          later[i].load(upstream + (from + i + K - 1) * dy_stride);
        } else {
          later[i].clear();
        }
      }
#pragma unroll
      for (int i = 0; i < AHEAD; i++) {
        if (from + i < end) {
          shift(window);
          later[i].unpack(window[K - 1]);
          float v[V];
          float g[V];
          rows[i].unpack(v);
#pragma unroll
          for (int k = 0; k < V; k++) {
            g[k] = 0;
#pragma unroll
            for (int j = 0; j < K; j++) {
              g[k] = fmaf(weights[K - 1 - j][k], window[j][k], g[k]);
              dw[K - 1 - j][k] = fmaf(v[k], window[j][k], dw[K - 1 - j][k]);
            }
          }
          store(out + (from + i) * dx_stride, g);
        }
      }
    }
  }
  float* to = partials + (long long)blockIdx.y * channels * K;
#pragma unroll
  for (int k = 0; k < V; k++) {
#pragma unroll
    for (int j = 0; j < K; j++) {
      to[(c + k) * K + j] = dw[j][k];
    }
  }
}

// dw += the partial sums of all slices.
extern "C" __global__ void __launch_bounds__(1024)
    short_conv_weight(const float* partials, int slices, int channels, float* dw) {
  add_slices(partials, slices, channels * K, dw, channels * K);
}
