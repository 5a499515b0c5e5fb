// What one block reads of the model goes through a ring in shared memory: rows of matrices, keys and
// values of its runs of the cache. One warp copies, the others compute. Nothing of it is
// written by the kernel ahead, so the copies begin as soon as the block is there, while that kernel
// still runs, and device memory stays busy from the first layer to the last.
#pragma once
#include "decode.cuh"

// The four products of a layer, and the LM head after the last one.
enum Product { IN, OUT, UP, DOWN, LOGITS };

constexpr int TILE = 16;                     // rows of a matrix in a stage
constexpr int CHUNK = 1024;                  // columns of a matrix in a stage
constexpr int PITCH = CHUNK + 32;            // between its rows: 64 bytes off a multiple of 128, so
                                             // that two rows' 64 bytes touch every bank once
template <int STAGES>
struct Stream {
  bf16 ring[STAGES][TILE * PITCH];
  unsigned long long full[STAGES];
  unsigned long long empty[STAGES];
};

// Where a warp is in the stream.
struct Place {
  int stage = 0;
  unsigned round = 0;
};

template <int STAGES>
DEVICE void advance(Place& p) {
  if (++p.stage == STAGES) {
    p.stage = 0;
    p.round++;
  }
}

DEVICE constexpr int columns_of(int product) {
  return product == OUT ? WIDTH : product == DOWN ? MLP : HIDDEN;
}

// Rows of y that a tile makes: SwiGLU takes a gate and an up row for each.
DEVICE constexpr int outputs_of(int product) { return product == UP ? TILE / 2 : TILE; }

template <int STAGES>
DEVICE void open_stream(Stream<STAGES>& s) {
  if (threadIdx.x == 0) {
    for (int i = 0; i < STAGES; i++) {
      hopper::mbarrierInit(&s.full[i], 1);
      hopper::mbarrierInit(&s.empty[i], WARPS);
    }
    hopper::fenceBarrierInit();
  }
  __syncthreads();
}

// ----------------------------------------------------------------- the copying warp

// Contiguous bytes to shared memory; the second-level cache keeps other things rather than these,
// which are read once a token.
DEVICE void copy_once(void* to, const void* from, unsigned bytes, unsigned long long* full) {
  unsigned long long policy;
  asm volatile("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint "
      "[%0], [%1], %2, [%3], %4;" ::"r"(hopper::sharedAddress(to)),
      "l"(from), "r"(bytes), "r"(hopper::sharedAddress(full)), "l"(policy)
      : "memory");
}

// The next stage, once it is free, is going to receive `bytes`.
template <int STAGES>
DEVICE void claim(Stream<STAGES>& s, const Place& p, unsigned bytes) {
  if (threadIdx.x % 32 == 0) {
    if (p.round > 0) {
      hopper::mbarrierWait(&s.empty[p.stage], (p.round - 1) & 1);
    }
    hopper::mbarrierArriveExpect(&s.full[p.stage], bytes);
  }
  __syncwarp();
}

template <int PRODUCT, int STAGES>
DEVICE void send_matrix(Stream<STAGES>& s, Place& p, const bf16* W, int rows) {
  constexpr int K = columns_of(PRODUCT);
  constexpr int OUTPUTS = outputs_of(PRODUCT);
  int lane = threadIdx.x % 32;
  for (int first = blockIdx.x * OUTPUTS; first < rows; first += gridDim.x * OUTPUTS) {
    long long row = min(first + lane % OUTPUTS, rows - 1) + (lane >= OUTPUTS ? (long long)rows : 0);
    for (int at = 0; at < K; at += CHUNK) {
      unsigned bytes = min(CHUNK, K - at) * sizeof(bf16);
      claim(s, p, bytes * TILE);
      if (lane < TILE) {
        copy_once(s.ring[p.stage] + lane * PITCH, W + row * K + at, bytes, &s.full[p.stage]);
      }
      advance<STAGES>(p);
    }
  }
}

template <int STAGES>
DEVICE void send_run(Stream<STAGES>& s, Place& p, const Run& r) {
  for (int at = r.first; at < r.end; at += STAGE_KEYS) {
    unsigned bytes = min(STAGE_KEYS, r.end - at) * D * sizeof(bf16);
    claim(s, p, 2 * bytes);
    if (threadIdx.x % 32 == 0) {
      copy_once(s.ring[p.stage], r.K + (long long)at * D, bytes, &s.full[p.stage]);
      copy_once(s.ring[p.stage] + STAGE_KEYS * D, r.V + (long long)at * D, bytes,
                       &s.full[p.stage]);
    }
    advance<STAGES>(p);
  }
}

// A block's runs, from the last block on; slices of linear heads go from the first.
DEVICE int first_run() { return gridDim.x - 1 - blockIdx.x; }

template <int STAGES>
DEVICE void send_runs(const Step& a, const Layer& l, int position, Stream<STAGES>& s, Place& p) {
  for (int task = first_run(); task < l.kvHeads * l.splits; task += gridDim.x) {
    Run r = run_of(a, l, task, position);
    if (!r.empty) {
      send_run(s, p, r);
    }
  }
}

// ----------------------------------------------------------------- the warps that compute

// Waits for the stage that `p` stands at.
template <int STAGES>
DEVICE const bf16* receive(Stream<STAGES>& s, const Place& p) {
  hopper::mbarrierWait(&s.full[p.stage], p.round & 1);
  return s.ring[p.stage];
}

template <int STAGES>
DEVICE void release(Stream<STAGES>& s, Place& p) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) {
    hopper::mbarrierArrive(&s.empty[p.stage]);
  }
  advance<STAGES>(p);
}

DEVICE void mma(float (&c)[4], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0,
                unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// Rows `low` (lane / 4) and `high` (lane / 4 + 8), 32 columns, times the same columns of B. Which
// column of A meets which k of the instruction is free, as long as B follows: a lane takes 8 adjacent
// columns.
DEVICE void mma32(float (&c)[4], uint4 low, uint4 high, uint4 b) {
  mma(c, low.x, high.x, low.y, high.y, b.x, b.y);
  mma(c, low.z, high.z, low.w, high.w, b.z, b.w);
}
