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

constexpr int TEAM = warp_team(VECTORS);
constexpr int TEAMS = BLOCK / TEAM;
constexpr int COUNT = (VECTORS + TEAM - 1) / TEAM;  // vectors of a lane in each half

// What is on behind the RMSNorm.
constexpr int ROTARY = 1;
constexpr int L2 = 2;

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

// Cosines and sines of a lane's pairs: a rotation R, up to a scale.
struct Angles {
  float cos[COUNT][V];
  float sin[COUNT][V];

  // Those of a row of the tables, or, with null, no rotation.
  DEVICE void load(const float* cos_row, const float* sin_row, bool active) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
#pragma unroll
      for (int k = 0; k < V; k++) {
        cos[i][k] = 1;
        sin[i][k] = 0;
      }
      if (active && inside(i)) {
        ::load(cos_row + column(i), cos[i]);
        ::load(sin_row + column(i), sin[i]);
      }
    }
  }

  // (x1, x2) to (x1 cos - x2 sin, x2 cos + x1 sin), or with direction -1 the transposed map.
  DEVICE void rotate(Part& p, float direction) const {
    each([&](int i, int k) {
      float turned = direction * sin[i][k];
      float first = p.first[i][k];
      float second = p.second[i][k];
      p.first[i][k] = fmaf(first, cos[i][k], -second * turned);
      p.second[i][k] = fmaf(second, cos[i][k], first * turned);
    });
  }

  // R transposed times R: a number for each pair.
  DEVICE float square(int i, int k) const {
    return fmaf(cos[i][k], cos[i][k], sin[i][k] * sin[i][k]);
  }
};

// Heads are numbered through all n rows; head i is at columns (i % heads) * HEAD_DIM of row
// i / heads, whose position is its row modulo `tokens`.
struct Place {
  int index;
  bool active;
  int row;
  int column;
  int position;

  DEVICE Place(int i, int n, int tokens, int heads) {
    index = i;
    active = i < n * heads;
    row = i / heads;
    column = (i - row * heads) * HEAD_DIM;
    position = row % tokens;
  }

  DEVICE const elem* at(const elem* x, long long stride) const { return x + row * stride + column; }

  DEVICE elem* at(elem* x, long long stride) const { return x + row * stride + column; }

  DEVICE long long angles() const { return (long long)position * HALF; }
};

extern "C" __global__ void __launch_bounds__(BLOCK, 4)
    head_prep_forward(int n, int tokens, int heads, int parts, const elem* x, long long x_stride,
                      const param* w, float norm_eps, float l2_eps, const float* cos,
                      const float* sin, const float* scale, elem* y, long long y_stride,
                      float* rstd, float* rnorm) {
  start_next();
  wait_for_previous();
  int team = threadIdx.x / TEAM;
  int step = gridDim.x * TEAMS;
  int count = n * heads;
  RawPart next;
  Place first(blockIdx.x * TEAMS + team, n, tokens, heads);
  next.load(first.at(x, x_stride), first.active);
  for (int base = blockIdx.x * TEAMS; base < count; base += step) {
    Place here(base + team, n, tokens, heads);
    Place after(base + team + step, n, tokens, heads);
    Part p;
    next.unpack(p);
    next.load(after.at(x, x_stride), after.active);  // on its way while this head is worked on
    Part u;
    Angles angles;
    load_weights(w, u);
    bool turned = (parts & ROTARY) && here.active;
    angles.load(cos + here.angles(), sin + here.angles(), turned);
    // The L2 norm of R (w x) needs no rotation, so both sums are on their way at once.
    float squares = 0;
    float norm = 0;
    each([&](int j, int k) {
      squares = fmaf(p.first[j][k], p.first[j][k], squares);
      squares = fmaf(p.second[j][k], p.second[j][k], squares);
      p.first[j][k] *= u.first[j][k];
      p.second[j][k] *= u.second[j][k];
      float pair = fmaf(p.first[j][k], p.first[j][k], p.second[j][k] * p.second[j][k]);
      norm = fmaf(angles.square(j, k), pair, norm);
    });
    squares = warp_sum<TEAM>(squares);
    norm = warp_sum<TEAM>(norm);
    float factor = rsqrtf(squares / HEAD_DIM + norm_eps);
    bool first_lane = here.active && threadIdx.x % TEAM == 0;
    if (rstd != nullptr && first_lane) {
      rstd[here.index] = factor;
    }
    if (parts & L2) {
      float reciprocal = rsqrtf(fmaf(factor * factor, norm, l2_eps));
      if (rnorm != nullptr && first_lane) {
        rnorm[here.index] = reciprocal;
      }
      factor *= reciprocal;
    }
    if (scale != nullptr) {
      factor *= scale[here.position];
    }
    if (here.active) {
      each([&](int j, int k) {
        p.first[j][k] *= factor;
        p.second[j][k] *= factor;
      });
      angles.rotate(p, 1.f);
      store_part(here.at(y, y_stride), p);
    }
  }
}

// With x^ = x * rstd, n = x^ w, y = R n * rnorm and g = R^T dy: dn = rnorm g - rnorm^3 (n . g) R^T R n,
// because y . dy = rnorm (n . g); without L2 norm dn = g. Then dx = rstd * (dn w - x^ mean(dn n)) and the
// block's part of dw = sum of dn x^ goes to partials[blockIdx.x][HEAD_DIM]. Since |R n|^2 = rnorm^-2 -
// l2_eps, n . dn = rnorm^3 l2_eps (n . g): one sum does for everything, and nothing of y is read.
extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    head_prep_backward(int n, int tokens, int heads, int parts, const elem* x, long long x_stride,
                       const param* w, float l2_eps, const float* cos, const float* sin,
                       const float* rstd, const float* rnorm, const elem* dy, long long dy_stride, elem* dx,
                       long long dx_stride, float* partials) {
  __shared__ float sums[BLOCK / 32][HEAD_DIM];
  int team = threadIdx.x / TEAM;
  int step = gridDim.x * TEAMS;
  int count = n * heads;
  Part dw;
  each([&](int j, int k) {
    dw.first[j][k] = 0;
    dw.second[j][k] = 0;
  });
  RawPart next_in;
  RawPart next_upstream;
  float next_reciprocal = 0;
  float next_norm = 0;
  auto fetch = [&](const Place& at) {
    next_in.load(at.at(x, x_stride), at.active);
    next_upstream.load(at.at(dy, dy_stride), at.active);
    next_reciprocal = at.active ? rstd[at.index] : 0.f;
    next_norm = at.active && (parts & L2) ? rnorm[at.index] : 0.f;
  };
  fetch(Place(blockIdx.x * TEAMS + team, n, tokens, heads));
  for (int base = blockIdx.x * TEAMS; base < count; base += step) {
    Place here(base + team, n, tokens, heads);
    RawPart in = next_in;
    Part g;
    next_upstream.unpack(g);
    float reciprocal = next_reciprocal;
    float norm = next_norm;
    fetch(Place(base + team + step, n, tokens, heads));  // on its way while this head is worked on
    Angles angles;
    bool turned = (parts & ROTARY) && here.active;
    angles.load(cos + here.angles(), sin + here.angles(), turned);
    angles.rotate(g, -1.f);
    Part u;
    Part v;  // x^
    load_weights(w, u);
    in.unpack(v);
    float projection = 0;
    each([&](int j, int k) {
      v.first[j][k] *= reciprocal;
      v.second[j][k] *= reciprocal;
      projection = fmaf(u.first[j][k] * v.first[j][k], g.first[j][k], projection);
      projection = fmaf(u.second[j][k] * v.second[j][k], g.second[j][k], projection);
    });
    projection = warp_sum<TEAM>(projection);
    float mean = projection / HEAD_DIM;
    if (parts & L2) {
      float slope = norm * norm * norm * projection;
      mean = slope * l2_eps / HEAD_DIM;
      each([&](int j, int k) {
        float along = slope * angles.square(j, k);
        g.first[j][k] = fmaf(norm, g.first[j][k], -along * (u.first[j][k] * v.first[j][k]));
        g.second[j][k] = fmaf(norm, g.second[j][k], -along * (u.second[j][k] * v.second[j][k]));
      });
    }
    each([&](int j, int k) {
      dw.first[j][k] = fmaf(g.first[j][k], v.first[j][k], dw.first[j][k]);
      dw.second[j][k] = fmaf(g.second[j][k], v.second[j][k], dw.second[j][k]);
      g.first[j][k] = reciprocal * fmaf(g.first[j][k], u.first[j][k], -mean * v.first[j][k]);
      g.second[j][k] = reciprocal * fmaf(g.second[j][k], u.second[j][k], -mean * v.second[j][k]);
    });
    if (here.active) {
      store_part(here.at(dx, dx_stride), g);
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
    Angles turn;
    turn.load(cos + angles, sin + angles, true);
    turn.rotate(p, direction);
    store_part(at, p);
  }
}

// cos(p f_i) and sin(p f_i), each times `scaling`, at the positions p = *position + t of `tokens`
// rows, or with `each` p = position[t], from float64 angles.
extern "C" __global__ void __launch_bounds__(BLOCK)
    rotary_angles(int tokens, int half, const int* position, int each, const double* frequencies,
                  double scaling, float* cos_table, float* sin_table) {
  for (int i = blockIdx.x * BLOCK + threadIdx.x; i < tokens * half; i += gridDim.x * BLOCK) {
    int t = i / half;
    double angle = (double)(each ? position[t] : *position + t) * frequencies[i - t * half];
    double sine;
    double cosine;
    sincos(angle, &sine, &cosine);
    cos_table[i] = (float)(cosine * scaling);
    sin_table[i] = (float)(sine * scaling);
  }
}

// log_a(p + a) at the 1-based positions p = *position + t + 1, or position[t] + 1 (HypeNet, arXiv:2601.22156).
extern "C" __global__ void __launch_bounds__(BLOCK)
    length_scale(int tokens, const int* position, int each, double base, float* scale) {
  for (int t = blockIdx.x * BLOCK + threadIdx.x; t < tokens; t += gridDim.x * BLOCK) {
    int p = each ? position[t] : *position + t;
    scale[t] = (float)(log((double)(p + 1) + base) / log(base));
  }
}
