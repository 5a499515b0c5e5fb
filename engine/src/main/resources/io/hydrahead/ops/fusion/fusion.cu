// The scale-normalised fusion: out_h = gamma_h * (o_h * rsqrt(mean(o_h^2) + eps)) * sigmoid(z_h +
// bias_h), written at the head's place in the original order; each part is a switch. A team of lanes
// owns one head of one row; a block has the lanes of up to TILE heads (blockIdx.y picks them) of
// several rows, so that what a lane sums over rows always belongs to the same columns.
//
// -DHEAD_DIM=<d> -DALIGNED=<whether all rows and the bias start at multiples of 16 bytes>
//
// nvrtc: -DBF16=1 -DHEAD_DIM=128
// nvrtc: -DBF16=1 -DHEAD_DIM=32
// nvrtc: -DBF16=0 -DHEAD_DIM=33 -DALIGNED=0
#include "common.cuh"

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int BLOCK = 256;
constexpr int V = ALIGNED && HEAD_DIM % VECTOR<elem> == 0 ? VECTOR<elem> : 1;
constexpr int VECTORS = HEAD_DIM / V;

constexpr int TEAM = warp_team(VECTORS);
constexpr int TEAMS = BLOCK / TEAM;
constexpr int COUNT = (VECTORS + TEAM - 1) / TEAM;

// What is on.
constexpr int NORM = 1;
constexpr int GAMMA = 2;
constexpr int GATE = 4;

// Where a team works. `places` are the heads' places in the original order.
struct Place {
  int tile;      // heads of this block
  int rows;      // rows of a block at a time
  int row;       // of this team among them
  int head;      // among the heads of this kind
  bool busy;     // teams left over when the heads do not divide a block have nothing to do

  DEVICE explicit Place(int heads) {
    int first = blockIdx.y * TEAMS;
    tile = heads - first < TEAMS ? heads - first : TEAMS;
    rows = TEAMS / tile;
    int team = threadIdx.x / TEAM;
    row = team / tile;
    head = first + team % tile;
    busy = row < rows;
  }
};

DEVICE int column(int i) { return (i * TEAM + threadIdx.x % TEAM) * V; }

DEVICE bool inside(int i) { return VECTORS % TEAM == 0 || i * TEAM + threadIdx.x % TEAM < VECTORS; }

DEVICE void read(const elem* head, bool active, Raw<elem, V> (&to)[COUNT]) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
    if (active && inside(i)) {
      to[i].load(head + column(i));
    } else {
      to[i].clear();
    }
  }
}

DEVICE void load_bias(const param* bias, int head, float (&to)[COUNT][V]) {
#pragma unroll
  for (int i = 0; i < COUNT; i++) {
#pragma unroll
    for (int k = 0; k < V; k++) {
      to[i][k] = 0;
    }
    if (bias != nullptr && inside(i)) {
      load(bias + head * HEAD_DIM + column(i), to[i]);
    }
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK)
    head_fusion_forward(int n, int heads, int parts, float eps, const int* places, const elem* o,
                        long long o_stride, const elem* z, long long z_stride, const param* bias,
                        const float* gamma, elem* out, long long out_stride, float* rstd) {
  start_next();
  wait_for_previous();
  Place at(heads);
  int place = places[at.head];
  float biases[COUNT][V];
  load_bias(bias, at.head, biases);
  float strength = parts & GAMMA ? gamma[place] : 1.f;
  for (int base = blockIdx.x * at.rows; base < n; base += gridDim.x * at.rows) {
    int row = base + at.row;
    bool active = at.busy && row < n;
    Raw<elem, V> in[COUNT];
    Raw<elem, V> gates[COUNT];
    read(o + row * o_stride + at.head * HEAD_DIM, active, in);
    read(z + row * z_stride + at.head * HEAD_DIM, active && (parts & GATE), gates);
    float scale = 1.f;
    if (parts & NORM) {
      float squares = 0;
#pragma unroll
      for (int i = 0; i < COUNT; i++) {
        float v[V];
        in[i].unpack(v);
#pragma unroll
        for (int k = 0; k < V; k++) {
          squares = fmaf(v[k], v[k], squares);
        }
      }
      scale = rsqrtf(warp_sum<TEAM>(squares) / HEAD_DIM + eps);
      if (rstd != nullptr && active && threadIdx.x % TEAM == 0) {
        rstd[row * heads + at.head] = scale;
      }
    }
    scale *= strength;
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      if (active && inside(i)) {
        float v[V];
        float u[V];
        in[i].unpack(v);
        gates[i].unpack(u);
#pragma unroll
        for (int k = 0; k < V; k++) {
          v[k] *= parts & GATE ? scale * sigmoid(u[k] + biases[i][k]) : scale;
        }
        store(out + row * out_stride + place * HEAD_DIM + column(i), v);
      }
    }
  }
}

// With o^ = o * rstd and s = sigmoid(z + b): dgamma = sum of dout o^ s, dz = gamma dout o^ s (1 - s),
// do^ = gamma dout s and do = rstd * (do^ - o^ mean(do^ o^)). The block's sums over rows go to
// partials[blockIdx.x]: heads * HEAD_DIM of dz, then `heads` of dgamma.
extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    head_fusion_backward(int n, int heads, int parts, const int* places, const elem* o,
                         long long o_stride, const elem* z, long long z_stride, const param* bias,
                         const float* gamma, const float* rstd, const elem* dout,
                         long long dout_stride, elem* d_o, long long d_o_stride, elem* dz,
                         long long dz_stride, float* partials) {
  __shared__ float sums[BLOCK][V + 1];
  Place at(heads);
  int place = places[at.head];
  float biases[COUNT][V];
  load_bias(bias, at.head, biases);
  float strength = parts & GAMMA ? gamma[place] : 1.f;
  float d_bias[COUNT][V] = {};
  float d_gamma = 0;
  for (int base = blockIdx.x * at.rows; base < n; base += gridDim.x * at.rows) {
    int row = base + at.row;
    bool active = at.busy && row < n;
    Raw<elem, V> in[COUNT];
    Raw<elem, V> gates[COUNT];
    Raw<elem, V> upstream[COUNT];
    read(o + row * o_stride + at.head * HEAD_DIM, active, in);
    read(z + row * z_stride + at.head * HEAD_DIM, active && (parts & GATE), gates);
    read(dout + row * dout_stride + place * HEAD_DIM, active, upstream);
    float reciprocal = (parts & NORM) && active ? rstd[row * heads + at.head] : 1.f;
    float dot = 0;  // dout . (o^ s)
    float passed[COUNT][V];  // dout s
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      float v[V];
      float u[V];
      float g[V];
      in[i].unpack(v);
      gates[i].unpack(u);
      upstream[i].unpack(g);
#pragma unroll
      for (int k = 0; k < V; k++) {
        v[k] *= reciprocal;
        float s = parts & GATE ? sigmoid(u[k] + biases[i][k]) : 1.f;
        passed[i][k] = g[k] * s;
        float product = passed[i][k] * v[k];
        dot += product;
        u[k] = strength * product * (1.f - s);
        d_bias[i][k] += u[k];
      }
      if ((parts & GATE) && active && inside(i)) {
        store(dz + row * dz_stride + at.head * HEAD_DIM + column(i), u);
      }
    }
    dot = warp_sum<TEAM>(dot);
    d_gamma += dot;
    float mean = parts & NORM ? dot / HEAD_DIM : 0.f;
    float factor = strength * reciprocal;
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
      if (active && inside(i)) {
        float v[V];
        in[i].unpack(v);
#pragma unroll
        for (int k = 0; k < V; k++) {
          v[k] = factor * fmaf(-mean * reciprocal, v[k], passed[i][k]);
        }
        store(d_o + row * d_o_stride + at.head * HEAD_DIM + column(i), v);
      }
    }
  }
  // Teams of the same head, row after row.
  float* to = partials + (long long)blockIdx.x * heads * (HEAD_DIM + 1);
  for (int i = 0; i < COUNT; i++) {
#pragma unroll
    for (int k = 0; k < V; k++) {
      sums[threadIdx.x][k] = d_bias[i][k];
    }
    sums[threadIdx.x][V] = d_gamma;
    __syncthreads();
    if (at.busy && at.row == 0) {
      if (inside(i)) {
#pragma unroll
        for (int k = 0; k < V; k++) {
          float sum = 0;
          for (int r = 0; r < at.rows; r++) {
            sum += sums[threadIdx.x + r * at.tile * TEAM][k];
          }
          to[at.head * HEAD_DIM + column(i) + k] = sum;
        }
      }
      if (i == 0 && threadIdx.x % TEAM == 0) {
        float sum = 0;
        for (int r = 0; r < at.rows; r++) {
          sum += sums[threadIdx.x + r * at.tile * TEAM][V];
        }
        to[heads * HEAD_DIM + at.head] = sum;
      }
    }
    __syncthreads();
  }
}

// dbias and, for these heads, dgamma (unless null) += the partial sums of all blocks.
extern "C" __global__ void __launch_bounds__(1024)
    head_fusion_parameters(const float* partials, int slices, int heads, const int* places,
                           float* dbias, float* dgamma) {
  int gammas = heads * HEAD_DIM;  // where they begin
  int n = gammas + heads;
  add_slices_to(partials, slices, n, n, [&](int i) -> float* {
    if (i < gammas) {
      return dbias == nullptr ? nullptr : dbias + i;
    }
    return dgamma == nullptr ? nullptr : dgamma + places[i - gammas];
  });
}
