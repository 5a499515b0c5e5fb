// y = W x of one block's rows of W. Each warp multiplies the same columns of all of them, so it
// needs only those of x: it reads them itself, straight into registers, and no barrier stands
// between the kernel ahead and the first multiplication. What a norm needs of the whole of x is a
// factor of y, or of one head, which a warp has whole.
//
// x is split into two bf16 parts, x ≈ high + low: 16 bits of it survive. The eight columns of the B
// operand of mma.m16n8k16 are both parts of four adjacent pieces of 32 elements, so that a register
// serves four multiplications by different columns of W; each has its own accumulator, of which only
// its own two columns are of interest.
#pragma once
#include "stream.cuh"

constexpr int SPAN = CHUNK / WARPS;  // a warp's columns of a chunk
static_assert(SPAN % D == 0 && SPAN == 128, "a warp has four pieces and whole heads");

DEVICE constexpr int chunks_of(int columns) { return (columns + CHUNK - 1) / CHUNK; }

template <int STAGES>
struct ProductShared {
  Stream<STAGES> stream;
  float sums[2][TILE][WARPS + 1];
  float squares[WARPS];
};

// A lane's elements of a chunk of x: eight from this one on.
DEVICE int first_column(int chunk) {
  int lane = threadIdx.x % 32;
  return chunk * CHUNK + threadIdx.x / 32 * SPAN + lane / 8 * 32 + lane % 4 * 8;
}

// Eight elements of a lane.
struct Eight {
  float v[8];
};

// Two lanes want the same eight elements: each reads four of them, so that no sector is read
// twice.
DEVICE int half_column(int chunk) { return first_column(chunk) + threadIdx.x / 4 % 2 * 4; }

template <int COLUMNS>
DEVICE float4 fresh_half(const float* p, int chunk) {
  int k = half_column(chunk);
  return k < COLUMNS ? fresh4(p + k) : make_float4(0.f, 0.f, 0.f, 0.f);
}

DEVICE Eight both(float4 mine) {
  bool upper = threadIdx.x / 4 % 2;
  float m[4] = {mine.x, mine.y, mine.z, mine.w};
  Eight e;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    float other = __shfl_xor_sync(FULL_WARP, m[i], 4);
    e.v[i] = upper ? other : m[i];
    e.v[i + 4] = upper ? m[i] : other;
  }
  return e;
}

// One part of eight elements: lanes of even fours the high one, of odd fours the low one.
DEVICE uint4 part_of(const Eight& e) {
  unsigned w[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    float a = e.v[2 * i];
    float b = e.v[2 * i + 1];
    w[i] = pack_bf16(a, b);
    if (threadIdx.x / 4 % 2) {
      w[i] = pack_bf16(a - low_bf16(w[i]), b - high_bf16(w[i]));
    }
  }
  return make_uint4(w[0], w[1], w[2], w[3]);
}

// A warp's columns of x.
template <int COLUMNS>
struct Vector {
  uint4 part[chunks_of(COLUMNS)];
};

// Weights of a norm, which can be read before x is there.
struct NormWeights {
  float4 w[chunks_of(HIDDEN)];
};

DEVICE NormWeights fetch_norm(const float* w) {
  NormWeights n;
#pragma unroll
  for (int c = 0; c < chunks_of(HIDDEN); c++) {
    n.w[c] = fresh_half<HIDDEN>(w, c);
  }
  return n;
}

// x · w of RMSNorm(x) · w; the factor 1 / rms comes later, from `squares`.
DEVICE Vector<HIDDEN> normed(const float* x, const NormWeights& n, float* squares) {
  Vector<HIDDEN> r;
  float4 v[chunks_of(HIDDEN)];
#pragma unroll
  for (int c = 0; c < chunks_of(HIDDEN); c++) {
    v[c] = fresh_half<HIDDEN>(x, c);
  }
  float sum = 0.f;
#pragma unroll
  for (int c = 0; c < chunks_of(HIDDEN); c++) {
    sum += v[c].x * v[c].x + v[c].y * v[c].y + v[c].z * v[c].z + v[c].w * v[c].w;
    r.part[c] = part_of(both(make_float4(v[c].x * n.w[c].x, v[c].y * n.w[c].y, v[c].z * n.w[c].z,
                                         v[c].w * n.w[c].w)));
  }
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) {
    squares[threadIdx.x / 32] = sum;
  }
  return r;
}

DEVICE float reciprocal_rms(const float* squares, float eps) {
  float sum = 0.f;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    sum += squares[w];
  }
  return rsqrtf(sum / HIDDEN + eps);
}

// The MLP's activations, which come as their two parts.
DEVICE Vector<MLP> activations(const bf16* parts) {
  Vector<MLP> r;
  const bf16* mine = parts + threadIdx.x / 4 % 2 * MLP;
#pragma unroll
  for (int c = 0; c < chunks_of(MLP); c++) {
    int k = first_column(c);
    r.part[c] = k < MLP ? __ldcg(reinterpret_cast<const uint4*>(mine + k)) : make_uint4(0, 0, 0, 0);
  }
  return r;
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

DEVICE void better_of_warp(Best& best) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    float value = __shfl_xor_sync(FULL_WARP, best.value, step);
    int id = __shfl_xor_sync(FULL_WARP, best.id, step);
    better(best, value, id);
  }
}

// One row of y, from what each warp has of a tile's row.
template <int PRODUCT, class T>
DEVICE void finish_row(const float (*sums)[WARPS + 1], int r, int row, float old, float scale, T* y,
                       Best& best) {
  float sum = 0.f;
  float up = 0.f;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    sum += sums[r][w];
    up += PRODUCT == UP ? sums[r + TILE / 2][w] : 0.f;
  }
  if constexpr (PRODUCT == UP) {
    sum *= scale;
    sum *= sigmoid(sum) * up * scale;
    y[row] = to_bf16(sum);
    y[MLP + row] = to_bf16(sum - to_float(y[row]));
  } else if constexpr (PRODUCT == OUT || PRODUCT == DOWN) {
    y[row] = old + sum;
  } else {
    sum *= scale;
    y[row] = sum;
    if constexpr (PRODUCT == LOGITS) {
      better(best, sum, row);
    }
  }
}

// The lane's of four that has this piece of x has the piece's product in its first two columns.
DEVICE float of_piece(const float (&c)[4][4], int half) {
  bool odd = threadIdx.x & 1;
  float first = odd ? c[1][2 * half] + c[1][2 * half + 1] : c[0][2 * half] + c[0][2 * half + 1];
  float second = odd ? c[3][2 * half] + c[3][2 * half + 1] : c[2][2 * half] + c[2][2 * half + 1];
  float v = threadIdx.x & 2 ? second : first;
  return warp_sum<4>(v);
}

// What y += W x adds to in the first tile.
template <int PRODUCT>
DEVICE float residual(const float* y, int rows) {
  int row = blockIdx.x * outputs_of(PRODUCT) + threadIdx.x;
  return threadIdx.x < outputs_of(PRODUCT) && row < rows ? fresh(y + row) : 0.f;
}

// y = W x of this block's rows, or y += W x; `old` is the residual. `m.squares` belongs to products
// with a norm.
template <int PRODUCT, int STAGES, class T>
DEVICE void multiply(ProductShared<STAGES>& m, Place& place, const Vector<columns_of(PRODUCT)>& x,
                     int rows, float eps, T* y, float old, Best& best) {
  constexpr int K = columns_of(PRODUCT);
  constexpr int OUTPUTS = outputs_of(PRODUCT);
  constexpr bool NORM = PRODUCT == IN || PRODUCT == UP || PRODUCT == LOGITS;
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int half = 0;
  float scale = 0.f;
  for (int first = blockIdx.x * OUTPUTS; first < rows; first += gridDim.x * OUTPUTS) {
    int r = threadIdx.x;
    bool finishes = r < OUTPUTS && first + r < rows;
    float c[4][4] = {};
#pragma unroll
    for (int chunk = 0; chunk < chunks_of(K); chunk++) {
      const bf16* w =
          receive(m.stream, place) + lane / 4 * PITCH + warp * SPAN + lane % 4 * 8;
#pragma unroll
      for (int j = 0; j < SPAN / 32; j++) {
        // Beyond the last column lie remains of an older stage.
        if (chunk * CHUNK + warp * SPAN + j * 32 < K) {
          mma32(c[j], *reinterpret_cast<const uint4*>(w + j * 32),
                *reinterpret_cast<const uint4*>(w + 8 * PITCH + j * 32), x.part[chunk]);
        }
      }
      release(m.stream, place);
    }
    float low = of_piece(c, 0);
    float high = of_piece(c, 1);
    // The halves of `sums` take turns: who writes one has passed the barrier after the other's.
    if (lane % 4 == 0) {
      m.sums[half][lane / 4][warp] = low;
      m.sums[half][lane / 4 + 8][warp] = high;
    }
    team_barrier();
    if (finishes) {
      if (NORM && scale == 0.f) {
        scale = reciprocal_rms(m.squares, eps);
      }
      finish_row<PRODUCT>(m.sums[half], r, first + r, old, scale, y, best);
    }
    half ^= 1;
    if constexpr (!NORM) {
      int next = first + gridDim.x * OUTPUTS + r;
      old = r < OUTPUTS && next < rows ? fresh(y + next) : 0.f;
    }
  }
}
