// Keys and values in blocks of a pool: rows of a step into their blocks, and a sequence's blocks into
// one piece for the kernels of many queries.
//
// A block holds PAGE tokens of all KV heads, head after head; blocks lie blockStride elements apart.
// -DHEAD_DIM=<d> -DALIGNED=<whether all rows of heads start at multiples of 16 bytes>
//
// nvrtc: -DBF16=1 -DHEAD_DIM=128
// nvrtc: -DBF16=0 -DHEAD_DIM=20 -DALIGNED=0
#include "common.cuh"

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int BLOCK = 256;
constexpr int PAGE = 64;
#if ALIGNED
typedef uint4 unit;
#else
typedef elem unit;
#endif
constexpr int UNITS = HEAD_DIM * sizeof(elem) / sizeof(unit); // of a head's row

DEVICE const unit *units(const elem *p) { return reinterpret_cast<const unit *>(p); }

DEVICE unit *units(elem *p) { return reinterpret_cast<unit *>(p); }

// Row r of k and v, [rows, heads · d] with row strides, goes to token places[r] % PAGE of block places[r] / PAGE.
extern "C" __global__ void __launch_bounds__(BLOCK)
    kv_store(int rows, int heads, const int *places, const elem *k, long long kStride, const elem *v, long long vStride, elem *keys,
             elem *values, long long blockStride) {
  start_next();
  wait_for_previous();
  int count = rows * heads * UNITS;
  for (int i = blockIdx.x * BLOCK + threadIdx.x; i < count; i += gridDim.x * BLOCK) {
    int u = i % UNITS;
    int head = i / UNITS % heads;
    int row = i / UNITS / heads;
    int place = places[row];
    long long to = place / PAGE * blockStride + (head * PAGE + place % PAGE) * HEAD_DIM;
    units(keys + to)[u] = units(k + row * kStride + head * HEAD_DIM)[u];
    units(values + to)[u] = units(v + row * vStride + head * HEAD_DIM)[u];
  }
}

// The first `tokens` positions of a sequence, block table[t / PAGE], to [heads, tokens, d]: keys with blockIdx.y = 0, values
// with 1.
extern "C" __global__ void __launch_bounds__(BLOCK)
    kv_gather(int tokens, int heads, const int *table, const elem *keys, const elem *values, long long blockStride, elem *toKeys,
              elem *toValues) {
  const elem *from = blockIdx.y == 0 ? keys : values;
  elem *to = blockIdx.y == 0 ? toKeys : toValues;
  long long count = (long long)heads * tokens * UNITS;
  for (long long i = (long long)blockIdx.x * BLOCK + threadIdx.x; i < count; i += (long long)gridDim.x * BLOCK) {
    int u = (int)(i % UNITS);
    long long line = i / UNITS;
    int token = (int)(line % tokens);
    int head = (int)(line / tokens);
    long long at = table[token / PAGE] * blockStride + (head * PAGE + token % PAGE) * HEAD_DIM;
    units(to)[i] = units(from + at)[u];
  }
}
