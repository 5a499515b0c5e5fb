// Cross-entropy and teacher-student KL of rows of logits [n, WIDTH], and their gradient. A block owns
// a row. Rows that fit are read once and stay in registers; longer ones are read twice, first for
// running maxima and sums of exponentials, then for the gradient.
//
// -DWIDTH=<vocabulary> -DALIGNED=<whether all rows start at multiples of 16 bytes>
#include "common.cuh"

#ifndef WIDTH
#define WIDTH 8192
#endif
#ifndef ALIGNED
#define ALIGNED 1
#endif

constexpr int V = ALIGNED && WIDTH % VECTOR<elem> == 0 ? VECTOR<elem> : 1;
constexpr int VECTORS = WIDTH / V;
constexpr int BLOCK = WIDTH <= 1024 ? 64 : WIDTH <= 16384 ? 256 : 512;
constexpr int COUNT = (VECTORS + BLOCK - 1) / BLOCK;  // vectors of a thread
constexpr bool RESIDENT = COUNT * V <= 40;

DEVICE bool inside(int i) { return VECTORS % BLOCK == 0 || i * BLOCK + threadIdx.x < VECTORS; }

DEVICE int column(int i) { return (i * BLOCK + threadIdx.x) * V; }

// A maximum m and the sum of e^(x - m): exponents in units of ln 2.
struct Sum {
  float max = -3.0e38f;
  float sum = 0;
};

DEVICE Sum merge(Sum a, Sum b) {
  Sum r;
  r.max = fmaxf(a.max, b.max);
  r.sum = a.sum * exp_fast(a.max - r.max) + b.sum * exp_fast(b.max - r.max);
  return r;
}

DEVICE void add(Sum& s, const float (&x)[V]) {
  float max = x[0];
#pragma unroll
  for (int k = 1; k < V; k++) {
    max = fmaxf(max, x[k]);
  }
  if (max > s.max) {
    s.sum *= exp_fast(s.max - max);
    s.max = max;
  }
#pragma unroll
  for (int k = 0; k < V; k++) {
    s.sum += exp_fast(x[k] - s.max);
  }
}
