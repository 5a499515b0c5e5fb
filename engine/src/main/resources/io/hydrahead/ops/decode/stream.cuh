// What one block reads of the model, as one stream: the weights of its rows of every matrix and the
// keys and values of its runs of the cache, in the order in which they are needed. One warp copies it
// into a ring in shared memory; what the others wait for in between (other blocks, x) does not stop
// it before the ring is full, so device memory stays busy from the first layer to the last.
#pragma once
#include "decode.cuh"

// The four products of a layer, and the LM head after the last one.
enum Product { IN, OUT, UP, DOWN, LOGITS };

constexpr int STAGES = MLP > 8192 ? 4 : 5;
constexpr int TILE = 16;                     // rows of a matrix in a stage
constexpr int CHUNK = 1024;                  // columns of a matrix in a stage
constexpr int PITCH = CHUNK + 32;            // between its rows: 64 bytes off a multiple of 128, so
                                             // that two rows' 64 bytes touch every bank once
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

DEVICE void open_stream(Stream& s) {
  for (int i = 0; i < STAGES; i++) {
    hopper::mbarrierInit(&s.full[i], 1);
    hopper::mbarrierInit(&s.empty[i], WARPS);
  }
  hopper::fenceBarrierInit();
}

// ----------------------------------------------------------------- the copying warp

// The next stage, once it is free, is going to receive `bytes`.
DEVICE void claim(Stream& s, const Place& p, unsigned bytes) {
  if (threadIdx.x % 32 == 0) {
    if (p.round > 0) {
      hopper::mbarrierWait(&s.empty[p.stage], (p.round - 1) & 1);
    }
    hopper::mbarrierArriveExpect(&s.full[p.stage], bytes);
  }
  __syncwarp();
}

template <int PRODUCT>
DEVICE void send_matrix(Stream& s, Place& p, const bf16* W, int rows) {
  constexpr int K = columns_of(PRODUCT);
  constexpr int OUTPUTS = outputs_of(PRODUCT);
  int lane = threadIdx.x % 32;
  for (int first = blockIdx.x * OUTPUTS; first < rows; first += gridDim.x * OUTPUTS) {
    long long row = min(first + lane % OUTPUTS, rows - 1) + (lane >= OUTPUTS ? (long long)rows : 0);
    for (int at = 0; at < K; at += CHUNK) {
      unsigned bytes = min(CHUNK, K - at) * sizeof(bf16);
      claim(s, p, bytes * TILE);
      if (lane < TILE) {
        hopper::bulkLoad(s.ring[p.stage] + lane * PITCH, W + row * K + at, bytes, &s.full[p.stage]);
      }
      advance(p);
    }
  }
}

DEVICE void send_run(Stream& s, Place& p, const Run& r) {
  for (int at = r.first; at < r.end; at += STAGE_KEYS) {
    unsigned bytes = min(STAGE_KEYS, r.end - at) * D * sizeof(bf16);
    claim(s, p, 2 * bytes);
    if (threadIdx.x % 32 == 0) {
      hopper::bulkLoad(s.ring[p.stage], r.K + (long long)at * D, bytes, &s.full[p.stage]);
      hopper::bulkLoad(s.ring[p.stage] + STAGE_KEYS * D, r.V + (long long)at * D, bytes,
                       &s.full[p.stage]);
    }
    advance(p);
  }
}

// A block's runs, from the last block on; slices of linear heads go from the first.
DEVICE int first_run() { return gridDim.x - 1 - blockIdx.x; }

DEVICE void send_all(const Step& a, Stream& s, int position) {
  Place p;
  for (int i = 0; i < a.layerCount; i++) {
    const Layer& l = a.layers[i];
    send_matrix<IN>(s, p, l.in, l.rows);
    for (int task = first_run(); task < l.kvHeads * l.splits; task += gridDim.x) {
      Run r = run_of(a, l, task, position);
      if (!r.empty) {
        send_run(s, p, r);
      }
    }
    send_matrix<OUT>(s, p, l.o, HIDDEN);
    send_matrix<UP>(s, p, l.gateUp, MLP);
    send_matrix<DOWN>(s, p, l.down, HIDDEN);
  }
  send_matrix<LOGITS>(s, p, a.lmHead, a.vocabulary);
}

// ----------------------------------------------------------------- the warps that compute

// Waits for the stage that `p` stands at.
DEVICE const bf16* receive(Stream& s, const Place& p) {
  hopper::mbarrierWait(&s.full[p.stage], p.round & 1);
  return s.ring[p.stage];
}

DEVICE void release(Stream& s, Place& p) {
  __syncwarp();
  if (threadIdx.x % 32 == 0) {
    hopper::mbarrierArrive(&s.empty[p.stage]);
  }
  advance(p);
}

// x is split into two bf16 parts, x ≈ high + low, which are two columns of the B operand of
// mma.m16n8k16: 16 bits of x survive, at no cost. Which column of W meets which k of the instruction
// is free, as long as x follows: a lane takes 8 adjacent columns of rows lane / 4 and lane / 4 + 8.
constexpr int WIDEST_AT = MLP > WIDTH ? MLP : WIDTH;
constexpr int WIDEST = ((WIDEST_AT > HIDDEN ? WIDEST_AT : HIDDEN) + 31) / 32 * 32;

struct Parts {
  bf16 part[2][WIDEST];
};

// Four elements of x at k.
DEVICE void keep4(float4 v, int k, Parts& x) {
  unsigned first = pack_bf16(v.x, v.y);
  unsigned second = pack_bf16(v.z, v.w);
  *reinterpret_cast<uint2*>(&x.part[0][k]) = make_uint2(first, second);
  *reinterpret_cast<uint2*>(&x.part[1][k]) =
      make_uint2(pack_bf16(v.x - low_bf16(first), v.y - high_bf16(first)),
                 pack_bf16(v.z - low_bf16(second), v.w - high_bf16(second)));
}

DEVICE void mma(float (&c)[4], unsigned a0, unsigned a1, unsigned a2, unsigned a3, unsigned b0,
                unsigned b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// Rows `low` (lane / 4) and `high` (lane / 4 + 8), 32 columns, times the same columns of B.
DEVICE void mma32(float (&c)[4], uint4 low, uint4 high, uint4 b) {
  mma(c, low.x, high.x, low.y, high.y, b.x, b.y);
  mma(c, low.z, high.z, low.w, high.w, b.z, b.w);
}
