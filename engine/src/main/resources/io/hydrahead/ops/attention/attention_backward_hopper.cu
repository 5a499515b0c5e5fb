// Backward pass of causal attention over a list of heads, bf16, on Hopper's wgmma and TMA (sm_90a).
// Letters and formulas as in attention_backward.cu; head dim d (-DHEAD_DIM) is 32, 64 or 128.
//
// A block owns KEYS keys of one KV head and goes through the rows of all its query heads, ROWS a
// step. Two or three score warpgroups, 64 keys each, compute S^T = k q^T and dP^T = v dO^T and keep
// dk and dv in registers; P^T and dS^T pass from accumulators to operands without leaving them.
// dS^T also goes through shared memory to the last warpgroup, which computes dq = dS k, adds it to
// float32 sums in device memory, and loads the next steps by TMA. As in FlashAttention-3 the work
// lies along the keys and dq is summed outside; that a warpgroup of its own does so lets the score
// warpgroups drift apart, so that the tensor cores work for one while others take exponentials.
//
// With -DDETERMINISTIC=1 the blocks add to a dq tile in the order of their keys: each waits for its
// turn. Blocks that come first in that order have smaller indices, so they are resident or done.
//
// nvrtc: -DHEAD_DIM=32 -DDETERMINISTIC=0
// nvrtc: -DHEAD_DIM=64 -DDETERMINISTIC=1
// nvrtc: -DHEAD_DIM=128 -DDETERMINISTIC=1
// nvrtc: -DHEAD_DIM=32 -DDETERMINISTIC=0 -DWINDOW=1
// nvrtc: -DHEAD_DIM=64 -DDETERMINISTIC=1 -DWINDOW=1
// nvrtc: -DHEAD_DIM=128 -DDETERMINISTIC=1 -DWINDOW=1
#define BF16 1
#include "attention_backward.cuh"
#include "attention_window.cuh"
#include "common.cuh"
#include "hopper.cuh"

using namespace hopper;

#ifndef DETERMINISTIC
#define DETERMINISTIC 1
#endif
#ifndef STAGES
#define STAGES 3
#endif
constexpr int D = HEAD_DIM;
constexpr int GROUPS = D == 32 ? 3 : 2;  // score warpgroups
constexpr int KEYS = 64 * GROUPS;
constexpr int ROWS = D == 64 ? 128 : 64;  // of queries a step
constexpr int DS_STAGES = 2;
constexpr int ROW_BYTES = D >= 64 ? 128 : 64;  // of a tile in shared memory
constexpr int PANEL = ROW_BYTES / 2;           // columns of a tile
constexpr int PANELS = D / PANEL;
constexpr Swizzle SWIZZLE = D >= 64 ? SWIZZLE_128 : SWIZZLE_64;
constexpr int TILES = ROWS / 64;  // of dq
constexpr int THREADS = 128 * (GROUPS + 1);
constexpr bool KEPT = D == 32;  // keys and values stay in registers as operands

// Registers a thread: of all warpgroups together no more than what they get at launch.
constexpr int SCORE_REGISTERS = GROUPS == 3 ? 144 : 208;
constexpr int DQ_REGISTERS = (GROUPS == 3 ? 512 : 504) - GROUPS * SCORE_REGISTERS;

static_assert(DQ_REGISTERS >= 24, "what a warpgroup must keep");
static_assert(D == 32 || D == 64 || D == 128, "head dim");
static_assert(STAGES >= 3, "a stage is loaded while one is in use and one has been announced");

// The work of a block: its query heads in ascending order, in each the blocks of rows from the
// diagonal to the last, or back with `down`.
struct Work {
  int b;
  int kv;
  int block;  // of keys
  int blocks;
  int from;  // first block of rows
  int end;
  bool down;
  int steps;
#if WINDOW
  int stop;  // end of the blocks of rows that see any of the keys
  int window;
  int sinks;
#define ROWS_END stop
#else
#define ROWS_END end
#endif
};

struct Shared {
  unsigned char k[PANELS][KEYS][ROW_BYTES];
  unsigned char v[PANELS][KEYS][ROW_BYTES];
  unsigned char q[STAGES][PANELS][ROWS][ROW_BYTES];
  unsigned char dO[STAGES][PANELS][ROWS][ROW_BYTES];
  unsigned char dS[DS_STAGES][TILES][KEYS][128];  // dS^T: rows are keys
  float lse2[STAGES][ROWS];
  float delta[STAGES][ROWS];
  u64 kv_full;
  u64 q_full[STAGES];
  u64 dO_full[STAGES];
  u64 dS_full[DS_STAGES];
  u64 dS_empty[DS_STAGES];
  Work work;  // read here rather than kept in registers
  // What the loading thread knows: the next step to load; of loaded ones the block of rows and the
  // dq tile.
  struct {
    int step;
    int rows;
    int index;  // of the query head
  } next;
  int rows[STAGES];
  int tile[STAGES];
};

static_assert(sizeof(Shared) <= 4 * KEYS * D + STAGES * ROWS * (4 * D + 8) + 4 * ROWS * KEYS + 512,
              "the host allows this much");

// 16 along K of a K-major operand, step s.
DEVICE u64 along_row(u64 tile, int s, int rows) {
  constexpr int STEPS = ROW_BYTES / 32;
  return wgmmaAdvance(tile, s / STEPS * rows * ROW_BYTES + s % STEPS * 32);
}

// Product c of the sum d.
template <int N, int TransA = 0, int TransB = 0>
DEVICE void product(float (&d)[N / 2], int c, u64 a, u64 b) {
  if (c == 0) {
    wgmmaFirst<N, TransA, TransB>(d, a, b);
  } else {
    wgmma<N, TransA, TransB>(d, a, b, 1);
  }
}

// Product c of the sum d, with the operand of 64 keys in registers (KEPT) or in shared memory.
DEVICE void row_product(float (&d)[ROWS / 2], int c, const u32 (&kept)[4], u64 tile, u64 b) {
  if constexpr (!KEPT) {
    product<ROWS>(d, c, along_row(tile, c, KEYS), b);
  } else if (c == 0) {
    wgmmaFirst<ROWS>(d, kept[0], kept[1], kept[2], kept[3], b);
  } else {
    wgmma<ROWS>(d, kept[0], kept[1], kept[2], kept[3], b, 1);
  }
}

// The operands of all steps of 16 rows a warp.
DEVICE void keep(u32 (&kept)[D / 16][4], const unsigned char (*rows)[ROW_BYTES]) {
  if constexpr (KEPT) {
    int row = threadIdx.x / 32 % 4 * 16 + threadIdx.x % 16;
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
      u32 unit = (2 * c + threadIdx.x % 32 / 16) ^ (ROW_BYTES == 128 ? row % 8 : row / 2 % 4);
      ldmatrix4(kept[c][0], kept[c][1], kept[c][2], kept[c][3],
                sharedAddress(rows[row] + 16 * unit));
    }
  }
}

// Two bf16 products.
DEVICE u32 multiply2(u32 a, u32 b) {
  u32 r;
  asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  return r;
}

DEVICE void add4(float* to, float a, float b, float c, float d) {
  asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(to), "f"(a),
               "f"(b), "f"(c), "f"(d)
               : "memory");
}

// Not ordered before what follows; but a reduction that depends on the value reaches the L2 cache,
// where both are done, later.
DEVICE int load_relaxed(const int* p) {
  int v;
  asm volatile("ld.relaxed.gpu.global.s32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}

DEVICE int load_acquire(const int* p) {
  int v;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(v) : "l"(p) : "memory");
  return v;
}

DEVICE void add_release(int* p) {
  asm volatile("red.release.gpu.global.add.s32 [%0], 1;" ::"l"(p) : "memory");
}

// Loads step `s.next`, if there is one, and goes on to the one after. One thread.
DEVICE void load_step(Shared& s, const TensorMap& q, const TensorMap& dO, const float* lse2,
                      const float* delta, const Heads& list, int heads, int padded, const Work& w) {
  int stage = s.next.step % STAGES;
  int t = s.next.rows * ROWS;
  int h = list.query[s.next.index];
  int head = w.b * heads + h;
  s.rows[stage] = s.next.rows;
  s.tile[stage] = head * w.end + s.next.rows;
  long long stats = (long long)head * padded + t;
  mbarrierArriveExpect(&s.q_full[stage], ROWS * (2 * D + 4));
  for (int p = 0; p < PANELS; p++) {
    tmaLoad(s.q[stage][p], &q, &s.q_full[stage], p * PANEL, t, h, w.b);
  }
  bulkLoad(s.lse2[stage], lse2 + stats, ROWS * 4, &s.q_full[stage]);
  mbarrierArriveExpect(&s.dO_full[stage], ROWS * (2 * D + 4));
  for (int p = 0; p < PANELS; p++) {
    tmaLoad(s.dO[stage][p], &dO, &s.dO_full[stage], p * PANEL, t, h, w.b);
  }
  bulkLoad(s.delta[stage], delta + stats, ROWS * 4, &s.dO_full[stage]);
  s.next.step++;
  s.next.rows += w.down ? -1 : 1;
  if (s.next.rows < w.from || s.next.rows == w.ROWS_END) {
    s.next.rows = w.down ? w.ROWS_END - 1 : w.from;
    s.next.index++;
  }
}

// The last warpgroup: dq and all loads.
DEVICE void query_gradients(Shared& s, const TensorMap& q, const TensorMap& dO, const float* lse2,
                            const float* delta, float* dq_sum, int* turns, const Heads& list,
                            int heads, int padded) {
  const Work& w = s.work;
  int thread = threadIdx.x % 128;
  u64 keys = wgmmaDescriptor(s.k, KEYS * ROW_BYTES, 8 * ROW_BYTES, SWIZZLE);
  dq_sum += 4 * thread;
#if DETERMINISTIC
  int* done = nullptr;  // the turn to be passed on
#endif
  for (int i = 0; i < w.steps; i++) {
    mbarrierWait(&s.q_full[i % STAGES], i / STAGES % 2);  // and so what the loading thread noted
    int tile = s.tile[i % STAGES];
#if DETERMINISTIC
    int last = min(w.blocks - 1, ((s.rows[i % STAGES] + 1) * ROWS - 1) / KEYS);
    int before = w.down ? w.block : last - w.block;  // blocks whose turn comes first
#if WINDOW
    // Blocks between sinks and window do not take part.
    int sink_blocks = ceil_div(w.sinks, KEYS);
    if (w.down == (w.block >= sink_blocks)) {
      int oldest = max(s.rows[i % STAGES] * ROWS - w.window + 1, 0) / KEYS;
      before -= max(oldest - sink_blocks, 0);
    }
#endif
#endif
    int stage = i % DS_STAGES;
#if DETERMINISTIC
    int* turn = turns + tile;
    int seen = thread == 64 ? load_relaxed(turn) : before;
#endif
    mbarrierWait(&s.dS_full[stage], i / DS_STAGES % 2);
    u64 weights = wgmmaColumns128(s.dS[stage], 0);
    float* to = dq_sum + (long long)tile * (ROWS * D);
#pragma unroll
    for (int piece = 0; piece < TILES * PANELS; piece++) {
      float dq[PANEL / 2];
      __syncwarp();  // keeps the compiler from overlapping pieces, for which there are no registers
      wgmmaFence();
#pragma unroll
      for (int c = 0; c < KEYS / 16; c++) {
        product<PANEL, 1, 1>(
            dq, c, wgmmaAdvance(weights, piece / PANELS * KEYS * 128 + c * 16 * 128),
            wgmmaAdvance(keys, piece % PANELS * KEYS * ROW_BYTES + c * 16 * ROW_BYTES));
      }
      wgmmaCommit();
      if (piece == 0) {
        // That dS is there means that all score warps are done with the step before, whose stage
        // is free.
        if (thread == 0 && i + STAGES - 1 < w.steps) {
          load_step(s, q, dO, lse2, delta, list, heads, padded, w);
        }
#if DETERMINISTIC
        if (thread == 32 && done != nullptr) {
          add_release(done);  // late, when the sums have arrived, so that it need not wait for them
        }
        while (seen != before) {
          seen = load_acquire(turn);
        }
#endif
        __syncwarp();
#if DETERMINISTIC
        namedBarrierSync(1, 128);  // the turn has come
#endif
      }
      wgmmaWait<0>();
      wgmmaPin(dq);
      if (piece == TILES * PANELS - 1 && thread % 32 == 0) {
        mbarrierArrive(&s.dS_empty[stage]);
      }
#pragma unroll
      for (int j = 0; j < PANEL / 8; j++) {
        const float* x = dq + 4 * j;
        float* at = to + (piece * (PANEL / 8) + j) * 512;
#if DETERMINISTIC
        if (before == 0) {
          *reinterpret_cast<float4*>(at) = make_float4(x[0], x[1], x[2], x[3]);
        } else {
          add4(at, x[0], x[1], x[2], x[3]);
        }
#else
        add4(at, x[0], x[1], x[2], x[3]);
#endif
      }
    }
#if DETERMINISTIC
    done = turn;
    namedBarrierSync(2, 128);
#endif
  }
#if DETERMINISTIC
  if (thread == 32 && done != nullptr) {
    add_release(done);
  }
#endif
}

// scale c [64, d] to rows first ... of a matrix of `rows` rows.
DEVICE void store_rows(bf16* to, long long stride, int first, int rows, float scale,
                       const float (&c)[D / 2]) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int r = first + threadIdx.x % 128 / 32 * 16 + lane / 4 + half * 8;
#pragma unroll
    for (int j = 0; j < D / 2; j += 8) {
      const float* x = c + j + 2 * half;
      u32 a = pack_bf16(scale * x[0], scale * x[1]);
      u32 b = pack_bf16(scale * x[4], scale * x[5]);
      quadRow(a, b);
      if (r < rows) {
        *reinterpret_cast<uint2*>(to + r * stride + j * 2 + lane % 4 * 4) = make_uint2(a, b);
      }
    }
  }
}

// What this warp has written to shared memory is there for wgmma. The count of `bar` is in warps.
DEVICE void announce(u64* bar) {
  fenceProxyAsync();
  __syncwarp();
  if (threadIdx.x % 32 == 0) {
    mbarrierArrive(bar);
  }
}

// Hides what lies `window` and more before the rows: of rows row + 8 j and row + 8 j + 1 the keys
// `key` and `key` + 8.
DEVICE void hide_old(float (&scores)[ROWS / 2], int row, int key, int window, int sinks) {
  float hidden = __int_as_float(0xff800000);
  int gone = key < sinks ? 0x7fffffff : key + window - row;
  int gone8 = key + 8 < sinks ? 0x7fffffff : key + 8 + window - row;
#pragma unroll
  for (int j = 0; j < ROWS / 8; j++) {
    scores[4 * j] = 8 * j >= gone ? hidden : scores[4 * j];
    scores[4 * j + 1] = 8 * j + 1 >= gone ? hidden : scores[4 * j + 1];
    scores[4 * j + 2] = 8 * j >= gone8 ? hidden : scores[4 * j + 2];
    scores[4 * j + 3] = 8 * j + 1 >= gone8 ? hidden : scores[4 * j + 3];
  }
}

// S^T of ROWS rows from t on becomes P^T, an operand; what lies before `key` and `key` + 8 is
// hidden.
DEVICE void probabilities(float (&scores)[ROWS / 2], u32 (&p)[ROWS / 4], const float* lse2,
                          float scale2, bool diagonal, int t, int key) {
  int column = threadIdx.x % 4 * 2;
  if (diagonal) {
    float hidden = __int_as_float(0xff800000);
    int row = t + column - key;
#pragma unroll
    for (int j = 0; j < ROWS / 8; j++) {
      scores[4 * j] = row + 8 * j < 0 ? hidden : scores[4 * j];
      scores[4 * j + 1] = row + 8 * j + 1 < 0 ? hidden : scores[4 * j + 1];
      scores[4 * j + 2] = row + 8 * j < 8 ? hidden : scores[4 * j + 2];
      scores[4 * j + 3] = row + 8 * j + 1 < 8 ? hidden : scores[4 * j + 3];
    }
  }
#pragma unroll
  for (int j = 0; j < ROWS / 8; j++) {
    float2 x = *reinterpret_cast<const float2*>(lse2 + column + 8 * j);
    p[2 * j] = pack_bf16(exp2_fast(fmaf(scores[4 * j], scale2, -x.x)),
                         exp2_fast(fmaf(scores[4 * j + 1], scale2, -x.y)));
    p[2 * j + 1] = pack_bf16(exp2_fast(fmaf(scores[4 * j + 2], scale2, -x.x)),
                             exp2_fast(fmaf(scores[4 * j + 3], scale2, -x.y)));
  }
}

// dS^T = P^T (dP^T - delta), an operand; multiplied in bf16, which costs half a bit.
DEVICE void score_gradients(const float (&dP)[ROWS / 2], const u32 (&p)[ROWS / 4],
                            u32 (&g)[ROWS / 4], const float* delta) {
  int column = threadIdx.x % 4 * 2;
#pragma unroll
  for (int j = 0; j < ROWS / 8; j++) {
    float2 x = *reinterpret_cast<const float2*>(delta + column + 8 * j);
    g[2 * j] = multiply2(p[2 * j], pack_bf16(dP[4 * j] - x.x, dP[4 * j + 1] - x.y));
    g[2 * j + 1] = multiply2(p[2 * j + 1], pack_bf16(dP[4 * j + 2] - x.x, dP[4 * j + 3] - x.y));
  }
}

// A score warpgroup: dk and dv of 64 keys.
DEVICE void key_gradients(Shared& s, bf16* dk, bf16* dv, long long dk_row, long long dv_row, int T,
                          float scale, float scale2) {
  int lane = threadIdx.x % 32;
  int group = threadIdx.x / 128;
  int steps = s.work.steps;
  int own = s.work.block * KEYS + group * 64;
  int own_row = group * 64 + threadIdx.x / 32 % 4 * 16;  // of this warp, in the block
  int key = s.work.block * KEYS + own_row + lane / 4;    // and eight further

  u64 keys = wgmmaDescriptor(s.k[0][group * 64], 16, 8 * ROW_BYTES, SWIZZLE);
  u64 values = wgmmaDescriptor(s.v[0][group * 64], 16, 8 * ROW_BYTES, SWIZZLE);
  u32 dS_row = own_row + lane % 16;
  u32 dS_at = sharedAddress(s.dS) + dS_row * 128;
  auto store_dS = [&](int i, const u32(&g)[ROWS / 4]) {
    int stage = i % DS_STAGES;
    mbarrierWait(&s.dS_empty[stage], i / DS_STAGES % 2 ^ 1);
    u32 to = dS_at + stage * (TILES * KEYS * 128);
#pragma unroll
    for (int c = 0; c < ROWS / 16; c++) {
      stmatrix4(to + c / 4 * (KEYS * 128) + (((c % 4 * 2 + lane / 16) ^ dS_row % 8) << 4), g[4 * c],
                g[4 * c + 1], g[4 * c + 2], g[4 * c + 3]);
    }
    announce(&s.dS_full[stage]);
  };

  u32 key_rows[D / 16][4];
  u32 value_rows[D / 16][4];
  float dk_sum[D / 2];
  float dv_sum[D / 2];
#pragma unroll
  for (int i = 0; i < D / 2; i++) {
    dk_sum[i] = 0;
    dv_sum[i] = 0;
  }
  wgmmaPin(dk_sum);  // zero before the first wgmma is under way
  wgmmaPin(dv_sum);
  if (steps > 0) {
    mbarrierWait(&s.kv_full, 0);
    keep(key_rows, s.k[0] + group * 64);
    keep(value_rows, s.v[0] + group * 64);
  }
  for (int i = 0; i < steps; i++) {
    int stage = i % STAGES;
    mbarrierWait(&s.q_full[stage], i / STAGES % 2);
    int t = s.rows[stage] * ROWS;
#if WINDOW
    bool gone = own >= s.work.sinks && t - (own + 63) >= s.work.window;
    if (t + ROWS <= own || gone) {
#else
    if (t + ROWS <= own) {  // all rows come before the keys
#endif
      const u32 nothing[ROWS / 4] = {};
      store_dS(i, nothing);
      continue;
    }
    float scores[ROWS / 2];
    float dP[ROWS / 2];
    u32 p[ROWS / 4];
    u32 g[ROWS / 4];
    u64 q_rows = wgmmaDescriptor(s.q[stage], 16, 8 * ROW_BYTES, SWIZZLE);
    u64 dO_rows = wgmmaDescriptor(s.dO[stage], 16, 8 * ROW_BYTES, SWIZZLE);
    u64 q_columns = wgmmaDescriptor(s.q[stage], ROWS * ROW_BYTES, 8 * ROW_BYTES, SWIZZLE);
    u64 dO_columns = wgmmaDescriptor(s.dO[stage], ROWS * ROW_BYTES, 8 * ROW_BYTES, SWIZZLE);
    wgmmaFence();
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
      row_product(scores, c, key_rows[c], keys, along_row(q_rows, c, ROWS));
    }
    wgmmaCommit();
    wgmmaWait<0>();
    wgmmaPin(scores);
#if WINDOW
    if (t + ROWS - 1 - own >= s.work.window) {
      hide_old(scores, t + threadIdx.x % 4 * 2, key, s.work.window, s.work.sinks);
    }
#endif
    probabilities(scores, p, s.lse2[stage], scale2, t < own + 63, t, key);
    mbarrierWait(&s.dO_full[stage], i / STAGES % 2);
    wgmmaFence();
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
      row_product(dP, c, value_rows[c], values, along_row(dO_rows, c, ROWS));
    }
    wgmmaCommit();
    wgmmaFence();
#pragma unroll
    for (int c = 0; c < ROWS / 16; c++) {
      const u32* a = p + 4 * c;
      wgmma<D, 1>(dv_sum, a[0], a[1], a[2], a[3], wgmmaAdvance(dO_columns, c * 16 * ROW_BYTES), 1);
    }
    wgmmaCommit();
    wgmmaWait<1>();  // dP
    wgmmaPin(dP);
    score_gradients(dP, p, g, s.delta[stage]);
    store_dS(i, g);
    wgmmaFence();
#pragma unroll
    for (int c = 0; c < ROWS / 16; c++) {
      const u32* a = g + 4 * c;
      wgmma<D, 1>(dk_sum, a[0], a[1], a[2], a[3], wgmmaAdvance(q_columns, c * 16 * ROW_BYTES), 1);
    }
    wgmmaCommit();
    wgmmaWait<0>();
  }
  wgmmaPin(dk_sum);
  wgmmaPin(dv_sum);
  long long row = (long long)s.work.b * T;
  int column = s.work.kv * D;
  int first = s.work.block * KEYS + group * 64;
  store_rows(dk + row * dk_row + column, dk_row, first, T, scale, dk_sum);
  store_rows(dv + row * dv_row + column, dv_row, first, T, 1.f, dv_sum);
}

// Maps: q, dO [B, h, T, d], k, v [B, g, T, d], boxes of PANEL columns and ROWS or KEYS rows.
// dq_sum: a tile of ROWS x d float32 for each (b, h, block of rows), in the order of the
// accumulators, which attention_backward_finish undoes; zeros at entry unless DETERMINISTIC. turns:
// an int for each tile, zeros at entry. Grid: blocks of keys x g x B; `together` KV heads are
// worked on side by side. With `down` blocks go from the last rows to the diagonal and those of the
// first keys (the longest) come first, else from the diagonal on and those of the last keys first.
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    attention_backward_hopper(const __grid_constant__ TensorMap q,
                              const __grid_constant__ TensorMap k,
                              const __grid_constant__ TensorMap v,
                              const __grid_constant__ TensorMap dO,
                              const float* __restrict__ lse2, const float* __restrict__ delta,
                              float* __restrict__ dq_sum, int* __restrict__ turns,
                              bf16* __restrict__ dk, bf16* __restrict__ dv,
                              const __grid_constant__ Heads list, int heads, int kv_heads,
                              int batch, int T, int padded, long long dk_row, long long dv_row,
                              int together, int down, float scale,
                              float scale2 WINDOW_ARGUMENTS) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  extern __shared__ __align__(1024) unsigned char memory[];
  Shared& s = *reinterpret_cast<Shared*>(memory);
  Work w;
  w.blocks = ceil_div(T, KEYS);
  int units = kv_heads * batch;
  int row = blockIdx.x / (together * w.blocks) * together;  // first of the units side by side
  int width = min(together, units - row);
  int index = blockIdx.x - row * w.blocks;
  int unit = row + index % width;
  w.block = down ? index / width : w.blocks - 1 - index / width;
  w.b = unit / kv_heads;
  w.kv = unit % kv_heads;
  w.from = w.block * KEYS / ROWS;
  w.end = ceil_div(T, ROWS);
  w.down = down != 0;
#if WINDOW
  w.stop = w.end;
  w.window = window;
  w.sinks = sinks;
  if (w.block * KEYS >= sinks) {
    w.stop = min(w.end, ((w.block + 1) * KEYS + window - 2) / ROWS + 1);
  }
#endif
  w.steps = (list.start[w.kv + 1] - list.start[w.kv]) * (w.ROWS_END - w.from);
  if (threadIdx.x == GROUPS * 128) {
    mbarrierInit(&s.kv_full, 1);
    for (int i = 0; i < STAGES; i++) {
      mbarrierInit(&s.q_full[i], 1);
      mbarrierInit(&s.dO_full[i], 1);
    }
    for (int i = 0; i < DS_STAGES; i++) {
      mbarrierInit(&s.dS_full[i], 4 * GROUPS);
      mbarrierInit(&s.dS_empty[i], 4);
    }
    fenceBarrierInit();
    s.work = w;
    if (w.steps > 0) {
      mbarrierArriveExpect(&s.kv_full, 2 * KEYS * 2 * D);
      for (int p = 0; p < PANELS; p++) {
        tmaLoad(s.k[p], &k, &s.kv_full, p * PANEL, w.block * KEYS, w.kv, w.b);
        tmaLoad(s.v[p], &v, &s.kv_full, p * PANEL, w.block * KEYS, w.kv, w.b);
      }
      s.next.step = 0;
      s.next.rows = w.down ? w.ROWS_END - 1 : w.from;
      s.next.index = list.start[w.kv];
      for (int i = 0; i < min(STAGES - 1, w.steps); i++) {
        load_step(s, q, dO, lse2, delta, list, heads, padded, w);
      }
    }
  }
  __syncthreads();
  if (threadIdx.x >= GROUPS * 128) {
    registersDecrease<DQ_REGISTERS>();
    query_gradients(s, q, dO, lse2, delta, dq_sum, turns, list, heads, padded);
  } else {
    registersIncrease<SCORE_REGISTERS>();
    key_gradients(s, dk, dv, dk_row, dv_row, T, scale, scale2);
  }
#endif
}

// dq [B*T, h*d] = scale dq_sum in bf16. Grid (ceil(T / 64), h, B), 128 threads.
extern "C" __global__ void __launch_bounds__(128)
    attention_backward_finish(const float* __restrict__ dq_sum, bf16* __restrict__ dq, int T,
                              long long dq_row, float scale) {
  long long tiles = (long long)ceil_div(T, ROWS) * (ROWS / 64);
  long long tile = ((long long)blockIdx.z * gridDim.y + blockIdx.y) * tiles + blockIdx.x;
  const float* from = dq_sum + tile * (64 * D) + 4 * threadIdx.x;
  float x[D / 2];
#pragma unroll
  for (int j = 0; j < D / 8; j++) {
    float4 v = *reinterpret_cast<const float4*>(from + j * 512);
    x[4 * j] = v.x;
    x[4 * j + 1] = v.y;
    x[4 * j + 2] = v.z;
    x[4 * j + 3] = v.w;
  }
  store_rows(dq + (long long)blockIdx.z * T * dq_row + blockIdx.y * D, dq_row, blockIdx.x * 64, T,
             scale, x);
}
