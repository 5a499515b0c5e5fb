// AdamW (Loshchilov and Hutter, arXiv:1711.05101) over a whole allocation of parameters, the norm of
// its gradients, and sums of flat arrays. Everything of an optimiser step is float32; numbers that
// change from step to step are read from device memory, so that a recorded step can be replayed.
//
// nvrtc: -DBF16=1
// nvrtc: -DBF16=0
#include "common.cuh"

constexpr int BLOCK = 256;
constexpr int V = 4;

// What does not change from step to step.
struct Rule {
  float beta1;
  float beta2;
  float rest1;  // 1 - beta1, rounded once
  float rest2;
  float eps;
};

// The numbers of one step.
struct Step {
  float scale;   // factor of the gradients: clipping
  float shrink;  // 1 - lr * weight decay
  float rate;    // lr / (1 - beta1^t)
  float root;    // 1 / sqrt(1 - beta2^t)
};

DEVICE void update(const Step& s, const Rule& r, float g, float& p, float& m, float& v) {
  g *= s.scale;
  m = fmaf(r.rest1, g, r.beta1 * m);
  v = fmaf(r.rest2 * g, g, r.beta2 * v);
  p = fmaf(-s.rate, m / fmaf(sqrtf(v), s.root, r.eps), s.shrink * p);
}

// rates: lr, rate and root; squares: of all gradients that are clipped together, to the norm `clip`
// unless that is 0. `working`, unless null, gets the new parameters in bf16. Nothing happens when
// squares is not finite. All arrays start at multiples of 16 bytes (working: 8) if `aligned`.
extern "C" __global__ void __launch_bounds__(BLOCK)
    adamw(long long n, float* param, const float* grad, float* mean, float* square, bf16* working,
          const float* rates, const double* squares, double clip, float decay, float beta1,
          float beta2, float rest1, float rest2, float eps, int aligned) {
  __shared__ Step step;
  if (threadIdx.x == 0) {
    double norm = sqrt(*squares);
    step.scale = clip > 0 && norm > clip ? (float)(clip / norm) : 1.f;
    step.shrink = (float)(1 - (double)rates[0] * decay);
    step.rate = isfinite(norm) ? rates[1] : -1.f;
    step.root = rates[2];
  }
  __syncthreads();
  Step s = step;
  if (s.rate < 0) {
    return;
  }
  Rule rule = {beta1, beta2, rest1, rest2, eps};
  long long stride = (long long)gridDim.x * BLOCK * V;
  for (long long i = ((long long)blockIdx.x * BLOCK + threadIdx.x) * V; i < n; i += stride) {
    float p[V];
    float g[V];
    float m[V];
    float v[V];
    int count = n - i < V ? (int)(n - i) : V;
    bool whole = aligned && count == V;
    if (whole) {
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
      update(s, rule, g[k], p[k], m[k], v[k]);
    }
    if (whole) {
      store(param + i, p);
      store(mean + i, m);
      store(square + i, v);
      if (working != nullptr) {
        store(working + i, p);
      }
    } else {
      store_some(param + i, count, p);
      store_some(mean + i, count, m);
      store_some(square + i, count, v);
      if (working != nullptr) {
        store_some(working + i, count, p);
      }
    }
  }
}

// partials[block] = sum of x^2 in float64 over what the block walks.
extern "C" __global__ void __launch_bounds__(BLOCK)
    squares(long long n, const elem* x, double* partials, int aligned) {
  constexpr int W = VECTOR<elem>;
  __shared__ double shared[BLOCK / 32];
  long long stride = (long long)gridDim.x * BLOCK * W;
  double sum = 0;
#pragma unroll 4
  for (long long i = ((long long)blockIdx.x * BLOCK + threadIdx.x) * W; i < n; i += stride) {
    float v[W];
    int count = n - i < W ? (int)(n - i) : W;
    if (aligned && count == W) {
      load(x + i, v);
    } else {
      load_some(x + i, count, v);
    }
#pragma unroll
    for (int k = 0; k < W; k++) {
      sum = fma((double)v[k], (double)v[k], sum);
    }
  }
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = sum;
  }
}

// *sum += the sum of partials, in a fixed order, times *factor / *norm unless factor is null. One
// block.
extern "C" __global__ void __launch_bounds__(BLOCK)
    squares_sum(int count, const double* partials, const double* factor, const double* norm,
                double* sum) {
  __shared__ double shared[BLOCK / 32];
  double total = 0;
  for (int i = threadIdx.x; i < count; i += BLOCK) {
    total += partials[i];
  }
  total = block_sum(total, shared);
  if (threadIdx.x == 0) {
    *sum += factor == nullptr ? total : *factor / *norm * total;
  }
}

// ---------------------------------------------------------------------------------------------
// Flat arrays; `aligned`: whether all start at multiples of 16 bytes.

template <class T, class F>
DEVICE void each(long long n, int aligned, F f) {
  constexpr int W = VECTOR<T>;
  long long stride = (long long)gridDim.x * BLOCK * W;
  for (long long i = ((long long)blockIdx.x * BLOCK + threadIdx.x) * W; i < n; i += stride) {
    int count = n - i < W ? (int)(n - i) : W;
    f(i, count, aligned && count == W);
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

// dx = 2 factor / norm (x - y), partials[block] = sum of (x - y)^2 in float64 over what the block
// walks.
extern "C" __global__ void __launch_bounds__(BLOCK)
    squared_error(long long n, const elem* x, const elem* y, const double* factor,
                  const double* norm, elem* dx, double* partials, int aligned) {
  __shared__ double shared[BLOCK / 32];
  float scale = (float)(2 * (*factor / *norm));
  double sum = 0;
  each<elem>(n, aligned, [&](long long i, int count, bool whole) {
    float u[VECTOR<elem>];
    float v[VECTOR<elem>];
    get(x + i, count, whole, u);
    get(y + i, count, whole, v);
#pragma unroll
    for (int k = 0; k < VECTOR<elem>; k++) {
      float error = u[k] - v[k];
      sum = fma((double)error, (double)error, sum);
      v[k] = scale * error;
    }
    put(dx + i, count, whole, v);
  });
  sum = block_sum(sum, shared);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = sum;
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

template <class From, class To>
DEVICE void convert(long long n, const From* x, To* out, int aligned) {
  each<bf16>(n, aligned, [&](long long i, int count, bool whole) {
    float v[VECTOR<bf16>];
    get(x + i, count, whole, v);
    put(out + i, count, whole, v);
  });
}

// out = x, rounded to bf16.
extern "C" __global__ void __launch_bounds__(BLOCK)
    narrow(long long n, const float* x, bf16* out, int aligned) {
  convert(n, x, out, aligned);
}

// out = x.
extern "C" __global__ void __launch_bounds__(BLOCK)
    widen(long long n, const bf16* x, float* out, int aligned) {
  convert(n, x, out, aligned);
}
