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
constexpr int WARPS = BLOCK / 32;
constexpr int COUNT = (VECTORS + BLOCK - 1) / BLOCK;  // vectors of a thread
constexpr bool RESIDENT = COUNT * V <= 32;
constexpr int KEPT = RESIDENT ? COUNT : 1;               // those that stay in registers
constexpr float LOWEST = -3.0e38f;

DEVICE int column(int i) { return (i * BLOCK + threadIdx.x) * V; }

DEVICE bool inside(int i) { return VECTORS % BLOCK == 0 || i * BLOCK + threadIdx.x < VECTORS; }

// The maximum of some logits, the sum of e^(x - max) and, where asked for, that of e^(x - max) z.
struct Sum {
  float max = LOWEST;
  float sum = 0;
  float dot = 0;

  // Makes room for logits up to `most`.
  DEVICE void raise(float most) {
    float factor = exp_fast(max - most);
    sum *= factor;
    dot *= factor;
    max = most;
  }

  // Over LANES lanes, for all of them.
  template <int LANES>
  DEVICE void merge_lanes() {
    raise(warp_max<LANES>(max));
    sum = warp_sum<LANES>(sum);
    dot = warp_sum<LANES>(dot);
  }

  // Over the block, for every thread. `shared` has one place a warp.
  DEVICE void merge_block(Sum* shared) {
    merge_lanes<32>();
    if (threadIdx.x % 32 == 0) {
      shared[threadIdx.x / 32] = *this;
    }
    __syncthreads();
    *this = shared[threadIdx.x % WARPS];
    merge_lanes<WARPS>();
  }

  DEVICE double log_sum() const { return log((double)sum) + max; }
};

DEVICE float most(const float (&x)[V]) {
  float max = x[0];
#pragma unroll
  for (int k = 1; k < V; k++) {
    max = fmaxf(max, x[k]);
  }
  return max;
}

// Loads the vectors of a thread that stay in registers.
DEVICE void keep(const elem* x, Raw<elem, V> (&to)[KEPT]) {
#pragma unroll
  for (int i = 0; i < KEPT; i++) {
    if (inside(i)) {
      to[i].load(x + column(i));
    }
  }
}

DEVICE float most(const Raw<elem, V> (&row)[KEPT]) {
  float max = LOWEST;
#pragma unroll
  for (int i = 0; i < KEPT; i++) {
    if (inside(i)) {
      float v[V];
      row[i].unpack(v);
      max = fmaxf(max, most(v));
    }
  }
  return max;
}

// Takes e^(x - max) of one more vector into the sum, and x to these exponentials.
DEVICE void add(Sum& s, float (&x)[V]) {
#pragma unroll
  for (int k = 0; k < V; k++) {
    x[k] = exp_fast(x[k] - s.max);
    s.sum += x[k];
  }
}

DEVICE void take_in(Sum& s, float max) {
  if (max > s.max) {
    s.raise(max);
  }
}

// Calls f(i) for the vectors of a thread; long rows from the end on, which the caches still hold.
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
extern "C" __global__ void __launch_bounds__(BLOCK, 4)
    cross_entropy(const elem* logits, long long stride, const int* targets, const float* weights,
                  const float* scale, elem* d, long long d_stride, double* losses) {
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
  float wanted = to_float(x[target]);
  float e[KEPT][V];
  Sum own;
  if constexpr (RESIDENT) {
    Raw<elem, V> row[KEPT];
    keep(x, row);
    own.max = most(row);
#pragma unroll
    for (int i = 0; i < KEPT; i++) {
      if (inside(i)) {
        row[i].renew();
        row[i].unpack(e[i]);
        add(own, e[i]);
      }
    }
  } else {
#pragma unroll 4
    for (int i = 0; i < COUNT; i++) {
      if (inside(i)) {
        load(x + column(i), e[0]);
        take_in(own, most(e[0]));
        add(own, e[0]);
      }
    }
  }
  __shared__ Sum shared[WARPS];
  Sum s = own;
  s.merge_block(shared);
  if (threadIdx.x == 0) {
    losses[r] = weight * (s.log_sum() - wanted);
  }
  if (d == nullptr) {
    return;
  }
  float factor = *scale * weight;
  float over = factor / s.sum;
  float of_own = over * exp_fast(own.max - s.max);
  each_vector([&](int i) {
    float v[V];
    if constexpr (RESIDENT) {
#pragma unroll
      for (int k = 0; k < V; k++) {
        v[k] = of_own * e[i][k];
      }
    } else {
      load(x + column(i), v);
#pragma unroll
      for (int k = 0; k < V; k++) {
        v[k] = over * exp_fast(v[k] - s.max);
      }
    }
    if (target - column(i) >= 0 && target - column(i) < V) {
#pragma unroll
      for (int k = 0; k < V; k++) {
        v[k] -= column(i) + k == target ? factor : 0.f;
      }
    }
    store(to + column(i), v);
  });
}

// p (e^d - 1 - d) with d = log q - log p: a token's part of KL = sum of -p d, in a form that keeps its
// digits when p and q are almost the same.
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
// or, with `add_to`, added to; it may be the student's logits.
//
// With bf16 logits KL = sum of p (y - x) - (log Z_y - log Z_x) in one go; float32 ones have digits
// that are worth the dearer form.
extern "C" __global__ void __launch_bounds__(BLOCK, BF16 ? 3 : 2)
    distillation(const elem* teacher, long long teacher_stride, const elem* student,
                 long long stride, const int* targets, const float* weights, const float* kl_scale,
                 const float* ce_scale, elem* d, long long d_stride, int add_to, double* kl_losses,
                 double* ce_losses) {
  int r = blockIdx.x;
  const elem* x = student + r * stride;
  const elem* y = teacher + r * teacher_stride;
  elem* to = d + r * d_stride;
  int target = targets == nullptr ? -1 : targets[r];
  float weight = weights[r];
  if (weight == 0.f) {
    if (d != nullptr && !add_to) {
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
  Raw<elem, V> students[KEPT];
  Raw<elem, V> teachers[KEPT];
  Sum own_s;
  Sum own_t;
  auto take = [&](float (&u)[V], float (&v)[V]) {  // the student's and the teacher's logits
#if BF16
    float apart[V];
#pragma unroll
    for (int k = 0; k < V; k++) {
      apart[k] = v[k] - u[k];
    }
#endif
    add(own_s, u);
    add(own_t, v);
#if BF16
#pragma unroll
    for (int k = 0; k < V; k++) {
      own_t.dot = fmaf(v[k], apart[k], own_t.dot);
    }
#endif
  };
  if constexpr (RESIDENT) {
    keep(x, students);
    keep(y, teachers);
    own_s.max = most(students);
    own_t.max = most(teachers);
#pragma unroll
    for (int i = 0; i < KEPT; i++) {
      if (inside(i)) {
        float u[V];
        float v[V];
        students[i].renew();
        teachers[i].renew();
        students[i].unpack(u);
        teachers[i].unpack(v);
        take(u, v);
      }
    }
  } else {
#pragma unroll 4
    for (int i = 0; i < COUNT; i++) {
      if (inside(i)) {
        float u[V];
        float v[V];
        load(x + column(i), u);
        load(y + column(i), v);
        take_in(own_s, most(u));
        take_in(own_t, most(v));
        take(u, v);
      }
    }
  }
  __shared__ Sum shared[2][WARPS];
  Sum s = own_s;
  Sum t = own_t;
  s.merge_block(shared[0]);
  t.merge_block(shared[1]);
  if (threadIdx.x == 0) {
    if (targets != nullptr) {
      ce_losses[r] = scored ? weight * (s.log_sum() - wanted) : 0.;
    }
#if BF16
    kl_losses[r] = weight * ((double)t.dot / t.sum - (t.log_sum() - s.log_sum()));
#endif
  }
  if (BF16 && d == nullptr) {
    return;
  }
  float factor = d == nullptr ? 0.f : weight * *kl_scale;
  float hit = d == nullptr || !scored ? 0.f : weight * *ce_scale;
  float over_s = 1.f / s.sum;
  float over_t = 1.f / t.sum;
  // log q - log p = (x - y) - (log Z_x - log Z_y), the maxima apart from the rest of log Z.
  float shift = s.max - t.max;
  float rest = BF16 ? 0.f : (float)(log((double)s.sum) - log((double)t.sum));
  float sum = 0;
  each_vector([&](int i) {
    float u[V];
    float v[V];
    float g[V] = {};
    float apart[V];
    if (d != nullptr && add_to) {
      load(to + column(i), g);
    }
    if constexpr (RESIDENT) {
      students[i].renew();
      teachers[i].renew();
      students[i].unpack(u);
      teachers[i].unpack(v);
    } else {
      load(x + column(i), u);
      load(y + column(i), v);
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      apart[k] = u[k] - v[k];
      u[k] = over_s * exp_fast(u[k] - s.max);
      v[k] = over_t * exp_fast(v[k] - t.max);
    }
#pragma unroll
    for (int k = 0; k < V; k++) {
      if constexpr (!BF16) {
        sum += divergence(v[k], u[k], (apart[k] - shift) - rest);
      }
      g[k] = fmaf(factor, u[k] - v[k], fmaf(hit, u[k], g[k]));
    }
    if (target - column(i) >= 0 && target - column(i) < V) {
#pragma unroll
      for (int k = 0; k < V; k++) {
        g[k] -= column(i) + k == target ? hit : 0.f;
      }
    }
    if (d != nullptr) {
      store(to + column(i), g);
    }
  });
#if !BF16
  __shared__ double sums[WARPS];
  double total = block_sum((double)sum, sums);
  if (threadIdx.x == 0) {
    kl_losses[r] = weight * total;
  }
#endif
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
