// Cross-entropy and teacher-student KL of rows of logits [n, WIDTH], and their gradient. A block owns
// a row. Rows that fit are read once and stay in registers; longer ones are read twice: forwards for
// running maxima and sums of exponentials, then backwards, from what the caches still hold.
//
// -DWIDTH=<vocabulary> -DALIGNED=<whether all rows start at multiples of 16 bytes>
//
// nvrtc: -DBF16=1 -DWIDTH=8192
// nvrtc: -DBF16=1 -DWIDTH=151936
// nvrtc: -DBF16=0 -DWIDTH=33 -DALIGNED=0
#include "common.cuh"

#ifndef WIDTH
#define WIDTH 8192
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int V = ALIGNED && WIDTH % VECTOR<elem> == 0 ? VECTOR<elem> : 1;
constexpr int VECTORS = WIDTH / V;
constexpr int BLOCK = 256;
constexpr int COUNT = (VECTORS + BLOCK - 1) / BLOCK;  // vectors of a thread
constexpr bool RESIDENT = COUNT * V <= 32;
constexpr float LOWEST = -3.0e38f;

DEVICE int column(int i) { return (i * BLOCK + threadIdx.x) * V; }

DEVICE bool inside(int i) { return VECTORS % BLOCK == 0 || i * BLOCK + threadIdx.x < VECTORS; }

// The maximum of some logits and the sum of e^(x - max).
struct Sum {
  float max = LOWEST;
  float sum = 0;

  DEVICE void add(const float (&x)[V]) {
    float most = x[0];
#pragma unroll
    for (int k = 1; k < V; k++) {
      most = fmaxf(most, x[k]);
    }
    if (most > max) {
      sum *= exp_fast(max - most);
      max = most;
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      sum += exp_fast(x[k] - max);
    }
  }

  DEVICE void merge(float other_max, float other_sum) {
    float most = fmaxf(max, other_max);
    sum = sum * exp_fast(max - most) + other_sum * exp_fast(other_max - most);
    max = most;
  }

  // Of the whole block, for every thread.
  DEVICE void merge_block(float (&shared)[2][BLOCK / 32]) {
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      float other_max = __shfl_xor_sync(FULL_WARP, max, step);
      float other_sum = __shfl_xor_sync(FULL_WARP, sum, step);
      merge(other_max, other_sum);
    }
    if (threadIdx.x % 32 == 0) {
      shared[0][threadIdx.x / 32] = max;
      shared[1][threadIdx.x / 32] = sum;
    }
    __syncthreads();
    max = shared[0][0];
    sum = shared[1][0];
#pragma unroll
    for (int w = 1; w < BLOCK / 32; w++) {
      merge(shared[0][w], shared[1][w]);
    }
    __syncthreads();
  }
};

// A row that stays in registers, or is read again.
struct Row {
  Raw<elem, V> kept[RESIDENT ? COUNT : 1];

  DEVICE Sum read(const elem* x) {
    Sum s;
    if constexpr (RESIDENT) {
#pragma unroll
      for (int i = 0; i < COUNT; i++) {
        if (inside(i)) {
          kept[i].load(x + column(i));
        }
      }
#pragma unroll
      for (int i = 0; i < COUNT; i++) {
        if (inside(i)) {
          float v[V];
          kept[i].unpack(v);
#pragma unroll
          for (int k = 0; k < V; k++) {
            s.max = fmaxf(s.max, v[k]);
          }
        }
      }
#pragma unroll
      for (int i = 0; i < COUNT; i++) {
        if (inside(i)) {
          float v[V];
          kept[i].unpack(v);
#pragma unroll
          for (int k = 0; k < V; k++) {
            s.sum += exp_fast(v[k] - s.max);
          }
        }
      }
    } else {
#pragma unroll 4
      for (int i = 0; i < COUNT; i++) {
        if (inside(i)) {
          float v[V];
          load(x + column(i), v);
          s.add(v);
        }
      }
    }
    return s;
  }

  DEVICE void again(const elem* x, int i, float (&v)[V]) const {
    if constexpr (RESIDENT) {
      kept[i].unpack(v);
    } else {
      load(x + column(i), v);
    }
  }
};

// Calls f(i) for the vectors of a thread; long rows from the end on.
template <class F>
DEVICE void each_vector(F f) {
  if constexpr (RESIDENT) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      if (inside(i)) {
        f(i);
      }
    }
  } else {
#pragma unroll 2
    for (int i = COUNT - 1; i >= 0; i--) {
      if (inside(i)) {
        f(i);
      }
    }
  }
}

DEVICE void clear_row(elem* d) {
  float zeros[V] = {};
#pragma unroll 4
  for (int i = 0; i < COUNT; i++) {
    if (inside(i)) {
      store(d + column(i), zeros);
    }
  }
}

// losses[r] = weight (log sum e^x - x[target]); d = scale weight (softmax - onehot) unless null; d may
// be the logits. A target below 0 or a weight of 0 leaves the row out: its gradient is 0.
extern "C" __global__ void __launch_bounds__(BLOCK)
    cross_entropy(const elem* logits, long long stride, const int* targets, const float* weights,
                  const float* scale, elem* d, long long d_stride, double* losses) {
  __shared__ float shared[2][BLOCK / 32];
  int r = blockIdx.x;
  const elem* x = logits + r * stride;
  elem* to = d + r * d_stride;
  int target = targets[r];
  float weight = target < 0 || target >= WIDTH ? 0.f : weights[r];
  if (weight == 0.f) {
    if (d != nullptr) {
      clear_row(to);
    }
    if (threadIdx.x == 0) {
      losses[r] = 0;
    }
    return;
  }
  Row row;
  float wanted = to_float(x[target]);
  Sum s = row.read(x);
  s.merge_block(shared);
  if (threadIdx.x == 0) {
    losses[r] = weight * (log((double)s.sum) + s.max - wanted);
  }
  if (d == nullptr) {
    return;
  }
  float factor = *scale * weight;
  float over = factor / s.sum;
  each_vector([&](int i) {
    float v[V];
    row.again(x, i, v);
#pragma unroll
    for (int k = 0; k < V; k++) {
      v[k] = over * exp_fast(v[k] - s.max);
      if (column(i) + k == target) {
        v[k] -= factor;
      }
    }
    store(to + column(i), v);
  });
}

// p (e^d - 1 - d): a token's part of KL = sum of p d' where d = log q - log p, in a form that keeps
// its digits when p and q are almost the same.
DEVICE float divergence(float p, float q, float d) {
  if (fabsf(d) < 0.25f) {
    float series = fmaf(d, fmaf(d, fmaf(d, 1.f / 120, 1.f / 24), 1.f / 6), 0.5f);
    return p * d * d * fmaf(d * d * d * d, 1.f / 720, series);
  }
  return p > 0.f ? (q - p) - p * d : q;
}

// Losses of teacher and student together. kl_losses[r] = weight KL(teacher || student); with targets
// (not null) also ce_losses as in cross_entropy. d, unless null, is assigned
// weight (kl_scale (q - p) + ce_scale (q - onehot)) with q the student's and p the teacher's softmax,
// or, with `add`, added to; it may be the student's logits.
extern "C" __global__ void __launch_bounds__(BLOCK)
    distillation(const elem* teacher, long long teacher_stride, const elem* student,
                 long long stride, const int* targets, const float* weights, const float* kl_scale,
                 const float* ce_scale, elem* d, long long d_stride, int add, double* kl_losses,
                 double* ce_losses) {
  __shared__ float shared[2][BLOCK / 32];
  __shared__ double sums[BLOCK / 32];
  int r = blockIdx.x;
  const elem* x = student + r * stride;
  const elem* y = teacher + r * teacher_stride;
  elem* to = d + r * d_stride;
  int target = targets == nullptr ? -1 : targets[r];
  float weight = weights[r];
  if (weight == 0.f) {
    if (d != nullptr && !add) {
      clear_row(to);
    }
    if (threadIdx.x == 0) {
      kl_losses[r] = 0;
      if (targets != nullptr) {
        ce_losses[r] = 0;
      }
    }
    return;
  }
  bool scored = target >= 0 && target < WIDTH;
  float wanted = scored ? to_float(x[target]) : 0.f;
  Row students;
  Row teachers;
  Sum s = students.read(x);
  Sum t = teachers.read(y);
  s.merge_block(shared);
  t.merge_block(shared);
  if (threadIdx.x == 0 && targets != nullptr) {
    ce_losses[r] = scored ? weight * (log((double)s.sum) + s.max - wanted) : 0.;
  }
  // log q - log p = (x - y) - (log Z_x - log Z_y), the maxima apart from the rest of log Z.
  float shift = s.max - t.max;
  float rest = (float)(log((double)s.sum) - log((double)t.sum));
  float factor = d == nullptr ? 0.f : weight * *kl_scale;
  float hit = d == nullptr || !scored ? 0.f : weight * *ce_scale;
  float over_s = 1.f / s.sum;
  float over_t = 1.f / t.sum;
  float sum = 0;
  each_vector([&](int i) {
    float v[V];
    float u[V];
    float g[V] = {};
    students.again(x, i, v);
    teachers.again(y, i, u);
    if (d != nullptr && add) {
      load(to + column(i), g);
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      float q = over_s * exp_fast(v[k] - s.max);
      float p = over_t * exp_fast(u[k] - t.max);
      sum += divergence(p, q, (v[k] - u[k] - shift) - rest);
      g[k] += fmaf(factor, q - p, hit * q);
      if (column(i) + k == target) {
        g[k] -= hit;
      }
    }
    if (d != nullptr) {
      store(to + column(i), g);
    }
  });
  double total = block_sum((double)sum, sums);
  if (threadIdx.x == 0) {
    kl_losses[r] = weight * total;
  }
}

// *sum += the losses of n rows, in a fixed order. One block.
extern "C" __global__ void __launch_bounds__(1024)
    loss_sum(int n, const double* losses, double* sum) {
  __shared__ double sums[32];
  double total = 0;
#pragma unroll 4
  for (int r = threadIdx.x; r < n; r += 1024) {
    total += losses[r];
  }
  total = block_sum(total, sums);
  if (threadIdx.x == 0) {
    *sum += total;
  }
}
