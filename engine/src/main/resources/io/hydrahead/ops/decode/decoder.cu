// One token through the whole model in one launch: every block stays, and they meet at a barrier
// after each stage of a layer. Batch 1 is bound by reading the weights once; stream.cuh keeps the
// copies going through all barriers.
//
// A layer: P = in · norm(x); heads (full_heads.cuh, linear_heads.cuh); x += o · fuse(heads); a = SwiGLU(gateUp · norm(x));
// x += down · a. The residual stream and all vectors between are float32.
//
// Launch with one block a multiprocessor, all resident at once.
//
// nvrtc: -DHIDDEN=2048 -DHEADS=16 -DHEAD_DIM=128 -DMLP=6144 -DGROUP=2
// nvrtc: -DHIDDEN=384 -DHEADS=16 -DHEAD_DIM=32 -DMLP=1024 -DGROUP=4
#include "fuse.cuh"
#include "full_heads.cuh"
#include "linear_heads.cuh"
#include "stream.cuh"

// Vectors of a product in shared memory, in turns with what heads and fusion need.
union Scratch {
  Parts x;
  LinearShared linear;
  FullShared full;
};

struct Shared {
  Stream stream;
  Layer layers[2];
  Scratch scratch;
  float sums[2][TILE][WARPS + 1];
  float cosine[D / 2];
  float sine[D / 2];
  float reduce[WARPS];
  float2 best[WARPS];
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
  float4 w[NORM_CHUNKS];
};

DEVICE NormWeights fetch_norm(const float* w) {
  NormWeights n;
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    int k = c * FOURS + threadIdx.x * 4;
    n.w[c] = k < HIDDEN ? __ldg(reinterpret_cast<const float4*>(w + k))
                        : make_float4(0.f, 0.f, 0.f, 0.f);
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
  float scale = rsqrtf(team_sum(squares, m.reduce) / HIDDEN + eps);
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    int k = c * FOURS + threadIdx.x * 4;
    if (k < WIDEST) {
      keep4(make_float4(v[c].x * scale * n.w[c].x, v[c].y * scale * n.w[c].y,
                        v[c].z * scale * n.w[c].z, v[c].w * scale * n.w[c].w),
            k, m.scratch.x);
    }
  }
  team_barrier();
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
  team_barrier();
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

// One row of y, from what each warp has of a tile's row.
template <int PRODUCT>
DEVICE void finish_row(const float (*sums)[WARPS + 1], int r, int row, float* y, Best& best) {
  float sum = 0.f;
  float up = 0.f;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    sum += sums[r][w];
    up += PRODUCT == UP ? sums[r + TILE / 2][w] : 0.f;
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

// y = W x of this block's rows, x in shared memory. Warps share the columns of a chunk.
template <int PRODUCT>
DEVICE void multiply(Shared& m, Place& place, int rows, float* y, Best& best) {
  constexpr int K = columns_of(PRODUCT);
  constexpr int OUTPUTS = outputs_of(PRODUCT);
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int half = 0;
  for (int first = blockIdx.x * OUTPUTS; first < rows; first += gridDim.x * OUTPUTS) {
    float c[4] = {};
    for (int at = 0; at < K; at += CHUNK) {
      const bf16* w = receive(m.stream, place) + lane / 4 * PITCH + lane % 4 * 8;
#pragma unroll
      for (int u = warp * 32; u < CHUNK; u += WARPS * 32) {
        if (at + u < K) {
          uint4 x = make_uint4(0, 0, 0, 0);
          if (lane < 8) {
            x = *reinterpret_cast<const uint4*>(
                &m.scratch.x.part[lane / 4][at + u + lane % 4 * 8]);
          }
          mma32(c, *reinterpret_cast<const uint4*>(w + u),
                *reinterpret_cast<const uint4*>(w + 8 * PITCH + u), x);
        }
      }
      release(m.stream, place);
    }
    // The halves of `sums` take turns: who writes one has passed the barrier after the other's.
    if (lane % 4 == 0) {
      m.sums[half][lane / 4][warp] = c[0] + c[1];
      m.sums[half][lane / 4 + 8][warp] = c[2] + c[3];
    }
    team_barrier();
    int r = threadIdx.x;
    if (r < OUTPUTS && first + r < rows) {
      finish_row<PRODUCT>(m.sums[half], r, first + r, y, best);
    }
    half ^= 1;
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
// runs of the cache from the last. What is not of this token is read before
// the barrier.
DEVICE void mix(const Step& a, const Layer& l, int position, Shared& m, Place& place,
                unsigned& target) {
  int slices = l.linearHeads * SLICES;
  int task = blockIdx.x;
  StatePart part;
  if (task < slices) {
    part = fetch_state(l, task);
  }
  int runs = l.kvHeads * l.splits;
  int run = first_run();
  Run r;
  RunPart other;
  if (run < runs) {
    r = run_of(a, l, run, position);
    other = fetch_part(l, r);
  }
  grid_barrier(a.barrier, target);
  while (run < runs) {
    if (!r.empty) {
      attend(a, l, r, other, position, m.cosine, m.sine, m.stream, place, m.scratch.full);
    }
    run += gridDim.x;
    if (run < runs) {
      r = run_of(a, l, run, position);
      other = fetch_part(l, r);
    }
  }
  while (task < slices) {
    delta_step(a, l, task, part, m.cosine, m.sine, m.scratch.linear);
    task += gridDim.x;
    if (task < slices) {
      part = fetch_state(l, task);
    }
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
  team_barrier();
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

static_assert(sizeof(Shared) <= 227 * 1024, "more shared memory than a Hopper block has");

DEVICE void compute(const Step& a, Shared& m, int position) {
  unsigned target = __ldcg(a.barrier + 1);
  turn_to(a, position, m);
  const bf16* row = a.embedding + (long long)__ldcg(a.token) * HIDDEN;
  if (blockIdx.x == 0) {
    for (int k = threadIdx.x; k < HIDDEN; k += THREADS) {
      a.x[k] = to_float(row[k]);
    }
  }
  Place place;
  Best best;
  for (int i = 0; i < a.layerCount; i++) {
    // Other threads may still read the layer before, never the one before that.
    Layer& l = m.layers[i % 2];
    constexpr int WORDS = sizeof(Layer) / 4;
    if (threadIdx.x < WORDS) {
      reinterpret_cast<int*>(&l)[threadIdx.x] =
          reinterpret_cast<const int*>(a.layers + i)[threadIdx.x];
    }
    NormWeights n = fetch_norm(a.layers[i].inputNorm);
    grid_barrier(a.barrier, target);
    normalise(a.x, n, a.eps, m);
    multiply<IN>(m, place, l.rows, a.projected, best);
    mix(a, l, position, m, place, target);
    grid_barrier(a.barrier, target);
    fuse(a, m.scratch.x);
    multiply<OUT>(m, place, HIDDEN, a.x, best);
    n = fetch_norm(l.postNorm);
    grid_barrier(a.barrier, target);
    normalise(a.x, n, a.eps, m);
    multiply<UP>(m, place, MLP, a.activated, best);
    grid_barrier(a.barrier, target);
    copy_x<MLP>(a.activated, m);
    multiply<DOWN>(m, place, HIDDEN, a.x, best);
  }
  NormWeights n = fetch_norm(a.finalNorm);
  grid_barrier(a.barrier, target);
  normalise(a.x, n, a.eps, m);
  multiply<LOGITS>(m, place, a.vocabulary, a.logits, best);
  choose(a, best, m, target, position);
}

extern "C" __global__ void __launch_bounds__(THREADS + 32, 1)
    decode(const __grid_constant__ Step a) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) unsigned char memory[];
  Shared& m = *reinterpret_cast<Shared*>(memory);
  if (threadIdx.x == 0) {
    open_stream(m.stream);
  }
  int position = __ldcg(a.position);
  __syncthreads();
  if (threadIdx.x >= THREADS) {
    send_all(a, m.stream, position);
  } else {
    compute(a, m, position);
  }
#endif
}

