// What the kernels of a decode step share: their arguments and small helpers.
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
  const bf16* embedding;
  const bf16* lmHead;
  const float* finalNorm;
  const double* inverseFrequency;
  int* token;               // in: the id to read; out: the most likely next one
  int* position;            // tokens read so far; one more afterwards
  float* angles;            // [d] cosines, then sines of this position
  float* x;                 // [D] residual stream
  float* projected;         // [largest rows]
  float* heads;             // [H·d] outputs times their gates, in the original order
  float* squares;           // [H, SLICES] parts of a head's Σ o², before the gate
  float* partials;          // [full heads, splits, d + 4]
  bf16* activated;          // [2, F] high and low parts
  float* logits;            // [V]
  float2* best;             // [blocks of the last product]
  unsigned* arrivals;       // [kvHeads] zeros: runs that are done
  long long capacity;       // tokens of the caches
  double rotaryScaling;
  int vocabulary;
  int fullRotary, linearRotary, gated, normedHeads;
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

constexpr int SLICE = D < 32 ? D : 32;  // value columns of a linear head that a block takes
constexpr int SLICES = D / SLICE;

// Keys of the cache are cut into at most `splits` runs of whole stages of the ring (or of 64 keys),
// the same for every head, none shorter than all warps can share.
constexpr int STAGE_KEYS = 8192 / D;
constexpr int LEAST_RUN = 128;

DEVICE int split_length(int keys, int splits) {
  return max(LEAST_RUN, ceil_div(ceil_div(keys, splits), 64) * 64);
}

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

// Whether full heads are left in so few runs that who needs them puts them together; otherwise the
// last of a KV head's blocks does.
constexpr int MOST_PARTS = 80;

DEVICE bool in_runs(const Layer& l, int active) {
  return l.fullHeads <= WARPS && l.fullHeads * active <= MOST_PARTS;
}
