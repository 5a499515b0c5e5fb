// Between projection and mixing, a head at a time: RMSNorm with weight, then rotary embedding, then
// L2 norm, then a scale by position; each part is a switch. A team of lanes owns a head; a lane holds
// the same columns of the first and of the second half, which is what the rotary embedding pairs.
//
// -DHEAD_DIM=<d> -DALIGNED=<whether all rows, w and the tables start at multiples of 16 bytes>
//
// nvrtc: -DBF16=1 -DHEAD_DIM=128
// nvrtc: -DBF16=1 -DHEAD_DIM=32
// nvrtc: -DBF16=0 -DHEAD_DIM=34 -DALIGNED=0
#include "common.cuh"

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int BLOCK = 256;
constexpr int HALF = (HEAD_DIM + 1) / 2;  // an odd head has one element more in its first half
constexpr int V = ALIGNED && HEAD_DIM % (2 * VECTOR<elem>) == 0 ? VECTOR<elem> : 1;
constexpr int VECTORS = HALF / V;

__host__ __device__ constexpr int team_size() {
  int team = 1;
  while (team < VECTORS && team < 32) {
    team *= 2;
  }
  return team;
}

constexpr int TEAM = team_size();
constexpr int TEAMS = BLOCK / TEAM;
constexpr int COUNT = (VECTORS + TEAM - 1) / TEAM;  // vectors of a lane in each half

// What is on.
constexpr int NORM = 1;
constexpr int ROTARY = 2;
constexpr int L2 = 4;

DEVICE int column(int i) { return (i * TEAM + threadIdx.x % TEAM) * V; }

DEVICE bool inside(int i) { return VECTORS % TEAM == 0 || i * TEAM + threadIdx.x % TEAM < VECTORS; }

// Whether the column of the second half exists.
DEVICE bool inside_second(int i) {
  return inside(i) && (HEAD_DIM % 2 == 0 || column(i) < HEAD_DIM / 2);
}

// A lane's part of a head.
struct Part {
  float first[COUNT][V];
  float second[COUNT][V];
};

struct RawPart {
  Raw<elem, V> first[COUNT];
  Raw<elem, V> second[COUNT];

  DEVICE void load(const elem* head, bool active) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      if (active && inside(i)) {
        first[i].load(head + column(i));
      } else {
        first[i].clear();
      }
      if (active && inside_second(i)) {
        second[i].load(head + HALF + column(i));
      } else {
        second[i].clear();
      }
    }
  }

  DEVICE void unpack(Part& to) const {
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      first[i].unpack(to.first[i]);
      second[i].unpack(to.second[i]);
    }
  }
};

DEVICE void store_part(elem* head, const Part& p) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    if (inside(i)) {
      store(head + column(i), p.first[i]);
    }
    if (inside_second(i)) {
      store(head + HALF + column(i), p.second[i]);
    }
  }
}

template <class F>
DEVICE void each(F f) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
#pragma unroll
    for (int k = 0; k < V; k++) {
      f(i, k);
    }
  }
}

DEVICE void load_weights(const param* w, Part& to) {
  each([&](int i, int k) {
    to.first[i][k] = 0;
    to.second[i][k] = 0;
  });
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    if (inside(i)) {
      load(w + column(i), to.first[i]);
    }
    if (inside_second(i)) {
      load(w + HALF + column(i), to.second[i]);
    }
  }
}

DEVICE float dot(const Part& a, const Part& b) {
  float sum = 0;
  each([&](int i, int k) {
    sum = fmaf(a.first[i][k], b.first[i][k], sum);
    sum = fmaf(a.second[i][k], b.second[i][k], sum);
  });
  return warp_sum<TEAM>(sum);
}

// (x1, x2) to (x1 cos - x2 sin, x2 cos + x1 sin); back with direction -1.
DEVICE void rotate(Part& p, const float* cos, const float* sin, float direction) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    if (inside(i)) {
      float c[V];
      float s[V];
      load(cos + column(i), c);
      load(sin + column(i), s);
#pragma unroll
      for (int k = 0; k < V; k++) {
        float turned = direction * s[k];
        float first = p.first[i][k];
        float second = p.second[i][k];
        p.first[i][k] = fmaf(first, c[k], -second * turned);
        p.second[i][k] = fmaf(second, c[k], first * turned);
      }
    }
  }
}

// Heads are numbered through all n rows; head i is at columns (i % heads) * HEAD_DIM of row
// i / heads, whose position is its row modulo `tokens`.
extern "C" __global__ void __launch_bounds__(BLOCK)
    head_prep_forward(int n, int tokens, int heads, int parts, const elem* x, long long x_stride,
                      const param* w, float norm_eps, float l2_eps, const float* cos,
                      const float* sin, const float* scale, elem* y, long long y_stride,
                      float* rstd, float* rnorm) {
  int team = threadIdx.x / TEAM;
  int count = n * heads;
  Part weights;
  if (parts & NORM) {
    load_weights(w, weights);
  }
  for (int base = blockIdx.x * TEAMS; base < count; base += gridDim.x * TEAMS) {
    int i = base + team;
    bool active = i < count;
    int row = i / heads;
    int head = i - row * heads;
    int position = row % tokens;
    RawPart in;
    in.load(x + row * x_stride + head * HEAD_DIM, active);
    Part p;
    in.unpack(p);
    if (parts & NORM) {
      float reciprocal = rsqrtf(dot(p, p) / HEAD_DIM + norm_eps);
      each([&](int j, int k) {
        p.first[j][k] *= reciprocal * weights.first[j][k];
        p.second[j][k] *= reciprocal * weights.second[j][k];
      });
      if (rstd != nullptr && active && threadIdx.x % TEAM == 0) {
        rstd[i] = reciprocal;
      }
    }
    if ((parts & ROTARY) && active) {
      rotate(p, cos + (long long)position * HALF, sin + (long long)position * HALF, 1.f);
    }
    float factor = scale == nullptr ? 1.f : scale[position];
    if (parts & L2) {
      float reciprocal = rsqrtf(dot(p, p) + l2_eps);
      if (rnorm != nullptr && active && threadIdx.x % TEAM == 0) {
        rnorm[i] = reciprocal;
      }
      factor *= reciprocal;
    }
    if (active) {
      each([&](int j, int k) {
        p.first[j][k] *= factor;
        p.second[j][k] *= factor;
      });
      store_part(y + row * y_stride + head * HEAD_DIM, p);
    }
  }
}

// With x^ = x * rstd, u = rotate(x^ w) and y = u * rnorm: g = rnorm * (dy - y (y . dy)), turned back
// is dn; dx = rstd * (dn w - x^ mean(dn w x^)), and the block's part of dw = sum of dn x^ goes to
// partials[blockIdx.x][HEAD_DIM]. y is computed again from x.
extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    head_prep_backward(int n, int tokens, int heads, int parts, const elem* x, long long x_stride,
                       const param* w, const float* cos, const float* sin, const float* rstd,
                       const float* rnorm, const elem* dy, long long dy_stride, elem* dx,
                       long long dx_stride, float* partials) {
  __shared__ float sums[BLOCK / 32][HEAD_DIM];
  int team = threadIdx.x / TEAM;
  int count = n * heads;
  Part weights;
  load_weights(w, weights);
  Part dw;
  each([&](int j, int k) {
    dw.first[j][k] = 0;
    dw.second[j][k] = 0;
  });
  for (int base = blockIdx.x * TEAMS; base < count; base += gridDim.x * TEAMS) {
    int i = base + team;
    bool active = i < count;
    int row = i / heads;
    int head = i - row * heads;
    long long angles = (long long)(row % tokens) * HALF;
    RawPart in;
    RawPart upstream;
    in.load(x + row * x_stride + head * HEAD_DIM, active);
    upstream.load(dy + row * dy_stride + head * HEAD_DIM, active);
    float reciprocal = active ? rstd[i] : 0.f;
    Part g;
    upstream.unpack(g);
    if (parts & L2) {
      float norm = active ? rnorm[i] : 0.f;
      Part y;
      in.unpack(y);
      float factor = reciprocal * norm;
      each([&](int j, int k) {
        y.first[j][k] *= factor * weights.first[j][k];
        y.second[j][k] *= factor * weights.second[j][k];
      });
      if ((parts & ROTARY) && active) {
        rotate(y, cos + angles, sin + angles, 1.f);
      }
      float projection = dot(y, g);
      each([&](int j, int k) {
        g.first[j][k] = norm * fmaf(-projection, y.first[j][k], g.first[j][k]);
        g.second[j][k] = norm * fmaf(-projection, y.second[j][k], g.second[j][k]);
      });
    }
    if ((parts & ROTARY) && active) {
      rotate(g, cos + angles, sin + angles, -1.f);
    }
    Part v;
    in.unpack(v);
    float projection = 0;
    each([&](int j, int k) {
      v.first[j][k] *= reciprocal;
      v.second[j][k] *= reciprocal;
      dw.first[j][k] = fmaf(g.first[j][k], v.first[j][k], dw.first[j][k]);
      dw.second[j][k] = fmaf(g.second[j][k], v.second[j][k], dw.second[j][k]);
      g.first[j][k] *= weights.first[j][k];
      g.second[j][k] *= weights.second[j][k];
      projection = fmaf(g.first[j][k], v.first[j][k], projection);
      projection = fmaf(g.second[j][k], v.second[j][k], projection);
    });
    float mean = warp_sum<TEAM>(projection) / HEAD_DIM;
    if (active) {
      each([&](int j, int k) {
        g.first[j][k] = reciprocal * fmaf(-mean, v.first[j][k], g.first[j][k]);
        g.second[j][k] = reciprocal * fmaf(-mean, v.second[j][k], g.second[j][k]);
      });
      store_part(dx + row * dx_stride + head * HEAD_DIM, g);
    }
  }
  each([&](int j, int k) {
#pragma unroll
    for (int step = TEAM; step < 32; step *= 2) {
      dw.first[j][k] += __shfl_xor_sync(FULL_WARP, dw.first[j][k], step);
      dw.second[j][k] += __shfl_xor_sync(FULL_WARP, dw.second[j][k], step);
    }
  });
  if (threadIdx.x % 32 < TEAM) {
    each([&](int j, int k) {
      if (inside(j)) {
        sums[threadIdx.x / 32][column(j) + k] = dw.first[j][k];
      }
      if (inside_second(j)) {
        sums[threadIdx.x / 32][HALF + column(j) + k] = dw.second[j][k];
      }
    });
  }
  __syncthreads();
  for (int c = threadIdx.x; c < HEAD_DIM; c += BLOCK) {
    float sum = 0;
#pragma unroll
    for (int warp = 0; warp < BLOCK / 32; warp++) {
      sum += sums[warp][c];
    }
    partials[(long long)blockIdx.x * HEAD_DIM + c] = sum;
  }
}

// dw += the partial sums of all blocks.
extern "C" __global__ void __launch_bounds__(1024)
    head_prep_weight(const float* partials, int slices, float* dw) {
  add_slices(partials, slices, HEAD_DIM, dw, HEAD_DIM);
}

// The rotary embedding alone, in place; direction -1 is the backward pass.
extern "C" __global__ void __launch_bounds__(BLOCK)
    rotary(int n, int tokens, int heads, elem* x, long long x_stride, const float* cos,
           const float* sin, float direction) {
  int count = n * heads;
  for (int i = blockIdx.x * TEAMS + threadIdx.x / TEAM; i < count; i += gridDim.x * TEAMS) {
    int row = i / heads;
    long long angles = (long long)(row % tokens) * HALF;
    elem* at = x + row * x_stride + (i - row * heads) * HEAD_DIM;
    RawPart in;
    in.load(at, true);
    Part p;
    in.unpack(p);
    rotate(p, cos + angles, sin + angles, direction);
    store_part(at, p);
  }
}

// cos(p f_i) and sin(p f_i), each times `scaling`, at the positions p = *position + t of `tokens`
// rows, from float64 angles.
extern "C" __global__ void __launch_bounds__(BLOCK)
    rotary_angles(int tokens, int half, const int* position, const double* frequencies,
                  double scaling, float* cos_table, float* sin_table) {
  for (int i = blockIdx.x * BLOCK + threadIdx.x; i < tokens * half; i += gridDim.x * BLOCK) {
    int t = i / half;
    double angle = (double)(*position + t) * frequencies[i - t * half];
    double sine;
    double cosine;
    sincos(angle, &sine, &cosine);
    cos_table[i] = (float)(cosine * scaling);
    sin_table[i] = (float)(sine * scaling);
  }
}

// log_a(p + a) at the 1-based positions p = *position + t + 1 (HypeNet, arXiv:2601.22156).
extern "C" __global__ void __launch_bounds__(BLOCK)
    length_scale(int tokens, const int* position, double base, float* scale) {
  for (int t = blockIdx.x * BLOCK + threadIdx.x; t < tokens; t += gridDim.x * BLOCK) {
    scale[t] = (float)(log((double)(*position + t + 1) + base) / log(base));
  }
}
