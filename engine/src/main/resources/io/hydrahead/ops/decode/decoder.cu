// One token through the whole model in one launch. Batch 1 is bound by reading the weights once;
// stream.cuh keeps their copies going while blocks wait for each other's results (decode.cuh).
//
// A layer: P = in · norm(x); heads (heads.cuh); x += o · fuse(heads); a = SwiGLU(gateUp · norm(x));
// x += down · a. The residual stream and all vectors between are float32.
//
// Launch with one block a multiprocessor, all resident at once (cooperatively).
#include "fuse.cuh"
#include "heads.cuh"
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
DEVICE void normalise(const float4 (&x)[NORM_CHUNKS], const NormWeights& n, float eps, Shared& m) {
  float squares = 0.f;
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    squares += x[c].x * x[c].x + x[c].y * x[c].y + x[c].z * x[c].z + x[c].w * x[c].w;
  }
  float scale = rsqrtf(team_sum(squares, m.reduce) / HIDDEN + eps);
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    int k = c * FOURS + threadIdx.x * 4;
    if (k < WIDEST) {
      keep4(make_float4(x[c].x * scale * n.w[c].x, x[c].y * scale * n.w[c].y,
                        x[c].z * scale * n.w[c].z, x[c].w * scale * n.w[c].w),
            k, m.scratch.x);
    }
  }
  team_barrier();
}

DEVICE void normalise(const uint2* cells, unsigned epoch, const NormWeights& n, float eps,
                      Shared& m) {
  float4 x[NORM_CHUNKS];
  await4(cells, threadIdx.x * 4, FOURS, HIDDEN, epoch, x);
  normalise(x, n, eps, m);
}

// The first layer's input: the token's row of the embedding.
DEVICE void normalise(const bf16* row, const NormWeights& n, float eps, Shared& m) {
  float4 x[NORM_CHUNKS];
#pragma unroll
  for (int c = 0; c < NORM_CHUNKS; c++) {
    int k = c * FOURS + threadIdx.x * 4;
    float v[4] = {};
    if (k < HIDDEN) {
      load(row + k, v);
    }
    x[c] = make_float4(v[0], v[1], v[2], v[3]);
  }
  normalise(x, n, eps, m);
}

DEVICE void await_x(const uint2* cells, unsigned epoch, Shared& m) {
  constexpr int CHUNKS = (MLP + FOURS - 1) / FOURS;
  float4 v[CHUNKS];
  await4(cells, threadIdx.x * 4, FOURS, MLP, epoch, v);
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

// Where the results of a product go, and the residual that they are added to.
struct Target {
  uint2* cells;
  unsigned epoch;
  const uint2* residual;    // cells that this block has seen already, or
  const bf16* embedding;    // the token's row
  float* logits;
};

// One row of y, from what each warp has of a tile's row.
template <int PRODUCT>
DEVICE void finish_row(const float (*sums)[WARPS + 1], int r, int row, const Target& y, Best& best) {
  float sum = 0.f;
  float up = 0.f;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    sum += sums[r][w];
    up += PRODUCT == UP ? sums[r + TILE / 2][w] : 0.f;
  }
  if constexpr (PRODUCT == LOGITS) {
    y.logits[row] = sum;
    better(best, sum, row);
  } else {
    if constexpr (PRODUCT == UP) {
      sum *= sigmoid(sum) * up;
    } else if constexpr (PRODUCT == OUT || PRODUCT == DOWN) {
      sum += y.embedding ? to_float(y.embedding[row]) : __uint_as_float(look(y.residual + row).x);
    }
    publish(y.cells + row, sum, y.epoch);
  }
}

// y = W x of this block's rows, x in shared memory. Warps share the columns of a chunk.
template <int PRODUCT>
DEVICE void multiply(Shared& m, Place& place, int rows, const Target& y, Best& best) {
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
// runs of the cache from the last; some blocks then put the runs of a full head together. What is not
// of this token is read before anything is waited for.
DEVICE void mix(const Step& a, const Layer& l, unsigned epoch, int position, Shared& m,
                Place& place) {
  int slices = l.linearHeads * SLICES;
  int task = blockIdx.x;
  StatePart part;
  if (task < slices) {
    part = fetch_state(l, task);
  }
  int runs = l.kvHeads * l.splits;
  for (int run = first_run(); run < runs; run += gridDim.x) {
    Run r = run_of(a, l, run, position);
    if (!r.empty) {
      attend(a, l, epoch, r, fetch_part(l, r), position, m.cosine, m.sine, m.stream, place,
             m.scratch.full);
    }
  }
  while (task < slices) {
    delta_step(a, l, epoch, task, part, m.cosine, m.sine, m.scratch.linear);
    task += gridDim.x;
    if (task < slices) {
      part = fetch_state(l, task);
    }
  }
  int active = runs > 0 ? active_splits(position + 1, l.splits) : 0;
  for (int head = (blockIdx.x + gridDim.x / 2) % gridDim.x; head < l.fullHeads; head += gridDim.x) {
    combine(a, l, epoch, head, active, m.scratch.full);
  }
}

DEVICE void better_of_warp(Best& b) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    float value = __shfl_xor_sync(FULL_WARP, b.value, step);
    int id = __shfl_xor_sync(FULL_WARP, b.id, step);
    better(b, value, id);
  }
}

// The best of all blocks becomes the next token; everything is ready for it.
DEVICE void choose(const Step& a, Best best, unsigned epoch, int position, Shared& m) {
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  better_of_warp(best);
  if (lane == 0) {
    m.best[warp] = make_float2(best.value, __int_as_float(best.id));
  }
  team_barrier();
  if (threadIdx.x == 0) {
    for (int w = 1; w < WARPS; w++) {
      better(best, m.best[w].x, __float_as_int(m.best[w].y));
    }
    publish2(a.best + 2 * blockIdx.x, best.value, __int_as_float(best.id), epoch);
  }
  if (blockIdx.x == 0 && warp == 0) {
    best = Best();
    for (int b = lane; b < gridDim.x; b += 32) {
      uint4 seen;
      do {
        seen = look2(a.best + 2 * b);
      } while (seen.y != epoch || seen.w != epoch);
      better(best, __uint_as_float(seen.x), (int)seen.z);
    }
    better_of_warp(best);
    if (lane == 0) {
      *a.token = best.id;
      *a.position = position + 1;
      *a.epoch = epoch;
    }
  }
}

DEVICE void compute(const Step& a, Shared& m, int position) {
  unsigned epoch = __ldcg(a.epoch);
  turn_to(a, position, m);
  const bf16* row = a.embedding + (long long)__ldcg(a.token) * HIDDEN;
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
    if (i == 0) {
      normalise(row, n, a.eps, m);
    } else {
      normalise(a.x, epoch, n, a.eps, m);
    }
    epoch++;
    multiply<IN>(m, place, l.rows, {a.projected, epoch}, best);
    mix(a, l, epoch, position, m, place);
    fuse(a, epoch, m.scratch.x);
    multiply<OUT>(m, place, HIDDEN, {a.middle, epoch, a.x, i == 0 ? row : nullptr}, best);
    n = fetch_norm(l.postNorm);
    normalise(a.middle, epoch, n, a.eps, m);
    multiply<UP>(m, place, MLP, {a.activated, epoch}, best);
    await_x(a.activated, epoch, m);
    multiply<DOWN>(m, place, HIDDEN, {a.x, epoch, a.middle}, best);
  }
  NormWeights n = fetch_norm(a.finalNorm);
  normalise(a.x, epoch, n, a.eps, m);
  multiply<LOGITS>(m, place, a.vocabulary, {nullptr, 0, nullptr, nullptr, a.logits}, best);
  choose(a, best, epoch, position, m);
}

extern "C" __global__ void __launch_bounds__(THREADS + 32, 1)
    decode(const __grid_constant__ Step a) {
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
}

// Bytes of dynamic shared memory that `decode` needs.
extern "C" __device__ const int sharedBytes = sizeof(Shared);
