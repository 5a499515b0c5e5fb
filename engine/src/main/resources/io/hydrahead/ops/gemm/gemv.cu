// y = x Wᵀ for few rows: x [N, K] bf16, W [M, K] bf16, y [N, M] bf16 or float32, N up to 8, K and the
// row strides of x and W multiples of 8, rows aligned to 16 bytes.
//
// Bound by reading W once. A block computes 16 columns of y; its warps share K and add their sums in
// order at the end. The products go through the tensor cores, 16 rows of W by 8 rows of x, because
// 8 rows of x would keep the other units busier than the memory. Any order of the k will do as long
// as W and x agree on it, so a lane takes 8 adjacent k of a row in one 16-byte load and hands them to
// two mma in the order in which they come.
//
// nvrtc: -DWARPS=8 -DOUT_BF16=1
// nvrtc: -DWARPS=16 -DOUT_BF16=0
#include "common.cuh"

#ifndef UNROLL
#define UNROLL 4
#endif

#if OUT_BF16
typedef bf16 out_t;
#else
typedef float out_t;
#endif

constexpr int TILE = 16;          // rows of W a block
constexpr int STEP = 32;          // k of a warp's step: 8 a lane, 4 lanes a row
constexpr int SPAN = WARPS * STEP;  // k that the warps of a block take together

DEVICE uint4 load_stream(const bf16* p) {
  uint4 v;
  asm volatile("ld.global.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(p));
  return v;
}

// c += a b with a [16, 16] (rows lane/4 and lane/4 + 8), b [16, 8] (column lane/4).
DEVICE void mma(float (&c)[4], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0,
                unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

extern "C" __global__ void __launch_bounds__(WARPS * 32)
    gemv(const bf16* x, long long x_stride, const bf16* w, long long w_stride, out_t* y,
         long long y_stride, int n, int m, int k, int accumulate) {
  __shared__ float sums[WARPS][8 * TILE];
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  int row = lane / 4;
  int first = blockIdx.x * TILE;
  int ahead = lane % 4 * 8;  // of the lane's k before those of the warp's step
  const bf16* w0 = w + min(first + row, m - 1) * w_stride + ahead;
  const bf16* w1 = w + min(first + row + 8, m - 1) * w_stride + ahead;

  const bf16* x0 = x + row * x_stride + ahead;
  bool has_row = row < n;
  float c[4] = {0.f, 0.f, 0.f, 0.f};
  const uint4 zero = make_uint4(0, 0, 0, 0);
  int at = warp * STEP;
  for (; at + (UNROLL - 1) * SPAN + STEP <= k; at += UNROLL * SPAN) {
    uint4 a[UNROLL], b[UNROLL], v[UNROLL];
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      a[u] = load_stream(w0 + at + u * SPAN);
      b[u] = load_stream(w1 + at + u * SPAN);
    }
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      v[u] = has_row ? *reinterpret_cast<const uint4*>(x0 + at + u * SPAN) : zero;
    }
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      mma(c, a[u].x, b[u].x, a[u].y, b[u].y, v[u].x, v[u].y);
      mma(c, a[u].z, b[u].z, a[u].w, b[u].w, v[u].z, v[u].w);
    }
  }
  for (; at < k; at += SPAN) {
    bool inside = at + ahead < k;  // K may end inside a step
    uint4 a = inside ? load_stream(w0 + at) : zero;
    uint4 b = inside ? load_stream(w1 + at) : zero;
    uint4 v = inside && has_row ? *reinterpret_cast<const uint4*>(x0 + at) : zero;
    mma(c, a.x, b.x, a.y, b.y, v.x, v.y);
    mma(c, a.z, b.z, a.w, b.w, v.z, v.w);
  }

  // c holds rows row and row + 8 of W by rows 2 (lane % 4) and the next of x.
  float* s = sums[warp];
  int j = lane % 4 * 2;
  s[j * TILE + row] = c[0];
  s[(j + 1) * TILE + row] = c[1];
  s[j * TILE + row + 8] = c[2];
  s[(j + 1) * TILE + row + 8] = c[3];
  __syncthreads();
  for (int i = threadIdx.x; i < n * TILE; i += WARPS * 32) {
    int column = first + i % TILE;
    if (column < m) {
      float sum = 0.f;
#pragma unroll
      for (int t = 0; t < WARPS; t++) {
        sum += sums[t][i];
      }
      out_t* to = y + i / TILE * y_stride + column;
      assign(*to, accumulate ? to_float(*to) + sum : sum);
    }
  }
}
