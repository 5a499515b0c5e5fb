// AdamW (Loshchilov and Hutter, arXiv:1711.05101) over a whole allocation of parameters, the norm of
// its gradients, and sums of flat arrays. Everything of an optimiser step is float32; numbers that
// change from step to step are read from device memory, so that a recorded step can be replayed.
#include "common.cuh"

constexpr int BLOCK = 256;
constexpr int V = 4;

// Elements that share one entry of `kinds`; parameters start at multiples of it.
constexpr int SEGMENT = 64;

// What is done with a segment.
constexpr unsigned char FROZEN = 0;
constexpr unsigned char DECAYED = 2;  // 1: trained without weight decay

// The numbers of one step, written by adamw_numbers.
struct Numbers {
  float scale;  // factor of the gradients: clipping
  float rate;   // lr / (1 - beta1^step)
  float root;   // 1 / sqrt(1 - beta2^step)
  float shrink; // 1 - lr * weight decay
};

// One thread. `norm` is written: the square root of the sum of squares; null sum: no clipping. The
// step counter goes up by one, from 0 before the first step.
extern "C" __global__ void adamw_numbers(const float* lr, int* step, const double* squares,
                                         double beta1, double beta2, double decay, double clip,
                                         double* norm, Numbers* numbers) {
  int t = *step + 1;
  *step = t;
  double length = squares == nullptr ? 0 : sqrt(*squares);
  if (norm != nullptr) {
    *norm = length;
  }
  numbers->scale = clip > 0 && length > clip ? (float)(clip / length) : 1.f;
  numbers->rate = (float)(*lr / (1 - pow(beta1, (double)t)));
  numbers->root = (float)(1 / sqrt(1 - pow(beta2, (double)t)));
  numbers->shrink = (float)(1 - *lr * decay);
}

struct Betas {
  float beta1;
  float beta2;
  float rest1;  // 1 - beta1, rounded once
  float rest2;
  float eps;
};

DEVICE void update(const Numbers& s, const Betas& b, bool decayed, float g, float& p, float& m,
                   float& v) {
  g *= s.scale;
  m = fmaf(b.rest1, g, b.beta1 * m);
  v = fmaf(b.rest2 * g, g, b.beta2 * v);
  float step = m / fmaf(sqrtf(v), s.root, b.eps);
  p = fmaf(-s.rate, step, decayed ? s.shrink * p : p);
}

// kinds[i / SEGMENT] says what is done with element i; null: everything is trained and decays by
// numbers->shrink. `copy`, unless null, gets the new parameters in bf16.
extern "C" __global__ void __launch_bounds__(BLOCK)
    adamw(long long n, float* param, const float* grad, float* mean, float* square, bf16* copy,
          const unsigned char* kinds, float beta1, float beta2, float rest1, float rest2, float eps,
          const Numbers* numbers) {
  Numbers s = *numbers;
  Betas betas = {beta1, beta2, rest1, rest2, eps};
  long long stride = (long long)gridDim.x * BLOCK * V;
  for (long long i = ((long long)blockIdx.x * BLOCK + threadIdx.x) * V; i < n; i += stride) {
    unsigned char kind = kinds == nullptr ? DECAYED : kinds[i / SEGMENT];
    if (kind == FROZEN) {
      continue;
    }
    float p[V];
    float g[V];
    float m[V];
    float v[V];
    int count = n - i < V ? (int)(n - i) : V;
    if (count == V) {
      load(param + i, p);
      load(grad + i, g);
      load(mean + i, m);
      load(square + i, v);
    } else {
      load_some(param + i, count, p);
      load_some(grad + i, count, g);
      load_some(mean + i, count, m);
      load_some(square + i, count, v);
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      update(s, betas, kind == DECAYED, g[k], p[k], m[k], v[k]);
    }
    if (count == V) {
      store(param + i, p);
      store(mean + i, m);
      store(square + i, v);
      if (copy != nullptr) {
        store(copy + i, p);
      }
    } else {
      store_some(param + i, count, p);
      store_some(mean + i, count, m);
      store_some(square + i, count, v);
      if (copy != nullptr) {
        store_some(copy + i, count, p);
      }
    }
  }
}

// partials[block] = sum of x^2 in float64 over what the block walks; frozen segments are left out.
extern "C" __global__ void __launch_bounds__(BLOCK)
    squares(long long n, const float* x, const unsigned char* kinds, double* partials) {
  __shared__ double shared[BLOCK / 32];
  long long stride = (long long)gridDim.x * BLOCK * V;
  double sum = 0;
#pragma unroll 4
  for (long long i = ((long long)blockIdx.x * BLOCK + threadIdx.x) * V; i < n; i += stride) {
    float v[V];
    int count = n - i < V ? (int)(n - i) : V;
    if (kinds != nullptr && kinds[i / SEGMENT] == FROZEN) {
      count = 0;
    }
    if (count == V) {
      load(x + i, v);
    } else {
      load_some(x + i, count, v);
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      sum = fma((double)v[k], (double)v[k], sum);
    }
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = sum;
  }
}

// *sum = the sum of partials, in a fixed order. One block.
extern "C" __global__ void __launch_bounds__(BLOCK)
    squares_sum(int count, const double* partials, double* sum) {
  __shared__ double shared[BLOCK / 32];
  double total = 0;
  for (int i = threadIdx.x; i < count; i += BLOCK) {
    total += partials[i];
  }
  total = block_sum(total, shared);
  if (threadIdx.x == 0) {
    *sum = total;
  }
}

// ---------------------------------------------------------------------------------------------
// Flat arrays; `aligned`: whether all start at multiples of 16 bytes.

template <class T, class F>
DEVICE void each(long long n, int aligned, F f) {
  constexpr int W = VECTOR<T>;
  long long stride = (long long)gridDim.x * BLOCK * W;
  for (long long i = ((long long)blockIdx.x * BLOCK + threadIdx.x) * W; i < n; i += stride) {
    f(i, aligned && n - i >= W ? W : n - i < W ? (int)(n - i) : W, aligned && n - i >= W);
  }
}

template <class T, int W>
DEVICE void get(const T* p, int count, bool whole, float (&v)[W]) {
  if (whole) {
    load(p, v);
  } else {
    load_some(p, count, v);
  }
}

template <class T, int W>
DEVICE void put(T* p, int count, bool whole, const float (&v)[W]) {
  if (whole) {
    store(p, v);
  } else {
    store_some(p, count, v);
  }
}

// y += alpha x.
extern "C" __global__ void __launch_bounds__(BLOCK)
    axpy(long long n, float alpha, const elem* x, elem* y, int aligned) {
  each<elem>(n, aligned, [&](long long i, int count, bool whole) {
    float u[VECTOR<elem>];
    float v[VECTOR<elem>];
    get(x + i, count, whole, u);
    get(y + i, count, whole, v);
#pragma unroll
    for (int k = 0; k < VECTOR<elem>; k++) {
      v[k] = fmaf(alpha, u[k], v[k]);
    }
    put(y + i, count, whole, v);
  });
}

// out = x + y.
extern "C" __global__ void __launch_bounds__(BLOCK)
    sum(long long n, const elem* x, const elem* y, elem* out, int aligned) {
  each<elem>(n, aligned, [&](long long i, int count, bool whole) {
    float u[VECTOR<elem>];
    float v[VECTOR<elem>];
    get(x + i, count, whole, u);
    get(y + i, count, whole, v);
#pragma unroll
    for (int k = 0; k < VECTOR<elem>; k++) {
      v[k] += u[k];
    }
    put(out + i, count, whole, v);
  });
}

// out = x, rounded to bf16.
extern "C" __global__ void __launch_bounds__(BLOCK)
    narrow(long long n, const float* x, bf16* out, int aligned) {
  each<bf16>(n, aligned, [&](long long i, int count, bool whole) {
    float v[VECTOR<bf16>];
    get(x + i, count, whole, v);
    put(out + i, count, whole, v);
  });
}

// out = x.
extern "C" __global__ void __launch_bounds__(BLOCK)
    widen(long long n, const bf16* x, float* out, int aligned) {
  each<bf16>(n, aligned, [&](long long i, int count, bool whole) {
    float v[VECTOR<bf16>];
    get(x + i, count, whole, v);
    put(out + i, count, whole, v);
  });
}
