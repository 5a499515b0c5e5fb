// One token through the whole model in one launch: every block stays, and they meet at a barrier
// after each stage of a layer. Batch 1 is bound by reading the weights once; weights.cuh keeps their
// copies going through all barriers.
//
// A layer: P = in · norm(x); heads (heads.cuh); x += o · fuse(heads); a = SwiGLU(gateUp · norm(x));
// x += down · a. The residual stream and all vectors between are float32.
//
// Launch with one block a multiprocessor, all resident at once (cooperatively).
#include "fuse.cuh"
#include "heads.cuh"
#include "weights.cuh"

constexpr int BATCH = 8;  // groups of rows whose parts wait for one barrier

// Vectors of a product in shared memory, in turns with what heads and fusion need.
union Scratch {
  Parts x;
  LinearShared linear;
  FullShared full;
};

struct Shared {
  uint4 ring[STAGES][COPIES][THREADS];
  Scratch scratch;
  union {
    FuseShared fuse;
    float sums[BATCH][16][WARPS + 1];
  };
  float cosine[D / 2];
  float sine[D / 2];
  float reduce[WARPS];
  float2 best[WARPS];
  Cursor cursors[WARPS];
};

constexpr int FOURS = THREADS * 4;  // elements that the block loads at a time

// Four values of x, zeros past the end.
template <int COLUMNS>
DEVICE float4 some4(const float* x, int k) {
  return k < COLUMNS ? fresh4(x + k) : make_float4(0.f, 0.f, 0.f, 0.f);
}

// The weights of the norm, asked for before the barrier.
constexpr int NORM_CHUNKS = (HIDDEN + FOURS - 1) / FOURS;

struct NormWeights {
  uint2 w[NORM_CHUNKS];
};

DEVICE NormWeights fetch_norm(const elem* w) {
  NormWeights n;
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    int k = c * FOURS + threadIdx.x * 4;
    n.w[c] = k < HIDDEN ? __ldg(reinterpret_cast<const uint2*>(w + k)) : make_uint2(0, 0);
  }
  return n;
}

// norm(x) · w into shared memory.
DEVICE void normalise(const float* x, const NormWeights& n, float eps, Shared& m) {
  float4 v[NORM_CHUNKS];
  float squares = 0.f;
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    v[c] = some4<HIDDEN>(x, c * FOURS + threadIdx.x * 4);
    squares += v[c].x * v[c].x + v[c].y * v[c].y + v[c].z * v[c].z + v[c].w * v[c].w;
  }
  float scale = rsqrtf(block_sum(squares, m.reduce) / HIDDEN + eps);
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    int k = c * FOURS + threadIdx.x * 4;
    if (k < WIDEST) {
      keep4(make_float4(v[c].x * scale * low_bf16(n.w[c].x), v[c].y * scale * high_bf16(n.w[c].x),
                        v[c].z * scale * low_bf16(n.w[c].y), v[c].w * scale * high_bf16(n.w[c].y)),
            k, m.scratch.x);
    }
  }
  __syncthreads();
}

template <int COLUMNS>
DEVICE void copy_x(const float* x, Shared& m) {
  constexpr int CHUNKS = (COLUMNS + FOURS - 1) / FOURS;
  float4 v[CHUNKS];
#pragma unroll
  for (int c = 0; c < CHUNKS; c++) {
    v[c] = some4<COLUMNS>(x, c * FOURS + threadIdx.x * 4);
  }
#pragma unroll
  for (int c = 0; c < CHUNKS; c++) {
    int k = c * FOURS + threadIdx.x * 4;
    if (k < WIDEST) {
      keep4(v[c], k, m.scratch.x);
    }
  }
  __syncthreads();
}

// Largest logit that a lane has seen.
struct Best {
  float value = -INFINITY;
  int id = 0x7fffffff;
};

DEVICE void better(Best& b, float value, int id) {
  if (value > b.value || (value == b.value && id < b.id)) {
    b.value = value;
    b.id = id;
  }
}

// Adds up what the warps of a split have of a batch's rows, and stores them.
template <int PRODUCT>
DEVICE void finish_rows(int turn, int first, int rows, float* y, Shared& m, Best& best) {
  constexpr int SPLIT = split_of(PRODUCT);
  constexpr int OUTPUTS = outputs_of(PRODUCT);
  constexpr int TEAMS = WARPS / SPLIT;
  for (int i = threadIdx.x; i < turn * TEAMS * OUTPUTS; i += THREADS) {
    int team = i / OUTPUTS % TEAMS;
    int nth = i / OUTPUTS / TEAMS;
    int r = i % OUTPUTS;
    int row = (first + gridDim.x * (nth * TEAMS + team)) * OUTPUTS + r;
    if (row >= rows) {
      continue;
    }
    float sum = 0.f;
    float up = 0.f;
#pragma unroll
    for (int w = 0; w < SPLIT; w++) {
      sum += m.sums[nth][r][team * SPLIT + w];
      if (PRODUCT == UP) {
        up += m.sums[nth][r + 8][team * SPLIT + w];
      }
    }
    if constexpr (PRODUCT == UP) {
      y[row] = sum * sigmoid(sum) * up;
    } else if constexpr (PRODUCT == OUT || PRODUCT == DOWN) {
      y[row] = fresh(y + row) + sum;
    } else {
      y[row] = sum;
      if constexpr (PRODUCT == LOGITS) {
        better(best, sum, row);
      }
    }
  }
}

// y = W x of this block's rows, x in shared memory. Warps of a team share the columns; each team
// takes every TEAMS-th group of rows.
template <int PRODUCT>
DEVICE void multiply(const Step& a, Shared& m, unsigned ring, int& slot, int rows,
                     float* y, Best& best) {
  constexpr int SPLIT = split_of(PRODUCT);
  constexpr int TEAMS = WARPS / SPLIT;
  constexpr int TILES = (tiles_of(PRODUCT) + SPLIT - 1) / SPLIT;  // of a warp, the last may be none
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int groups = ceil_div(rows, outputs_of(PRODUCT));
  uint4 x[TILES][COPIES / 2];
#pragma unroll
  for (int t = 0; t < TILES; t++) {
    int tile = warp % SPLIT + t * SPLIT;
#pragma unroll
    for (int j = 0; j < COPIES / 2; j++) {
      x[t][j] = make_uint4(0, 0, 0, 0);
      if (lane < 8 && tile < tiles_of(PRODUCT)) {
        x[t][j] = *reinterpret_cast<const uint4*>(
            &m.scratch.x.part[lane / 4][tile * TILE + j * 32 + lane % 4 * 8]);
      }
    }
  }
  for (int first = blockIdx.x; first < groups; first += gridDim.x * TEAMS * BATCH) {
    int turn = 0;
    for (; turn < BATCH && first + gridDim.x * turn * TEAMS < groups; turn++) {
      int group = first + gridDim.x * (turn * TEAMS + warp / SPLIT);
      float c[4] = {};
      if (group < groups) {
#pragma unroll
        for (int t = 0; t < TILES; t++) {
          if (warp % SPLIT + t * SPLIT < tiles_of(PRODUCT)) {
            wait_copies<STAGES - 1>();
#pragma unroll
            for (int j = 0; j < COPIES / 2; j++) {
              mma32(c, m.ring[slot][2 * j][threadIdx.x], m.ring[slot][2 * j + 1][threadIdx.x],
                    x[t][j]);
            }
            copy_next(m.cursors[warp], a, ring, slot);
            slot = slot + 1 == STAGES ? 0 : slot + 1;
          }
        }
      }
      if (lane % 4 == 0) {
        m.sums[turn][lane / 4][warp] = c[0] + c[1];
        m.sums[turn][lane / 4 + 8][warp] = c[2] + c[3];
      }
    }
    __syncthreads();
    finish_rows<PRODUCT>(turn, first, rows, y, m, best);
    if (PRODUCT == LOGITS) {
      __syncthreads();
    }
  }
}

// Rotary angles of this position, in float64 before rounding.
DEVICE void turn_to(const Step& a, int position, Shared& m) {
  for (int i = threadIdx.x; i < D / 2; i += THREADS) {
    double s;
    double c;
    sincos(position * a.inverseFrequency[i], &s, &c);
    m.cosine[i] = (float)(c * a.rotaryScaling);
    m.sine[i] = (float)(s * a.rotaryScaling);
  }
}

// All heads of a layer, shared out among the blocks: slices of linear heads from the first block on,
// runs of the cache from the last. What needs nothing of this token is read before the barrier.
DEVICE void mix(const Step& a, const Layer& l, int position, Shared& m, unsigned& target) {
  int slices = l.linearHeads * SLICES;
  int runs = l.kvHeads * l.splits;
  int task = blockIdx.x;
  int run = gridDim.x - 1 - blockIdx.x;
  StatePart part;
  Tile tile;
  Run mine;
  bool linear = task < slices;
  bool full = false;
  if (linear) {
    part = fetch_state(l, task);
  }
  if (run < runs) {
    mine = run_of(a, l, run, position);
    full = !mine.empty;
    if (full) {
      fetch_first(tile, mine);
    }
  }
  grid_barrier(a.barrier, target);
  if (full) {
    attend(a, l, mine, tile, position, m.cosine, m.sine, m.scratch.full);
  }
  for (run += gridDim.x; run < runs; run += gridDim.x) {
    mine = run_of(a, l, run, position);
    if (!mine.empty) {
      fetch_first(tile, mine);
      attend(a, l, mine, tile, position, m.cosine, m.sine, m.scratch.full);
    }
  }
  if (linear) {
    delta_step(a, l, task, part, m.cosine, m.sine, m.scratch.linear);
  }
  for (task += gridDim.x; task < slices; task += gridDim.x) {
    delta_step(a, l, task, fetch_state(l, task), m.cosine, m.sine, m.scratch.linear);
  }
}

// The best of all blocks becomes the next token; everything is ready for it.
DEVICE void choose(const Step& a, Best best, Shared& m, unsigned& target, int position) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    float value = __shfl_xor_sync(FULL_WARP, best.value, step);
    int id = __shfl_xor_sync(FULL_WARP, best.id, step);
    better(best, value, id);
  }
  if (lane == 0) {
    m.best[warp] = make_float2(best.value, __int_as_float(best.id));
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int w = 1; w < WARPS; w++) {
      better(best, m.best[w].x, __float_as_int(m.best[w].y));
    }
    a.best[blockIdx.x] = make_float2(best.value, __int_as_float(best.id));
  }
  grid_barrier(a.barrier, target);
  if (blockIdx.x == 0 && warp == 0) {
    best = Best();
    for (int b = lane; b < gridDim.x; b += 32) {
      float2 v = __ldcg(a.best + b);
      better(best, v.x, __float_as_int(v.y));
    }
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      float value = __shfl_xor_sync(FULL_WARP, best.value, step);
      int id = __shfl_xor_sync(FULL_WARP, best.id, step);
      better(best, value, id);
    }
    if (lane == 0) {
      *a.token = best.id;
      *a.position = position + 1;
      a.barrier[1] = target;
    }
  }
}

extern "C" __global__ void __launch_bounds__(THREADS, 1) decode(const __grid_constant__ Step a) {
  extern __shared__ uint4 memory[];
  Shared& m = *reinterpret_cast<Shared*>(memory);
  unsigned ring = (unsigned)__cvta_generic_to_shared(&m.ring[0][0][0]);
  unsigned target = __ldcg(a.barrier + 1);
  int slot = 0;
  start(m.cursors[threadIdx.x / 32], a);
  for (int s = 0; s < STAGES; s++) {
    copy_next(m.cursors[threadIdx.x / 32], a, ring, s);
  }
  int position = __ldcg(a.position);
  turn_to(a, position, m);
  const bf16* row = a.embedding + (long long)__ldcg(a.token) * HIDDEN;
  if (blockIdx.x == 0) {
    for (int k = threadIdx.x; k < HIDDEN; k += THREADS) {
      a.x[k] = to_float(row[k]);
    }
  }
  Best best;
  for (int i = 0; i < a.layerCount; i++) {
    const Layer& l = a.layers[i];
    NormWeights n = fetch_norm(l.inputNorm);
    grid_barrier(a.barrier, target);
    normalise(a.x, n, a.eps, m);
    multiply<IN>(a, m, ring, slot, l.rows, a.projected, best);
    mix(a, l, position, m, target);
    grid_barrier(a.barrier, target);
    fuse(a, l, position, m.scratch.x, m.fuse);
    __syncthreads();
    multiply<OUT>(a, m, ring, slot, HIDDEN, a.x, best);
    n = fetch_norm(l.postNorm);
    grid_barrier(a.barrier, target);
    normalise(a.x, n, a.eps, m);
    multiply<UP>(a, m, ring, slot, MLP, a.activated, best);
    grid_barrier(a.barrier, target);
    copy_x<MLP>(a.activated, m);
    multiply<DOWN>(a, m, ring, slot, HIDDEN, a.x, best);
  }
  NormWeights n = fetch_norm(a.finalNorm);
  grid_barrier(a.barrier, target);
  normalise(a.x, n, a.eps, m);
  multiply<LOGITS>(a, m, ring, slot, a.vocabulary, a.logits, best);
  choose(a, best, m, target, position);
}

// Bytes of dynamic shared memory that `decode` needs.
extern "C" __device__ const int sharedBytes = sizeof(Shared);
