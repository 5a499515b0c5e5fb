// What attention_decode.cu is called with, and how the partial results of its blocks are added up. Needs D, DIM, ROWS,
// WARPS, THREADS, ALIGNED, MAX_HEADS, MOST_SPLITS and NO_SCORE.
#pragma once
#include "attention_keys.cuh"

/** Query heads by the KV head they read; group i has heads [first[i], first[i + 1]) of `head`. */
struct Groups {
  unsigned short kv[MAX_HEADS];
  unsigned short first[MAX_HEADS + 1];
  unsigned short head[MAX_HEADS];
};

struct Arguments {
  Keys k;
  Keys v;
  const elem *q;       // [batch · queries, ≥ heads · D], rows queryStride apart, head h at column h · D
  elem *o;             // like q, rows outStride apart
  float *lse;          // [batch, heads, queries] or null
  float *partial;      // [batch · groups, splits, ROWS, D]
  float *partialLse;   // [batch · groups, splits, ROWS], base 2
  unsigned *finished;  // [batch · groups, 2] zeros, which stay zeros
  const int *position; // added to offset, or null; of all sequences, or paged: of each
  long long queryStride;
  long long outStride;
  int offset;          // absolute position of the first query
  int queries;
  int heads;
  int groups;
  float scale;
#if PAGED
  const int *table;      // [batch, ≥ blocks], rows tableStride apart; batchStride of k and v is then a block's
  long long tableStride;
#endif
};

/** The rows of a group, their query and output rows. */
struct Group {
  int kv;
  int first;  // in Groups.head
  int heads;
  int rows;   // heads · queries: row r is head r % heads of token r / heads
};

/** Columns 4c … 4c + 3 of an output row. */
DEVICE void storeOutput(elem *row, int c, const float (&v)[4]) {
  if (ALIGNED) {
    if (D == DIM || 4 * c < DIM) {
      store(row + 4 * c, v);
    }
  } else {
    store_some(row + 4 * c, DIM - 4 * c, v);
  }
}

/**
 * Adds up the partial results of a group, a part's weight being 2^(lse - total): helper `helper` of `helpers` blocks does its
 * share of the columns with all its threads. The order of additions depends on the number of splits and helpers alone.
 */
DEVICE void combine(const Arguments &a, const Groups &groups, const Group &g, int batch, int group, int splits, int helper,
                    int helpers, float *shared) {
  const float *lse = a.partialLse + (long long)group * splits * ROWS;
  const float4 *partial = (const float4 *)(a.partial + (long long)group * splits * ROWS * D);
  float *weights = shared;                                     // [row][split]
  float4 *sums = (float4 *)(shared + (ROWS * splits + 3) / 4 * 4); // [slice][column]
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  constexpr int ROW = D / 4;
  // This block's columns, all at once if it can be.
  int columns = (g.rows * ROW + helpers - 1) / helpers;
  int width = min(columns, THREADS);
  int slices = THREADS / width;
  int slice = threadIdx.x / width;
  int begin = helper * columns + threadIdx.x % width, end = min((helper + 1) * columns, g.rows * ROW);

  for (int i = threadIdx.x; i < splits * g.rows; i += THREADS) {
    int r = i % g.rows, s = i / g.rows;
    weights[r * splits + s] = __ldcg(lse + s * ROWS + r);
  }
  // The first parts are on their way while the weights are made.
  constexpr int AHEAD = 8;
  float4 x[AHEAD];
  auto fetch = [&](int column, int first) {
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      int s = first + i * slices;
      x[i] = slice < slices && column < end && s < splits ? __ldcg(partial + (long long)s * ROWS * ROW + column) : make_float4(0, 0, 0, 0);
    }
  };
  fetch(begin, slice);
  __syncthreads();
  for (int r = warp; r < g.rows; r += WARPS) {
    float *w = weights + r * splits;
    float part[MOST_SPLITS / 32];
    float m = NO_SCORE;
#pragma unroll
    for (int i = 0; i < MOST_SPLITS / 32; i++) {
      part[i] = lane + 32 * i < splits ? w[lane + 32 * i] : NO_SCORE;
      m = fmaxf(m, part[i]);
    }
    m = warp_max(m);
    float sum = 0;
#pragma unroll
    for (int i = 0; i < MOST_SPLITS / 32; i++) {
      sum += exp2_fast(part[i] - m);
    }
    float total = m + __log2f(warp_sum(sum));
#pragma unroll
    for (int i = 0; i < MOST_SPLITS / 32; i++) {
      if (lane + 32 * i < splits) {
        w[lane + 32 * i] = exp2_fast(part[i] - total);
      }
    }
    if (lane == 0 && helper == 0 && a.lse != nullptr) {
      a.lse[((long long)batch * a.heads + groups.head[g.first + r % g.heads]) * a.queries + r / g.heads] = total * LN2;
    }
  }
  __syncthreads();
  for (int pass = 0; pass < columns; pass += width) {
    int column = begin + pass;
    int row = column < end ? column / ROW : 0;
    float4 sum = make_float4(0, 0, 0, 0);
    for (int first = slice; first < splits; first += AHEAD * slices) {
      if (pass > 0 || first != slice) {
        fetch(column, first);
      }
#pragma unroll
      for (int i = 0; i < AHEAD; i++) {
        int s = first + i * slices;
        float w = s < splits ? weights[row * splits + s] : 0.f;
        sum.x = fmaf(w, x[i].x, sum.x);
        sum.y = fmaf(w, x[i].y, sum.y);
        sum.z = fmaf(w, x[i].z, sum.z);
        sum.w = fmaf(w, x[i].w, sum.w);
      }
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (slice == 0 && column < end) {
      float out[4] = {0, 0, 0, 0};
#pragma unroll 8
      for (int s = 0; s < slices; s++) {
        float4 part = sums[s * width + threadIdx.x];
        out[0] += part.x;
        out[1] += part.y;
        out[2] += part.z;
        out[3] += part.w;
      }
      int head = groups.head[g.first + row % g.heads], t = row / g.heads;
      storeOutput(a.o + ((long long)batch * a.queries + t) * a.outStride + head * DIM, column % ROW, out);
    }
    __syncthreads();
  }
}
