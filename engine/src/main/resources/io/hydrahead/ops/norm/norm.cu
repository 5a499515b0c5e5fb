// RMSNorm over rows of WIDTH elements, alone or behind the sum of a residual stream and a block's
// output, and its backward pass. A team of threads owns a row, a block several teams; rows are
// walked with the grid as stride, so any number of blocks of BLOCK threads is right.
//
// -DWIDTH=<row length> -DALIGNED=<whether all rows and w start at multiples of 16 bytes>
//
// nvrtc: -DBF16=1 -DWIDTH=384
// nvrtc: -DBF16=1 -DWIDTH=2048
// nvrtc: -DBF16=0 -DWIDTH=207 -DALIGNED=0
#include "common.cuh"

#ifndef WIDTH
#define WIDTH 384
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int BLOCK = 256;
constexpr int V = ALIGNED && WIDTH % VECTOR<elem> == 0 ? VECTOR<elem> : 1;
constexpr int VECTORS = WIDTH / V;

// The fewest threads, but up to 16 where there are vectors for them, that hold a row with at most
// `most` elements each.
__host__ __device__ constexpr int team_size(int most) {
  int team = 1;
  while (team < BLOCK && ((VECTORS + team - 1) / team * V > most || team < 16) && team < VECTORS) {
    team *= 2;
  }
  return team;
}

template <int TEAM>
struct Team {
  static constexpr int ROWS = BLOCK / TEAM;  // rows of a block at a time
  static constexpr int COUNT = (VECTORS + TEAM - 1) / TEAM;  // vectors of a thread
  static constexpr bool EXACT = VECTORS % TEAM == 0;

  DEVICE static int member() { return threadIdx.x % TEAM; }

  DEVICE static int index() { return threadIdx.x / TEAM; }

  DEVICE static int column(int i) { return (i * TEAM + member()) * V; }

  DEVICE static bool inside(int i) { return EXACT || i * TEAM + member() < VECTORS; }

  DEVICE static void read(const elem* row, bool active, Raw<elem, V> (&to)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      if (active && inside(i)) {
        to[i].load(row + column(i));
      } else {
        to[i].clear();
      }
    }
  }

  // Sums of the teams' threads. `shared` is used in turns, so that one barrier a sum is enough.
  DEVICE static float sum(float v, float (&shared)[2][BLOCK / 32], int& turn) {
    v = warp_sum<(TEAM < 32 ? TEAM : 32)>(v);
    if constexpr (TEAM > 32) {
      float* sums = shared[turn];
      turn ^= 1;
      if (threadIdx.x % 32 == 0) {
        sums[threadIdx.x / 32] = v;
      }
      __syncthreads();
      constexpr int WARPS = TEAM / 32;
      int first = index() * WARPS;
      v = sums[first];
#pragma unroll
      for (int i = 1; i < WARPS; i++) {
        v += sums[first + i];
      }
    }
    return v;
  }
};

// y = s * rsqrt(mean(s^2) + eps) * w with s = x, or s = x + a, which goes to `sum` and counts as it
// is stored there.
template <bool ADD>
DEVICE void forward(int n, const elem* x, long long x_stride, const elem* a, long long a_stride,
                    const param* w, float eps, elem* sum, long long sum_stride, elem* y,
                    long long y_stride, float* rstd) {
  // Up to 64 elements a thread keep the team inside a warp: no barriers.
  typedef Team<(team_size(32) <= 32 || team_size(64) > 32 ? team_size(32) : team_size(64))> T;
  __shared__ float shared[2][BLOCK / 32];
  int turn = 0;
  for (int first = blockIdx.x * T::ROWS; first < n; first += gridDim.x * T::ROWS) {
    int row = first + T::index();
    bool active = row < n;
    Raw<elem, V> in[T::COUNT];
    Raw<elem, V> added[T::COUNT];
    T::read(x + row * x_stride, active, in);
    if constexpr (ADD) {
      T::read(a + row * a_stride, active, added);
    }
    float squares = 0;
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      float v[V];
      in[i].unpack(v);
      if constexpr (ADD) {
        float u[V];
        added[i].unpack(u);
#pragma unroll
        for (int k = 0; k < V; k++) {
          v[k] = rounded<elem>(v[k] + u[k]);
        }
        if (active && T::inside(i)) {
          store(sum + row * sum_stride + T::column(i), v);
        }
        in[i].pack(v);
      }
#pragma unroll
      for (int k = 0; k < V; k++) {
        squares = fmaf(v[k], v[k], squares);
      }
    }
    float reciprocal = rsqrtf(T::sum(squares, shared, turn) / WIDTH + eps);
    if (!active) {
      continue;
    }
    if (rstd != nullptr && T::member() == 0) {
      rstd[row] = reciprocal;
    }
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      if (T::inside(i)) {
        float v[V];
        float u[V];
        in[i].unpack(v);
        load(w + T::column(i), u);
#pragma unroll
        for (int k = 0; k < V; k++) {
          v[k] *= reciprocal * u[k];
        }
        store(y + row * y_stride + T::column(i), v);
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    rms_norm_forward(int n, const elem* x, long long x_stride, const param* w, float eps, elem* y,
                     long long y_stride, float* rstd) {
  start_next();
  wait_for_previous();
  forward<false>(n, x, x_stride, nullptr, 0, w, eps, nullptr, 0, y, y_stride, rstd);
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    rms_norm_add_forward(int n, const elem* x, long long x_stride, const elem* a,
                         long long a_stride, const param* w, float eps, elem* sum,
                         long long sum_stride, elem* y, long long y_stride, float* rstd) {
  start_next();
  wait_for_previous();
  forward<true>(n, x, x_stride, a, a_stride, w, eps, sum, sum_stride, y, y_stride, rstd);
}

// With x^ = x * rstd: dx (+)= rstd * (dy w - x^ mean(dy w x^)), and the block's part of
// dw = sum of dy x^ to partials[blockIdx.x][WIDTH].
extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    rms_norm_backward(int n, const elem* x, long long x_stride, const param* w, const float* rstd,
                      const elem* dy, long long dy_stride, elem* dx, long long dx_stride,
                      int accumulate, float* partials) {
  typedef Team<team_size(BF16 ? 24 : 16)> T;
  __shared__ float shared[2][BLOCK / 32];
  __shared__ float sums[WIDTH];
  int turn = 0;
  float dw[T::COUNT][V] = {};
  for (int first = blockIdx.x * T::ROWS; first < n; first += gridDim.x * T::ROWS) {
    int row = first + T::index();
    bool active = row < n;
    Raw<elem, V> in[T::COUNT];
    Raw<elem, V> upstream[T::COUNT];
    Raw<elem, V> old[T::COUNT];
    T::read(x + row * x_stride, active, in);
    T::read(dy + row * dy_stride, active, upstream);
    T::read(dx + row * dx_stride, active && accumulate, old);
    float reciprocal = active ? rstd[row] : 0.f;
    float projection = 0;
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      float v[V];
      float g[V];
      float u[V] = {};
      in[i].unpack(v);
      upstream[i].unpack(g);
      if (T::inside(i)) {
        load(w + T::column(i), u);
      }
#pragma unroll
      for (int k = 0; k < V; k++) {
        float product = g[k] * v[k];
        dw[i][k] = fmaf(product, reciprocal, dw[i][k]);
        projection = fmaf(product, u[k], projection);
      }
    }
    projection = T::sum(projection, shared, turn);
    float slope = -reciprocal * reciprocal * reciprocal * projection / WIDTH;
    if (!active) {
      continue;
    }
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      if (T::inside(i)) {
        float v[V];
        float g[V];
        float u[V];
        float d[V];
        in[i].unpack(v);
        upstream[i].unpack(g);
        old[i].unpack(d);
        load(w + T::column(i), u);
#pragma unroll
        for (int k = 0; k < V; k++) {
          d[k] += fmaf(slope, v[k], reciprocal * g[k] * u[k]);
        }
        store(dx + row * dx_stride + T::column(i), d);
      }
    }
  }
  // The teams' sums, one after the other: first those inside a warp, then warp by warp.
  constexpr int SIZE = BLOCK / T::ROWS;
  constexpr int HOLDERS = SIZE < 32 ? BLOCK / 32 : T::ROWS;
#pragma unroll
  for (int i = 0; i < T::COUNT; i++) {
#pragma unroll
    for (int k = 0; k < V; k++) {
#pragma unroll
      for (int step = SIZE; step < 32; step *= 2) {
        dw[i][k] += __shfl_xor_sync(FULL_WARP, dw[i][k], step);
      }
    }
  }
  int holder = SIZE < 32 ? threadIdx.x / 32 : T::index();
  bool holds = SIZE >= 32 || threadIdx.x % 32 < SIZE;
  for (int h = 0; h < HOLDERS; h++) {
    if (holds && holder == h) {
#pragma unroll
      for (int i = 0; i < T::COUNT; i++) {
        if (T::inside(i)) {
#pragma unroll
          for (int k = 0; k < V; k++) {
            int c = T::column(i) + k;
            sums[c] = h == 0 ? dw[i][k] : sums[c] + dw[i][k];
          }
        }
      }
    }
    __syncthreads();
  }
  for (int c = threadIdx.x; c < WIDTH; c += BLOCK) {
    partials[(long long)blockIdx.x * WIDTH + c] = sums[c];
  }
}

// dw += the partial sums of all blocks.
extern "C" __global__ void __launch_bounds__(1024)
    rms_norm_weight(const float* partials, int slices, float* dw) {
  add_slices(partials, slices, WIDTH, dw, WIDTH);
}

// y = x * rsqrt(sum(x^2) + eps); a row of x stands `copies` times in y, one behind the other.
extern "C" __global__ void __launch_bounds__(BLOCK)
    l2_norm_forward(int n, const elem* x, long long x_stride, float eps, int copies, elem* y,
                    long long y_stride, float* rnorm) {
  typedef Team<team_size(32)> T;
  __shared__ float shared[2][BLOCK / 32];
  int turn = 0;
  for (int first = blockIdx.x * T::ROWS; first < n; first += gridDim.x * T::ROWS) {
    int row = first + T::index();
    bool active = row < n;
    Raw<elem, V> in[T::COUNT];
    T::read(x + row * x_stride, active, in);
    float squares = 0;
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      float v[V];
      in[i].unpack(v);
#pragma unroll
      for (int k = 0; k < V; k++) {
        squares = fmaf(v[k], v[k], squares);
      }
    }
    float reciprocal = rsqrtf(T::sum(squares, shared, turn) + eps);
    if (active && rnorm != nullptr && T::member() == 0) {
      rnorm[row] = reciprocal;
    }
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      if (active && T::inside(i)) {
        float v[V];
        in[i].unpack(v);
#pragma unroll
        for (int k = 0; k < V; k++) {
          v[k] *= reciprocal;
        }
        for (int j = 0; j < copies; j++) {
          store(y + ((long long)row * copies + j) * y_stride + T::column(i), v);
        }
      }
    }
  }
}

// dx = rnorm * (g - y (y . g)) from the output y, with g the sum of a row's `copies` rows of dy.
extern "C" __global__ void __launch_bounds__(BLOCK)
    l2_norm_backward(int n, int copies, const elem* y, long long y_stride, const float* rnorm,
                     const elem* dy, long long dy_stride, elem* dx, long long dx_stride) {
  typedef Team<team_size(32)> T;
  __shared__ float shared[2][BLOCK / 32];
  int turn = 0;
  for (int first = blockIdx.x * T::ROWS; first < n; first += gridDim.x * T::ROWS) {
    int row = first + T::index();
    bool active = row < n;
    Raw<elem, V> out[T::COUNT];
    T::read(y + (long long)row * copies * y_stride, active, out);
    float g[T::COUNT][V] = {};
    for (int j = 0; j < copies; j++) {
      Raw<elem, V> upstream[T::COUNT];
      T::read(dy + ((long long)row * copies + j) * dy_stride, active, upstream);
#pragma unroll
      for (int i = 0; i < T::COUNT; i++) {
        float d[V];
        upstream[i].unpack(d);
#pragma unroll
        for (int k = 0; k < V; k++) {
          g[i][k] += d[k];
        }
      }
    }
    float projection = 0;
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      float v[V];
      out[i].unpack(v);
#pragma unroll
      for (int k = 0; k < V; k++) {
        projection = fmaf(v[k], g[i][k], projection);
      }
    }
    projection = T::sum(projection, shared, turn);
    float reciprocal = active ? rnorm[row] : 0.f;
#pragma unroll
    for (int i = 0; i < T::COUNT; i++) {
      if (active && T::inside(i)) {
        float v[V];
        out[i].unpack(v);
#pragma unroll
        for (int k = 0; k < V; k++) {
          v[k] = reciprocal * fmaf(-projection, v[k], g[i][k]);
        }
        store(dx + row * dx_stride + T::column(i), v);
      }
    }
  }
}
