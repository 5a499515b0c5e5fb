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

// One layer's weights, caches and plan. Matrices bf16, vectors float32; `in` holds the full heads' q,
// k, v, z and the linear heads' q, k, v, z, a, b, as far as there are any.
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
  const float* gamma;       // may be null
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

// Buffers of float32 unless said otherwise.
struct Step {
  const Layer* layers;
  const bf16* embedding;
  const bf16* lmHead;
  const float* finalNorm;
  const double* inverseFrequency;
  int* token;               // in: the id to read; out: the most likely next one
  int* position;            // tokens read so far; one more afterwards
  float* x;                 // [D] residual stream
  float* projected;         // [largest rows]
  float* heads;             // [H·d] outputs in the original order
  float* gate;              // [H·d]
  float* partials;          // [full heads, splits, d + 4]
  float* activated;         // [F]
  float* logits;            // [V]
  float2* best;             // [blocks]
  unsigned* arrivals;       // [kvHeads] zeros: runs that are done
  unsigned* barrier;        // [2] zeros at first: arrivals, and those of all launches before
  long long capacity;       // tokens of the caches
  double rotaryScaling;
  int layerCount, vocabulary;
  int fullRotary, linearRotary, gated, normedHeads;
  int unused;
  float eps, betaMax, lengthBase;  // lengthBase 0: no length scale
};

DEVICE float fresh(const float* p) { return __ldcg(p); }

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

// Waits for all blocks; what they wrote before is visible afterwards (past the first-level cache).
DEVICE void grid_barrier(unsigned* arrived, unsigned& target) {
  team_barrier();
  target += gridDim.x;
  if (threadIdx.x == 0) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(arrived) : "memory");
    unsigned seen;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(arrived) : "memory");
    } while ((int)(seen - target) < 0);
  }
  team_barrier();
}

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
