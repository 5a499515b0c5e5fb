// The same as gemv.cu on Hopper and newer: W streams through shared memory in bulk copies, so that a
// multiprocessor has up to STAGES chunks on their way whatever its registers hold, and the next
// matrix's first chunks are fetched while this one's last are multiplied.
//
// One block a multiprocessor; it takes tiles of 16 rows of W in turn, each in chunks of CHUNK columns.
// One warp issues the copies, one for each row of a chunk; the others share the columns of a chunk and
// add their sums in order at the end of a tile. Rows of a chunk lie 64 bytes off a multiple of 128
// bytes, so that 8 lanes that read two rows' 64 bytes each touch every bank once.
//
// Started before the kernel ahead has ended, it fetches W at once and waits only before it reads x or
// writes y: W must not be what the kernel ahead writes.
//
// nvrtc: -DOUT_BF16=1
// nvrtc: -DOUT_BF16=0
#include "common.cuh"
#include "hopper.cuh"

#ifndef STAGES
#define STAGES 3
#endif
#ifndef CHUNK
#define CHUNK 1024
#endif

#if OUT_BF16
typedef bf16 out_t;
#else
typedef float out_t;
#endif

constexpr int WARPS = 8;                    // that multiply
constexpr int TILE = 16;                    // rows of W
constexpr int STEP = 32;                    // columns of a warp's step: 8 a lane, 4 lanes a row
constexpr int STEPS = CHUNK / STEP / WARPS;  // of a warp in a chunk
constexpr int PITCH = CHUNK + 32;           // elements from one row of a chunk to the next

struct Shared {
  bf16 ring[STAGES][TILE][PITCH];
  float sums[2][WARPS][8 * TILE];
  unsigned long long full[STAGES];
  unsigned long long empty[STAGES];
};

// c += a b with a [16, 16] (rows lane/4 and lane/4 + 8), b [16, 8] (column lane/4).
DEVICE void mma(float (&c)[4], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0,
                unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

DEVICE void fetch(Shared& s, const bf16* w, long long w_stride, int m, int k) {
  int lane = threadIdx.x % 32;
  int stage = 0;
  unsigned round = 0;
  for (int first = blockIdx.x * TILE; first < m; first += gridDim.x * TILE) {
    const bf16* from = w + min(first + lane % TILE, m - 1) * w_stride;
    for (int at = 0; at < k; at += CHUNK) {
      unsigned bytes = min(CHUNK, k - at) * sizeof(bf16);
      if (lane == 0) {
        if (round > 0) {
          hopper::mbarrierWait(&s.empty[stage], (round - 1) & 1);
        }
        hopper::mbarrierArriveExpect(&s.full[stage], bytes * TILE);
      }
      __syncwarp();
      if (lane < TILE) {
        hopper::bulkLoad(s.ring[stage][lane], from + at, bytes, &s.full[stage]);
      }
      if (++stage == STAGES) {
        stage = 0;
        round++;
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__((WARPS + 1) * 32)
    gemv_stream(const bf16* x, long long x_stride, const bf16* w, long long w_stride, out_t* y,
                long long y_stride, int n, int m, int k, int accumulate) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) unsigned char memory[];
  Shared& s = *reinterpret_cast<Shared*>(memory);
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  if (threadIdx.x == 0) {
    for (int i = 0; i < STAGES; i++) {
      hopper::mbarrierInit(&s.full[i], 1);
      hopper::mbarrierInit(&s.empty[i], WARPS);
    }
    hopper::fenceBarrierInit();
  }
  __syncthreads();
  start_next();
  if (warp == WARPS) {
    fetch(s, w, w_stride, m, k);
    return;
  }
  wait_for_previous();

  int row = lane / 4;
  int ahead = warp * STEP + lane % 4 * 8;  // of the lane's columns in a chunk's first step
  bool has_row = row < n;
  const bf16* x0 = x + row * x_stride + ahead;
  const uint4 zero = make_uint4(0, 0, 0, 0);
  int stage = 0;
  unsigned parity = 0;
  int half = 0;
  for (int first = blockIdx.x * TILE; first < m; first += gridDim.x * TILE) {
    float c[4] = {0.f, 0.f, 0.f, 0.f};
    for (int at = 0; at < k; at += CHUNK) {
      int left = k - at - ahead;
      uint4 v[STEPS];
#pragma unroll
      for (int u = 0; u < STEPS; u++) {
        bool inside = u * WARPS * STEP < left && has_row;
        v[u] = inside ? *reinterpret_cast<const uint4*>(x0 + at + u * WARPS * STEP) : zero;
      }
      hopper::mbarrierWait(&s.full[stage], parity);
      const bf16* a0 = s.ring[stage][row] + ahead;
      const bf16* a1 = s.ring[stage][row + 8] + ahead;
#pragma unroll
      for (int u = 0; u < STEPS; u++) {
        bool inside = u * WARPS * STEP < left;  // beyond lie remains of an older chunk
        uint4 a = inside ? *reinterpret_cast<const uint4*>(a0 + u * WARPS * STEP) : zero;
        uint4 b = inside ? *reinterpret_cast<const uint4*>(a1 + u * WARPS * STEP) : zero;
        mma(c, a.x, b.x, a.y, b.y, v[u].x, v[u].y);
        mma(c, a.z, b.z, a.w, b.w, v[u].z, v[u].w);
      }
      __syncwarp();
      if (lane == 0) {
        hopper::mbarrierArrive(&s.empty[stage]);
      }
      if (++stage == STAGES) {
        stage = 0;
        parity ^= 1;
      }
    }
    // c holds rows row and row + 8 of W by rows 2 (lane % 4) and the next of x. The halves of `sums`
    // take turns: who writes one has passed the barrier after the other's, so all have read it.
    float* own = s.sums[half][warp];
    int j = lane % 4 * 2;
    own[j * TILE + row] = c[0];
    own[(j + 1) * TILE + row] = c[1];
    own[j * TILE + row + 8] = c[2];
    own[(j + 1) * TILE + row + 8] = c[3];
    hopper::namedBarrierSync(1, WARPS * 32);
    int i = threadIdx.x;
    int column = first + i % TILE;
    if (i < n * TILE && column < m) {
      float sum = 0.f;
#pragma unroll
      for (int t = 0; t < WARPS; t++) {
        sum += s.sums[half][t][i];
      }
      out_t* to = y + i / TILE * y_stride + column;
      assign(*to, accumulate ? to_float(*to) + sum : sum);
    }
    half ^= 1;
  }
#endif
}
