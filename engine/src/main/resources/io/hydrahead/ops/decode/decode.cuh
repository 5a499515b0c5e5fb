// What the parts of the decode kernel share: its arguments, the barrier of all blocks, small helpers.
//
// -DHIDDEN=D, -DHEADS=H, -DHEAD_DIM=d (16…128), -DMLP=F, -DGROUP: most query heads to a KV head.
#pragma once
#include "common.cuh"
#include "hopper.cuh"

#ifndef INFINITY
#define INFINITY __int_as_float(0x7f800000)
#endif
#ifndef GROUP
#define GROUP 2
#endif

constexpr int D = HEAD_DIM;
constexpr int WIDTH = HEADS * HEAD_DIM;
constexpr int WARPS = 8;                // that compute; one more copies
constexpr int THREADS = WARPS * 32;

// One layer's weights, caches and plan. Matrices bf16, vectors float32; packed as the model packs them: `in` holds the
// full heads' q, k, v, z and the linear heads' q, k, v, z, a, b, as far as there are any.
struct Layer {
  const bf16* in;
  const bf16* o;
  const bf16* gateUp;
  const bf16* down;
  const float* inputNorm;
  const float* postNorm;
  const float* fullQNorm;
  const float* fullKNorm;
  const float* zBias;
  const float* linearQNorm;
  const float* linearKNorm;
  const float* aLog;
  const float* dtBias;
  const float* gamma;      // may be null
  const int* fullPlaces;    // place of each full head among the H
  const int* order;         // full heads sorted by KV head
  const int* groupStart;    // [kvHeads + 1]: where a KV head's begin in `order`
  const int* linearPlaces;
  bf16* keys;               // [kvHeads, capacity, d]
  bf16* values;
  float* state;             // [linearHeads, d, d]
  int rows;                 // of `in`
  int kvHeads, fullHeads, linearHeads;
  int splits;               // most runs that the cache is cut into
  int fullQ, fullK, fullV, fullZ, linearQ, linearK, linearV, linearZ, linearA, linearB;
  int unused;
};

// What blocks tell each other goes through cells: a value and, in the same eight bytes, the number of
// the layer and launch that it belongs to. Who needs a value reads its cell until the number is
// right. There is no barrier and no fence, which would wait for all copies under way.
//
// A buffer of cells is written once a layer. Whoever overwrites a cell depends, through the others'
// results, on everybody who had to read it.
struct Step {
  const Layer* layers;
  const bf16* embedding;
  const bf16* lmHead;
  const float* finalNorm;
  const double* inverseFrequency;
  int* token;               // in: the id to read; out: the most likely next one
  int* position;            // tokens read so far; one more afterwards
  unsigned* epoch;          // number of the last layer of the launch before
  uint2* x;                 // [D] residual stream before a layer
  uint2* middle;            // [D] residual stream after its attention block
  uint2* projected;         // [largest rows]
  uint2* heads;             // [H·d] outputs in the original order
  uint2* gate;              // [H·d]
  uint2* partials;          // [full heads, splits, d + 2]: maximum, sum, Σ p v of a run
  uint2* activated;         // [F]
  uint2* best;              // [blocks, 2]: largest logit and its id
  float* logits;            // [V]
  long long capacity;       // tokens of the caches
  double rotaryScaling;
  int layerCount, vocabulary;
  int fullRotary, linearRotary, gated, normedHeads;
  int unused;
  float eps, betaMax, lengthBase;  // lengthBase 0: no length scale
};

// ----------------------------------------------------------------- cells

DEVICE void publish(uint2* cell, float v, unsigned epoch) {
  asm volatile("st.volatile.global.v2.u32 [%0], {%1, %2};" ::"l"(cell), "r"(__float_as_uint(v)),
               "r"(epoch)
               : "memory");
}

DEVICE void publish2(uint2* cells, float v, float w, unsigned epoch) {
  asm volatile("st.volatile.global.v4.u32 [%0], {%1, %2, %3, %2};" ::"l"(cells),
               "r"(__float_as_uint(v)), "r"(epoch), "r"(__float_as_uint(w))
               : "memory");
}

DEVICE void publish4(uint2* cells, float4 v, unsigned epoch) {
  publish2(cells, v.x, v.y, epoch);
  publish2(cells + 2, v.z, v.w, epoch);
}

DEVICE uint2 look(const uint2* cell) {
  uint2 r;
  asm volatile("ld.volatile.global.v2.u32 {%0, %1}, [%2];" : "=r"(r.x), "=r"(r.y) : "l"(cell) : "memory");
  return r;
}

// Two cells; `cells` is 16-byte aligned.
DEVICE uint4 look2(const uint2* cells) {
  uint4 r;
  asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(r.x), "=r"(r.y), "=r"(r.z), "=r"(r.w)
               : "l"(cells)
               : "memory");
  return r;
}

// Waits for one cell.
DEVICE void spin(const uint2* cell, unsigned epoch) {
  while (look(cell).y != epoch) {
    __nanosleep(20);
  }
}

// N neighbours of 4 cells each, `step` cells apart; those at or past `end` are zeros. All loads are
// under way together; where a number is not right yet, that one cell is watched before all are read
// again, as many readers would otherwise take the bandwidth that the weights need.
template <int N>
DEVICE void await4(const uint2* cells, int first, int step, int end, unsigned epoch, float4 (&v)[N]) {
  uint4 low[N];
  uint4 high[N];
  int missing;
  do {
    missing = -1;
#pragma unroll
    for (int n = 0; n < N; n++) {
      int at = first + n * step;
      if (at < end) {
        low[n] = look2(cells + at);
        high[n] = look2(cells + at + 2);
      } else {
        low[n] = high[n] = make_uint4(0, epoch, 0, epoch);
      }
    }
#pragma unroll
    for (int n = 0; n < N; n++) {
      int at = first + n * step;
      missing = low[n].y != epoch ? at : missing;
      missing = low[n].w != epoch ? at + 1 : missing;
      missing = high[n].y != epoch ? at + 2 : missing;
      missing = high[n].w != epoch ? at + 3 : missing;
    }
    if (missing >= 0) {
      spin(cells + missing, epoch);
    }
  } while (missing >= 0);
#pragma unroll
  for (int n = 0; n < N; n++) {
    v[n] = make_float4(__uint_as_float(low[n].x), __uint_as_float(low[n].z),
                       __uint_as_float(high[n].x), __uint_as_float(high[n].z));
  }
}

DEVICE float4 await4(const uint2* cells, unsigned epoch) {
  float4 v[1];
  await4(cells, 0, 4, 1, epoch, v);
  return v[0];
}

DEVICE float await(const uint2* cell, unsigned epoch) {
  uint2 r;
  do {
    r = look(cell);
  } while (r.y != epoch);
  return __uint_as_float(r.x);
}

// -----------------------------------------------------------------

DEVICE float4 fresh4(const float* p) { return __ldcg(reinterpret_cast<const float4*>(p)); }

DEVICE void add(float4& a, float4 b) {
  a = make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

DEVICE void unpack8(uint4 w, float (&v)[8]) {
  v[0] = low_bf16(w.x);
  v[1] = high_bf16(w.x);
  v[2] = low_bf16(w.y);
  v[3] = high_bf16(w.y);
  v[4] = low_bf16(w.z);
  v[5] = high_bf16(w.z);
  v[6] = low_bf16(w.w);
  v[7] = high_bf16(w.w);
}

// Of the warps that compute.
DEVICE void team_barrier() { hopper::namedBarrierSync(1, THREADS); }

// Over the warps that compute; `shared` holds one float a warp and may be used again right away.
DEVICE float team_sum(float v, float* shared) {
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) {
    shared[threadIdx.x / 32] = v;
  }
  team_barrier();
  float sum = 0.f;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    sum += shared[w];
  }
  team_barrier();
  return sum;
}

// Keys of the cache are cut into at most `splits` runs of whole stages of the ring (or of 64 keys),
// the same for every head.
constexpr int STAGE_KEYS = 8192 / D;

DEVICE int split_length(int keys, int splits) { return ceil_div(ceil_div(keys, splits), 64) * 64; }

// Runs that hold any of `keys` keys.
DEVICE int active_splits(int keys, int splits) { return ceil_div(keys, split_length(keys, splits)); }

// The run of the cache that one block reads; task = split · kvHeads + KV head.
struct Run {
  int kv, split;
  int first, end;    // keys that the cache holds
  bool newest;       // this block also sees the token itself
  bool empty;
  bf16* K;
  bf16* V;
};

DEVICE Run run_of(const Step& a, const Layer& l, int task, int position) {
  Run r;
  r.kv = task % l.kvHeads;
  r.split = task / l.kvHeads;
  int length = split_length(position + 1, l.splits);
  r.first = r.split * length;
  r.end = min(position, r.first + length);
  r.newest = r.first <= position && r.first + length > position;
  r.empty = r.first > position;
  r.K = l.keys + (long long)r.kv * a.capacity * D;
  r.V = l.values + (long long)r.kv * a.capacity * D;
  return r;
}
