// Causal attention forward on any device from sm_80 on: bf16 with mma.sync, float32 with plain FMA.
//
// A block works on BM query rows of one head and walks over its tiles of BN keys from the last to the first, with a running
// softmax in base 2 (FlashAttention-2: Dao, arXiv:2307.08691). The heaviest query tiles are launched first.
// nvrtc: -DBF16=1 -DHEAD_DIM=32
// nvrtc: -DBF16=1 -DHEAD_DIM=128
// nvrtc: -DBF16=0 -DHEAD_DIM=20
// nvrtc: -DBF16=0 -DHEAD_DIM=128
// nvrtc: -DBF16=1 -DHEAD_DIM=64 -DWINDOW=1
// nvrtc: -DBF16=0 -DHEAD_DIM=64 -DWINDOW=1
#include "attention_forward.cuh"
#include "attention_keys.cuh"
#include "attention_window.cuh"
#include "common.cuh"
#include "hopper.cuh"

using namespace hopper;

#ifndef HEAD_DIM
#define HEAD_DIM 128
#endif
// All addresses and strides are multiples of 16 bytes.
#ifndef ALIGNED
#define ALIGNED (HEAD_DIM % (BF16 ? 8 : 4) == 0)
#endif

constexpr int DIM = HEAD_DIM;
// Zero-padded inside; bf16 takes multiples of 16 only.
constexpr int D = (DIM + 15) / 16 * 16;
static_assert(!BF16 || (D == DIM && ALIGNED), "head dims of bf16 are multiples of 16, aligned to 16 bytes");
constexpr int BM = 64;
constexpr int BN = D <= 64 ? 64 : BF16 && D <= 128 ? 64 : 32;
constexpr int THREADS = BF16 ? 128 : 256;
constexpr int UNIT = 16 / sizeof(elem);
constexpr int UNITS = D / UNIT;

struct Arguments {
  Keys k;
  Keys v;
  const elem *q;         // [batch · T, ≥ heads · D], rows queryStride apart, head h at column h · D
  elem *o;               // like q, rows outStride apart
  float *lse;            // [batch, heads, T] or null
  long long queryStride;
  long long outStride;
  int queries;           // T
  int heads;
  int offset;     // absolute position of query row 0; keys = offset + T
  float scale;
#if WINDOW
  int window;
  int sinks;
#endif
};

/** What a block works on. */
struct Job {
  int batch;
  int head;
  int first;     // query row
  int tiles;     // of keys
#if WINDOW
  int oldest;    // tile of the first key in the first row's window
  int sinkTiles; // tiles with sinks
#endif
  int keys;
  const elem *q; // row `first`
  const elem *k;
  const elem *v;
};

DEVICE Job jobOf(const Arguments &a, const Heads &heads) {
  Job job;
  job.batch = blockIdx.x / a.heads;
  int i = blockIdx.x % a.heads;
  job.head = heads.query[i];
  job.first = (gridDim.y - 1 - blockIdx.y) * BM;
  job.keys = a.offset + a.queries;
  job.tiles = (a.offset + min(job.first + BM, a.queries) - 1) / BN + 1;
#if WINDOW
  job.oldest = max(a.offset + job.first - a.window + 1, 0) / BN;
  job.sinkTiles = (a.sinks + BN - 1) / BN;
#endif
  job.q = a.q + ((long long)job.batch * a.queries + job.first) * a.queryStride + job.head * DIM;
  job.k = a.k.at + job.batch * a.k.batchStride + heads.kv[i] * a.k.headStride;
  job.v = a.v.at + job.batch * a.v.batchStride + heads.kv[i] * a.v.headStride;
  return job;
}

// The key tile before tile n that any row sees, or -1; and going there.
#if WINDOW
DEVICE int before(const Job &job, int n) { return n == job.oldest && n > job.sinkTiles ? job.sinkTiles - 1 : n - 1; }
#define BEFORE(n) before(job, n)
#define GO_BACK(n) n = before(job, n)
#else
#define BEFORE(n) n - 1
#define GO_BACK(n) n--
#endif

DEVICE float *lseAt(const Arguments &a, const Job &job, int row) {
  return a.lse + ((long long)job.batch * a.heads + job.head) * a.queries + job.first + row;
}

#if BF16
/** 16-byte units of a row in shared memory lie at unit ^ swizzle(row): no bank conflicts of ldmatrix. */
DEVICE int swizzle(int row) {
  return D % 64 == 0 ? row % 8 : D % 32 == 0 ? row / 2 % 4 : row / 4 % 2;
}

DEVICE void loadTile(elem *to, const elem *from, long long stride, int first, int count) {
#pragma unroll
  for (int i = threadIdx.x; i < BN * UNITS; i += THREADS) {
    int row = i / UNITS, unit = i % UNITS;
    bool inside = first + row < count;
    cpAsync16(to + (row * UNITS + (unit ^ swizzle(row))) * UNIT,
              from + (inside ? (long long)(first + row) * stride + unit * UNIT : 0), inside ? 16 : 0);
  }
}

/**
 * Grid (batch · heads, query tiles), THREADS threads, 4 · BN · D elements of shared memory: two stages of a key and a value
 * tile. Each warp has 16 query rows.
 */
extern "C" __global__ void __launch_bounds__(THREADS)
    attention_forward(const __grid_constant__ Arguments a, const __grid_constant__ Heads heads) {
  extern __shared__ __align__(128) unsigned char shared[];
  elem *tiles = (elem *)shared;
  Job job = jobOf(a, heads);
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int row = 16 * warp + lane / 4;
  int column = 2 * (lane % 4);
  float scale2 = a.scale * LOG2E;
#if WINDOW
  int window = a.window, sinks = a.sinks;
#endif

  auto fetch = [&](int n, int stage) {
    if (n >= 0) {
      elem *at = tiles + stage * 2 * BN * D;
      loadTile(at, job.k, a.k.tokenStride, n * BN, job.keys);
      loadTile(at + BN * D, job.v, a.v.tokenStride, n * BN, job.keys);
    }
    cpAsyncCommit();
  };
  fetch(job.tiles - 1, 0);

  // Queries as the left operand, straight from memory; zeros beyond T.
  constexpr bool KEEP = D <= 128;
  unsigned q[KEEP ? D / 16 : 1][4];
  auto loadQuery = [&](unsigned (&to)[4], int c) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int r = row + i % 2 * 8;
      to[i] = job.first + r < a.queries ? *(const unsigned *)(job.q + r * a.queryStride + 16 * c + i / 2 * 8 + column) : 0u;
    }
  };
  if constexpr (KEEP) {
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
      loadQuery(q[c], c);
    }
  }
  float o[D / 8][4] = {};
  float max[2] = {NO_SCORE, NO_SCORE};
  float sum[2] = {0, 0};
  int position = a.offset + job.first + row;

  int stage = 0;
  for (int n = job.tiles - 1; n >= 0; GO_BACK(n)) {
    fetch(BEFORE(n), stage ^ 1);
    cpAsyncWait<1>();
    __syncthreads();
    unsigned kBase = sharedAddress(tiles + stage * 2 * BN * D), vBase = kBase + BN * D * 2;
    float s[BN / 8][4] = {};
#pragma unroll
    for (int c = 0; c < D / 16; c++) {
      unsigned(&left)[4] = q[KEEP ? c : 0];
      if constexpr (!KEEP) {
        loadQuery(left, c);
      }
#pragma unroll
      for (int j = 0; j < BN / 16; j++) {
        int r = 16 * j + lane / 16 * 8 + lane % 8;
        int unit = 2 * c + lane / 8 % 2;
        unsigned b0, b1, b2, b3;
        ldmatrix4(b0, b1, b2, b3, kBase + (r * UNITS + (unit ^ swizzle(r))) * 16);
        float(&x)[4] = s[2 * j];
        float(&y)[4] = s[2 * j + 1];
        mma16816(x[0], x[1], x[2], x[3], left[0], left[1], left[2], left[3], b0, b1);
        mma16816(y[0], y[1], y[2], y[3], left[0], left[1], left[2], left[3], b2, b3);
      }
    }
    bool masked = (n + 1) * BN - 1 > a.offset + job.first;
#if WINDOW
    masked |= a.offset + job.first + BM - 1 - n * BN >= window;
#endif
    if (masked) {
#pragma unroll
      for (int j = 0; j < BN / 8; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
          if (hidden(n * BN + 8 * j + column + e % 2, position + e / 2 * 8 WINDOW_VALUES)) {
            s[j][e] = NO_SCORE;
          }
        }
      }
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float m = max[r];
#pragma unroll
      for (int j = 0; j < BN / 8; j++) {
        m = fmaxf(m, fmaxf(s[j][2 * r], s[j][2 * r + 1]));
      }
      m = fmaxf(m, __shfl_xor_sync(FULL_WARP, m, 1));
      m = fmaxf(m, __shfl_xor_sync(FULL_WARP, m, 2));
      float finite = m == NO_SCORE ? 0.f : m;
      float factor = exp2_fast((max[r] - finite) * scale2);
      float shift = finite * scale2;
      max[r] = m;
      float add = 0;
#pragma unroll
      for (int j = 0; j < BN / 8; j++) {
        s[j][2 * r] = exp2_fast(fmaf(s[j][2 * r], scale2, -shift));
        s[j][2 * r + 1] = exp2_fast(fmaf(s[j][2 * r + 1], scale2, -shift));
        add += s[j][2 * r] + s[j][2 * r + 1];
      }
      sum[r] = fmaf(sum[r], factor, add);
#pragma unroll
      for (int j = 0; j < D / 8; j++) {
        o[j][2 * r] *= factor;
        o[j][2 * r + 1] *= factor;
      }
    }
#pragma unroll
    for (int j = 0; j < BN / 16; j++) {
      unsigned a0 = pack_bf16(s[2 * j][0], s[2 * j][1]), a1 = pack_bf16(s[2 * j][2], s[2 * j][3]);
      unsigned a2 = pack_bf16(s[2 * j + 1][0], s[2 * j + 1][1]), a3 = pack_bf16(s[2 * j + 1][2], s[2 * j + 1][3]);
#pragma unroll
      for (int c = 0; c < D / 16; c++) {
        int r = 16 * j + lane % 16;
        int unit = 2 * c + lane / 16;
        unsigned b0, b1, b2, b3;
        ldmatrix4Trans(b0, b1, b2, b3, vBase + (r * UNITS + (unit ^ swizzle(r))) * 16);
        float(&x)[4] = o[2 * c];
        float(&y)[4] = o[2 * c + 1];
        mma16816(x[0], x[1], x[2], x[3], a0, a1, a2, a3, b0, b1);
        mma16816(y[0], y[1], y[2], y[3], a0, a1, a2, a3, b2, b3);
      }
    }
    __syncthreads();
    stage ^= 1;
  }
  cpAsyncWait<0>();
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float total = sum[r];
    total += __shfl_xor_sync(FULL_WARP, total, 1);
    total += __shfl_xor_sync(FULL_WARP, total, 2);
    float inverse = 1.f / total;
    int at = row + 8 * r;
    if (job.first + at < a.queries) {
      elem *to = a.o + ((long long)job.batch * a.queries + job.first + at) * a.outStride + job.head * DIM + column;
#pragma unroll
      for (int j = 0; j < D / 8; j++) {
        *(unsigned *)(to + 8 * j) = pack_bf16(o[j][2 * r] * inverse, o[j][2 * r + 1] * inverse);
      }
      if (lane % 4 == 0 && a.lse != nullptr) {
        *lseAt(a, job, at) = fmaf(max[r], a.scale, __logf(total));
      }
    }
  }
}
#else
constexpr int STRIDE = D + 4;       // of rows of Q and K in shared memory: no bank conflicts
constexpr int SCORES = BN + 4;      // of rows of P
constexpr int PER_THREAD = BN / 16; // keys of a thread, 16 apart
constexpr int PARTS = (D / 4 + 15) / 16; // groups of four output columns of a thread, 64 apart

/** Rows [first, first + rows) of one head, zero-padded. */
DEVICE void loadRows(float *to, int toStride, const float *from, long long stride, int first, int rows, int count) {
  for (int i = threadIdx.x; i < rows * UNITS; i += THREADS) {
    int row = i / UNITS, unit = i % UNITS;
    bool inside = first + row < count;
    const float *source = from + (inside ? (long long)(first + row) * stride + unit * 4 : 0);
    float v[4] = {0, 0, 0, 0};
    if (inside) {
      if (!ALIGNED) {
        load_some(source, DIM - unit * 4, v);
      } else if (D == DIM || unit * 4 < DIM) {
        load(source, v);
      }
    }
    store(to + row * toStride + unit * 4, v);
  }
}

/**
 * Grid (batch · heads, query tiles), THREADS threads, shared memory 4 · (BM · (STRIDE + SCORES) + BN · (STRIDE + D)) bytes.
 * Thread (y, x) of 16 × 16 has rows 4y … 4y + 3, keys x + 16i of a tile and output columns 4x + 64i ….
 */
extern "C" __global__ void __launch_bounds__(THREADS)
    attention_forward(const __grid_constant__ Arguments a, const __grid_constant__ Heads heads) {
  extern __shared__ __align__(128) unsigned char shared[];
  float *q = (float *)shared;
  float *p = q + BM * STRIDE;
  float *k = p + BM * SCORES;
  float *v = k + BN * STRIDE;
  Job job = jobOf(a, heads);
  int x = threadIdx.x % 16, y = threadIdx.x / 16;
  float scale2 = a.scale * LOG2E;
#if WINDOW
  int window = a.window, sinks = a.sinks;
#endif
  loadRows(q, STRIDE, job.q, a.queryStride, 0, BM, a.queries - job.first);
  float o[4][PARTS][4] = {};
  float max[4] = {NO_SCORE, NO_SCORE, NO_SCORE, NO_SCORE};
  float sum[4] = {0, 0, 0, 0};

  for (int n = job.tiles - 1; n >= 0; GO_BACK(n)) {
    __syncthreads();
    loadRows(k, STRIDE, job.k, a.k.tokenStride, n * BN, BN, job.keys);
    loadRows(v, D, job.v, a.v.tokenStride, n * BN, BN, job.keys);
    __syncthreads();
    float s[4][PER_THREAD] = {};
#pragma unroll 4
    for (int c = 0; c < D; c += 4) {
      float4 left[4];
#pragma unroll
      for (int r = 0; r < 4; r++) {
        left[r] = *(const float4 *)(q + (4 * y + r) * STRIDE + c);
      }
#pragma unroll
      for (int j = 0; j < PER_THREAD; j++) {
        float4 right = *(const float4 *)(k + (x + 16 * j) * STRIDE + c);
#pragma unroll
        for (int r = 0; r < 4; r++) {
          s[r][j] = fmaf(left[r].x, right.x, s[r][j]);
          s[r][j] = fmaf(left[r].y, right.y, s[r][j]);
          s[r][j] = fmaf(left[r].z, right.z, s[r][j]);
          s[r][j] = fmaf(left[r].w, right.w, s[r][j]);
        }
      }
    }
    float factor[4];
#pragma unroll
    for (int r = 0; r < 4; r++) {
      int last = a.offset + job.first + 4 * y + r - n * BN;
      float m = NO_SCORE;
#pragma unroll
      for (int j = 0; j < PER_THREAD; j++) {
        s[r][j] = x + 16 * j <= last ? s[r][j] : NO_SCORE;
#if WINDOW
        s[r][j] = last - (x + 16 * j) >= window && n * BN + x + 16 * j >= sinks ? NO_SCORE : s[r][j];
#endif
        m = fmaxf(m, s[r][j]);
      }
      m = fmaxf(max[r], warp_max<16>(m));
      float finite = m == NO_SCORE ? 0.f : m;
      factor[r] = exp2f((max[r] - finite) * scale2);
      max[r] = m;
      float add = 0;
#pragma unroll
      for (int j = 0; j < PER_THREAD; j++) {
        float weight = exp2f((s[r][j] - finite) * scale2);
        add += weight;
        p[(4 * y + r) * SCORES + x + 16 * j] = weight;
      }
      sum[r] = fmaf(sum[r], factor[r], add);
    }
    // Rows 4y … belong to one half of a warp: no other warp reads these weights.
    __syncwarp();
    float add[4][PARTS][4] = {};
#pragma unroll 2
    for (int j = 0; j < BN; j += 4) {
      float4 weights[4];
#pragma unroll
      for (int r = 0; r < 4; r++) {
        weights[r] = *(const float4 *)(p + (4 * y + r) * SCORES + j);
      }
#pragma unroll
      for (int c = 0; c < PARTS; c++) {
        if (D % 64 == 0 || x + 16 * c < D / 4) {
          float4 right[4];
#pragma unroll
          for (int i = 0; i < 4; i++) {
            right[i] = *(const float4 *)(v + (j + i) * D + 4 * x + 64 * c);
          }
#pragma unroll
          for (int r = 0; r < 4; r++) {
            float w[4] = {weights[r].x, weights[r].y, weights[r].z, weights[r].w};
#pragma unroll
            for (int i = 0; i < 4; i++) {
              add[r][c][0] = fmaf(w[i], right[i].x, add[r][c][0]);
              add[r][c][1] = fmaf(w[i], right[i].y, add[r][c][1]);
              add[r][c][2] = fmaf(w[i], right[i].z, add[r][c][2]);
              add[r][c][3] = fmaf(w[i], right[i].w, add[r][c][3]);
            }
          }
        }
      }
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
#pragma unroll
      for (int c = 0; c < PARTS; c++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          o[r][c][i] = fmaf(o[r][c][i], factor[r], add[r][c][i]);
        }
      }
    }
  }
#pragma unroll
  for (int r = 0; r < 4; r++) {
    float total = warp_sum<16>(sum[r]);
    int at = 4 * y + r;
    if (job.first + at < a.queries) {
      float *to = a.o + ((long long)job.batch * a.queries + job.first + at) * a.outStride + job.head * DIM;
#pragma unroll
      for (int c = 0; c < PARTS; c++) {
        int column = 4 * x + 64 * c;
        float out[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
          out[i] = o[r][c][i] / total;
        }
        if (!ALIGNED) {
          store_some(to + column, DIM - column, out);
        } else if (column < DIM) {
          store(to + column, out);
        }
      }
      if (x == 0 && a.lse != nullptr) {
        *lseAt(a, job, at) = fmaf(max[r], a.scale, logf(total));
      }
    }
  }
}
#endif
