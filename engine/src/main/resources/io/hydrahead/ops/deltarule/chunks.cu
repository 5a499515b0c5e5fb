// Chunked gated delta rule in bf16 with mma.sync (sm_80 and newer): T and the decays come from
// prepare.cu. Per chunk of C = 64 tokens, r = 1/√K, e = e^G, h = e^{G_C − G}, vectors scale rows:
//
//   X = β ⊙ (V − e ⊙ K S),  V′ = T X,  O = r (e ⊙ Q S + (Γ ⊙ Q Kᵀ) V′),  S ← e^{G_C} S + Kᵀ (h ⊙ V′)
//
// Value columns do not interact, so a warp takes 16 of them and keeps its columns of S, transposed, in
// float32 accumulators. Everything is computed transposed, (K S)ᵀ = Sᵀ Kᵀ and so on: then each product's
// accumulators are the left operand of the next in the same registers, and the chain over the chunks
// needs no shared memory and no barrier. (Γ ⊙ Q Kᵀ) is made by warps of its own meanwhile.
//
// Few heads and long text: the text is cut into segments that run side by side. A first pass
// (SEGMENT_ENDS) computes for each segment the state that it leaves when it starts from nothing, and
// the matrix that takes a state through it, which is the same chain with V = 0 and S = I; combine.cu
// makes the states at the segments' starts; the second pass starts from them. A segment that forgets
// everything (e^G < 2^-40) needs neither its first chunks nor the matrix.
//
// The chunked form is that of Gated DeltaNet (Yang et al., arXiv:2412.06464; flash-linear-attention). From FlashQLA
// (github.com/QwenLM/FlashQLA): segments with a matrix each, which heads that forget do not need.
//
// KEY_DIM, VALUE_DIM, VALUE_COLUMNS (of a block): multiples of 16; SEGMENT_ENDS: 0 or 1.
//
// nvrtc: -DBF16=1 -DKEY_DIM=16 -DVALUE_DIM=16 -DVALUE_COLUMNS=16 -DSEGMENT_ENDS=0
// nvrtc: -DBF16=1 -DKEY_DIM=32 -DVALUE_DIM=32 -DVALUE_COLUMNS=32 -DSEGMENT_ENDS=0
// nvrtc: -DBF16=1 -DKEY_DIM=32 -DVALUE_DIM=32 -DVALUE_COLUMNS=32 -DSEGMENT_ENDS=1
// nvrtc: -DBF16=1 -DKEY_DIM=128 -DVALUE_DIM=128 -DVALUE_COLUMNS=64 -DSEGMENT_ENDS=0
#include "common.cuh"
#include "hopper.cuh"
#include "segments.cuh"

constexpr int K = KEY_DIM;
constexpr int V = VALUE_DIM;
constexpr int C = 64;
constexpr int COLUMNS = VALUE_COLUMNS;
constexpr int RECORD = 5 * C;
constexpr bool OUTPUT = !SEGMENT_ENDS;
constexpr int CHAINS = COLUMNS / 16;
constexpr int SCORERS = OUTPUT ? (K <= 32 ? 2 : 4) : 0;
constexpr int THREADS = 32 * (CHAINS + SCORERS);

// Bytes; rows are padded so that eight of them lie in different banks.
constexpr int KEY_ROW = 2 * K + 16;
constexpr int VALUE_ROW = 2 * COLUMNS + 16;
// Lower triangular matrices (T, P): the ten blocks of 16×16 on and below the diagonal.
constexpr int BLOCK = 512;
constexpr int SQUARE = 10 * BLOCK;
constexpr int AT_Q = C * KEY_ROW;
constexpr int AT_V = OUTPUT ? 2 * AT_Q : AT_Q;
constexpr int AT_T = AT_V + C * VALUE_ROW;
constexpr int AT_RECORD = AT_T + SQUARE;
constexpr int STAGE = AT_RECORD + 4 * RECORD;
[[maybe_unused]] constexpr int AT_P = 2 * STAGE;
constexpr int SHARED = 2 * STAGE + (OUTPUT ? SQUARE : 0);
// Blocks on a multiprocessor: as many as shared memory and 128 registers a thread allow, but for the widest heads, whose
// states need more registers.
constexpr int FIT = 232448 / (SHARED + 1024);
constexpr int RESIDENT = K > 64 || FIT < 1 ? 1 : FIT < 512 / THREADS ? FIT : 512 / THREADS;

DEVICE unsigned transposed(unsigned x) {
  unsigned r;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(x));
  return r;
}

struct Frag {
  unsigned r[4];
};

// Rows 0-15 and 16 columns of 16 bits from `address`: matrices {0-7, 0-7}, {8-15, 0-7}, {0-7, 8-15}, {8-15, 8-15}.
DEVICE Frag rows16(unsigned address, int pitch) {
  int lane = threadIdx.x % 32;
  Frag f;
  hopper::ldmatrix4(f.r[0], f.r[1], f.r[2], f.r[3], address + (lane % 16) * pitch + (lane / 16) * 16);
  return f;
}

DEVICE Frag rows16_transposed(unsigned address, int pitch) {
  int lane = threadIdx.x % 32;
  Frag f;
  hopper::ldmatrix4Trans(f.r[0], f.r[1], f.r[2], f.r[3],
                         address + (lane % 16) * pitch + (lane / 16) * 16);
  return f;
}

DEVICE void mma(float (&d)[4], const unsigned* a, unsigned b0, unsigned b1) {
  hopper::mma16816(d[0], d[1], d[2], d[3], a[0], a[1], a[2], a[3], b0, b1);
}

DEVICE constexpr int block_at(int i, int j) { return (i * (i + 1) / 2 + j) * BLOCK; }

// Columns 8 half and following of a row of a block: every other four rows are swapped, for the banks again.
DEVICE int in_block(int row, int half) { return row * 32 + ((half ^ (row / 4)) & 1) * 16; }

DEVICE Frag block16(unsigned address) {
  int lane = threadIdx.x % 32;
  Frag f;
  hopper::ldmatrix4(f.r[0], f.r[1], f.r[2], f.r[3], address + in_block(lane % 16, lane / 16));
  return f;
}

struct Inputs {
  const bf16* q;
  const bf16* k;
  const bf16* v;
  const bf16* inverse;
  const float* records;
  long long qStride, kStride, vStride;
  int tokens;
  int lead;
  bool values;
};

// Starts the copies of rows `first` to first + 63 of UNITS · 8 columns; what lies outside of the sequence becomes zeros.
// The neighbouring heads' columns are wanted by other blocks at about the same time.
template <int UNITS>
DEVICE void fetch_rows(char* to, int pitch, const bf16* from, long long stride, int first, int tokens) {
  static_assert(THREADS % UNITS == 0, "threads take whole rows");
  constexpr int STEP = THREADS / UNITS;
  int column = threadIdx.x % UNITS;
  int row = threadIdx.x / UNITS;
  const bf16* p = from + (first + row) * stride + 8 * column;
  to += row * pitch + 16 * column;
#pragma unroll
  for (int i = 0; i < C; i += STEP) {
    if (i + STEP <= C || row + i < C) {
      bool inside = (unsigned)(first + row + i) < (unsigned)tokens;
      hopper::cpAsync16Ahead(to + i * pitch, inside ? p : from, inside ? 16 : 0);
    }
    p += STEP * stride;
  }
}

// This thread's share of copying T: places of 16 bytes in memory (in elements) and in shared memory.
constexpr int T_UNITS = (320 + THREADS - 1) / THREADS;
struct Places {
  int from[T_UNITS];
  int to[T_UNITS];
};

DEVICE Places places() {
  Places x;
#pragma unroll
  for (int n = 0; n < T_UNITS; n++) {
    int u = threadIdx.x + n * THREADS;
    int b = u / 32;
    int row = u / 2 % 16;
    int i = (b >= 1) + (b >= 3) + (b >= 6);
    int j = b - i * (i + 1) / 2;
    x.from[n] = (16 * i + row) * C + 16 * j + 8 * (u % 2);
    x.to[n] = AT_T + b * BLOCK + in_block(row, u % 2);
  }
  return x;
}

// Starts the copies of one chunk of one head to shared memory.
DEVICE void fetch(const Inputs& in, const Places& places, int chunk, char* stage) {
  int first = chunk * C - in.lead;
  fetch_rows<K / 8>(stage, KEY_ROW, in.k, in.kStride, first, in.tokens);
  if (OUTPUT) {
    fetch_rows<K / 8>(stage + AT_Q, KEY_ROW, in.q, in.qStride, first, in.tokens);
  }
  if (in.values) {
    fetch_rows<COLUMNS / 8>(stage + AT_V, VALUE_ROW, in.v, in.vStride, first, in.tokens);
  }
  const bf16* inverse = in.inverse + (long long)chunk * C * C;
#pragma unroll
  for (int n = 0; n < T_UNITS; n++) {
    if ((n + 1) * THREADS <= 320 || threadIdx.x + n * THREADS < 320) {
      hopper::cpAsync16Ahead(stage + places.to[n], inverse + places.from[n]);
    }
  }
  const float* record = in.records + (long long)chunk * RECORD;
#pragma unroll
  for (int n = 0; n < RECORD / 4; n += THREADS) {
    int u = threadIdx.x + n;
    if (n + THREADS <= RECORD / 4 || u < RECORD / 4) {
      hopper::cpAsync16(stage + AT_RECORD + 16 * u, record + 4 * u);
    }
  }
  hopper::cpAsyncCommit();
}

// Two neighbouring floats of row `row` of the record, at columns 8 tile + 2 (lane % 4).
DEVICE float2 gates(const float* record, int row, int tile) {
  return *reinterpret_cast<const float2*>(record + row * C + 8 * tile + 2 * (threadIdx.x % 4));
}

// A product with a lower triangular 64×64 matrix in shared memory: d[16, 64] += a[16, 64] · matrixᵀ.
DEVICE void times_lower(float (&d)[8][4], const unsigned (&a)[16], unsigned matrix) {
#pragma unroll
  for (int k = 0; k < 4; k++) {
#pragma unroll
    for (int i = k; i < 4; i++) {
      Frag b = block16(matrix + block_at(i, k));
      mma(d[2 * i], a + 4 * k, b.r[0], b.r[2]);
      mma(d[2 * i + 1], a + 4 * k, b.r[1], b.r[3]);
    }
  }
}

// d[16, 64] = a[16, K] · rowsᵀ, 64 rows of K in shared memory.
DEVICE void times_rows(float (&d)[8][4], const unsigned (&a)[K / 4], unsigned rows) {
#pragma unroll
  for (int i = 0; i < 8; i++) {
#pragma unroll
    for (int x = 0; x < 4; x++) {
      d[i][x] = 0.f;
    }
  }
#pragma unroll
  for (int k = 0; k < K / 16; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      Frag b = rows16(rows + 16 * i * KEY_ROW + 32 * k, KEY_ROW);
      mma(d[2 * i], a + 4 * k, b.r[0], b.r[2]);
      mma(d[2 * i + 1], a + 4 * k, b.r[1], b.r[3]);
    }
  }
}

// r Γ ⊙ Q Kᵀ: rows 16 i and following, to P in shared memory.
template <int i>
DEVICE void score_rows(unsigned stage, const float* record, char* p) {
  int lane = threadIdx.x % 32;
  int g = lane / 4;
  int t = 2 * (lane % 4);
  float norm = rsqrtf((float)K);
  float d[8][4] = {};
#pragma unroll
  for (int k = 0; k < K / 16; k++) {
    Frag a = rows16(stage + AT_Q + 16 * i * KEY_ROW + 32 * k, KEY_ROW);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      if (j <= i) {
        Frag b = rows16(stage + 16 * j * KEY_ROW + 32 * k, KEY_ROW);
        mma(d[2 * j], a.r, b.r[0], b.r[2]);
        mma(d[2 * j + 1], a.r, b.r[1], b.r[3]);
      }
    }
  }
  // Γ left of the diagonal's block is a product of two factors ≤ 1, from the column to row 16 i and on to the row.
  float first = record[16 * i];
  float firstLow = record[C + 16 * i];
  float high[2] = {record[16 * i + g], record[16 * i + g + 8]};
  float low[2] = {record[C + 16 * i + g], record[C + 16 * i + g + 8]};
  float to[2];
#pragma unroll
  for (int y = 0; y < 2; y++) {
    to[y] = norm * exp2_fast(fminf((high[y] - first) + (low[y] - firstLow), 0.f));
  }
#pragma unroll
  for (int j = 0; j < 8; j++) {
    if (j > 2 * i + 1) {
      continue;
    }
    float2 h = gates(record, 0, j);
    float2 l = gates(record, 1, j);
    bool diagonal = j >= 2 * i;
    float2 from;
    if (!diagonal) {
      from.x = exp2_fast(fminf((first - h.x) + (firstLow - l.x), 0.f));
      from.y = exp2_fast(fminf((first - h.y) + (firstLow - l.y), 0.f));
    }
#pragma unroll
    for (int y = 0; y < 2; y++) {
      float a, b;
      if (diagonal) {
        int row = g + 8 * y;
        int column = 8 * (j % 2) + t;
        a = norm * exp2_fast(fminf((high[y] - h.x) + (low[y] - l.x), 0.f));
        b = norm * exp2_fast(fminf((high[y] - h.y) + (low[y] - l.y), 0.f));
        a = row >= column ? a * d[j][2 * y] : 0.f;
        b = row >= column + 1 ? b * d[j][2 * y + 1] : 0.f;
      } else {
        a = to[y] * from.x * d[j][2 * y];
        b = to[y] * from.y * d[j][2 * y + 1];
      }
      *reinterpret_cast<unsigned*>(p + block_at(i, j / 2) + in_block(g + 8 * y, j % 2) + 2 * t) =
          pack_bf16(a, b);
    }
  }
}

// One chunk's scores, the row blocks shared out over the warps.
DEVICE void score(int warp, unsigned stage, const float* record, char* p) {
  if (warp == 0) {
    score_rows<0>(stage, record, p);
  }
  if (warp == 1) {
    score_rows<1>(stage, record, p);
  }
  if (warp == SCORERS / 2) {
    score_rows<2>(stage, record, p);
  }
  if (warp == (SCORERS == 4 ? 3 : 0)) {
    score_rows<3>(stage, record, p);
  }
}

// The 16 value columns of one warp: s[j] of lane l are S[8 j + 2 (l % 4), …][l / 4] and that + 1, then column l / 4 + 8.
struct Chain {
  float s[K / 8][4];

  // state [K, width] from this warp's first column.
  DEVICE void start(const float* state, int width) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < K / 8; j++) {
      const float* p = state + (8 * j + 2 * (lane % 4)) * width + lane / 4;
      s[j][0] = p[0];
      s[j][1] = p[width];
      s[j][2] = p[8];
      s[j][3] = p[width + 8];
    }
  }

  DEVICE void end(float* state, int width) const {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < K / 8; j++) {
      float* p = state + (8 * j + 2 * (lane % 4)) * width + lane / 4;
      p[0] = s[j][0];
      p[width] = s[j][1];
      p[8] = s[j][2];
      p[width + 8] = s[j][3];
    }
  }

  // Zeros, or rows `first` to first + 15 of the identity.
  DEVICE void start_from(bool identity, int first) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < K / 8; j++) {
      int row = 8 * j + 2 * (lane % 4);
      int column = first + lane / 4;
      s[j][0] = identity && row == column ? 1.f : 0.f;
      s[j][1] = identity && row + 1 == column ? 1.f : 0.f;
      s[j][2] = identity && row == column + 8 ? 1.f : 0.f;
      s[j][3] = identity && row + 1 == column + 8 ? 1.f : 0.f;
    }
  }

  DEVICE void save(bf16* to) const {
    int lane = threadIdx.x % 32;
    bf16* p = to + lane / 4 * V + 2 * (lane % 4);
#pragma unroll
    for (int j = 0; j < K / 8; j++) {
      unsigned left = transposed(pack_bf16(s[j][0], s[j][1]));
      unsigned right = transposed(pack_bf16(s[j][2], s[j][3]));
      *reinterpret_cast<unsigned*>(p + 8 * j * V) = left;
      *reinterpret_cast<unsigned*>(p + 8 * j * V + 8) = right;
    }
  }

  // Takes the state through a chunk. `values` points at this warp's columns of V, and gets O there.
  DEVICE void advance(unsigned stage, const float* record, unsigned values, char* out, unsigned p,
                      bool useValues) {
    int lane = threadIdx.x % 32;
    unsigned a[K / 4];
#pragma unroll
    for (int j = 0; j < K / 8; j++) {
      a[2 * j] = pack_bf16(s[j][0], s[j][1]);
      a[2 * j + 1] = pack_bf16(s[j][2], s[j][3]);
    }
    float y[8][4];
    times_rows(y, a, stage);
    unsigned x[16];
#pragma unroll
    for (int j = 0; j < 8; j += 2) {
      Frag f = {};
      if (useValues) {
        // Matrices: tokens 0-7 columns 0-7, tokens 8-15 columns 0-7, then columns 8-15.
        f = rows16_transposed(values + 8 * j * VALUE_ROW, VALUE_ROW);
      }
#pragma unroll
      for (int n = 0; n < 2; n++) {
        float2 e = gates(record, 2, j + n);
        float2 b = gates(record, 4, j + n);
        unsigned top = f.r[n];
        unsigned bottom = f.r[2 + n];
        float(&d)[4] = y[j + n];
        x[2 * (j + n)] = pack_bf16(b.x * fmaf(-e.x, d[0], low_bf16(top)),
                                   b.y * fmaf(-e.y, d[1], high_bf16(top)));
        x[2 * (j + n) + 1] = pack_bf16(b.x * fmaf(-e.x, d[2], low_bf16(bottom)),
                                       b.y * fmaf(-e.y, d[3], high_bf16(bottom)));
      }
    }
    float v[8][4] = {};
    times_lower(v, x, stage + AT_T);
    unsigned write[16];
#pragma unroll
    for (int j = 0; j < 8; j++) {
      float2 h = gates(record, 3, j);
      write[2 * j] = pack_bf16(h.x * v[j][0], h.y * v[j][1]);
      write[2 * j + 1] = pack_bf16(h.x * v[j][2], h.y * v[j][3]);
      x[2 * j] = pack_bf16(v[j][0], v[j][1]);
      x[2 * j + 1] = pack_bf16(v[j][2], v[j][3]);
    }
    float keep = record[2 * C + C - 1];
#pragma unroll
    for (int j = 0; j < K / 8; j += 2) {
#pragma unroll
      for (int n = 0; n < 2; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          s[j + n][i] *= keep;
        }
      }
#pragma unroll
      for (int t = 0; t < 4; t++) {
        Frag b = rows16_transposed(stage + 16 * t * KEY_ROW + 16 * j, KEY_ROW);
        mma(s[j], write + 4 * t, b.r[0], b.r[1]);
        mma(s[j + 1], write + 4 * t, b.r[2], b.r[3]);
      }
    }
    if (OUTPUT) {
      // Late, because the state packed takes fewer registers than this product.
      float o[8][4];
      times_rows(o, a, stage + AT_Q);
      float norm = rsqrtf((float)K);
#pragma unroll
      for (int j = 0; j < 8; j++) {
        float2 e = gates(record, 2, j);
        o[j][0] *= norm * e.x;
        o[j][1] *= norm * e.y;
        o[j][2] *= norm * e.x;
        o[j][3] *= norm * e.y;
      }
      hopper::namedBarrierSync(1, THREADS);
      times_lower(o, x, p);
#pragma unroll
      for (int j = 0; j < 8; j++) {
        char* to = out + (8 * j + lane / 4) * VALUE_ROW + 4 * (lane % 4);
        *reinterpret_cast<unsigned*>(to) = transposed(pack_bf16(o[j][0], o[j][1]));
        *reinterpret_cast<unsigned*>(to + 16) = transposed(pack_bf16(o[j][2], o[j][3]));
      }
    }
  }
};

#if SEGMENT_ENDS

// Grid [(V + K) / COLUMNS · B · H, segments − 1]. ends [B, H, segments, K, V]: the state after each segment that starts
// from zeros, of the first from `state`. transitions [B, H, segments, K, K]; not written where all is forgotten.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    gdn_segment_ends(const bf16* k, long long kStride, const bf16* v, long long vStride,
                     const bf16* inverse, const float* records, const float* decays,
                     const float* state, float* ends, float* transitions, int tokens, int heads,
                     int lead, int chunks, int segmentChunks, int segments) {
  extern __shared__ __align__(16) char shared[];
  constexpr int GROUPS = (V + K) / COLUMNS;
  int group = blockIdx.x % GROUPS;
  int index = blockIdx.x / GROUPS;
  int segment = blockIdx.y;
  int head = index % heads;
  long long row = (long long)(index / heads) * tokens;
  bool values = group < V / COLUMNS;
  int column = values ? group * COLUMNS : group * COLUMNS - V;
  if (segment == 0 && !values) {
    return;
  }
  int from = segment * segmentChunks;
  int to = from + segmentChunks;
  decays += (long long)index * chunks;
  int felt = first_felt(decays, from, to);
  if (felt >= 0) {
    if (!values) {
      return;
    }
    from = felt;
  }
  Inputs in = {nullptr,
               k + row * kStride + (long long)head * K,
               v + row * vStride + (long long)head * V + column,
               inverse + (long long)index * chunks * C * C,
               records + (long long)index * chunks * RECORD,
               0,
               kStride,
               vStride,
               tokens,
               lead,
               values};
  int warp = threadIdx.x / 32;
  Chain chain;
  if (segment == 0 && felt < 0) {
    chain.start(state + (long long)index * K * V + column + 16 * warp, V);
  } else {
    chain.start_from(!values, column + 16 * warp);
  }
  Places copied = places();
  fetch(in, copied, from, shared);
  for (int c = from; c < to; c++) {
    char* stage = shared + (c - from) % 2 * STAGE;
    hopper::cpAsyncWait<0>();
    __syncthreads();
    if (c + 1 < to) {
      fetch(in, copied, c + 1, shared + (c - from + 1) % 2 * STAGE);
    }
    unsigned at = hopper::sharedAddress(stage);
    chain.advance(at, reinterpret_cast<float*>(stage + AT_RECORD), at + AT_V + 32 * warp, nullptr,
                  0, values);
  }
  long long slot = (long long)index * segments + segment;
  if (values) {
    chain.end(ends + slot * K * V + column + 16 * warp, V);
  } else {
    chain.end(transitions + slot * K * K + column + 16 * warp, K);
  }
}

#else

// Grid [V / COLUMNS · B · H, segments]. state [B, H, K, V] gets the final state, and is the initial one where `starts`
// [B, H, segments, K, V] is null. saved [B, H, chunks, K, V] or null: the states before each chunk.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    gdn_chunks(const bf16* q, long long qStride, const bf16* k, long long kStride, const bf16* v,
               long long vStride, const bf16* inverse, const float* records, const float* starts,
               float* state, bf16* out, long long outStride, bf16* saved, int tokens, int heads,
               int lead, int chunks, int segmentChunks, int segments) {
  extern __shared__ __align__(16) char shared[];
  constexpr int GROUPS = V / COLUMNS;
  int column = blockIdx.x % GROUPS * COLUMNS;
  int index = blockIdx.x / GROUPS;
  int segment = blockIdx.y;
  int head = index % heads;
  long long row = (long long)(index / heads) * tokens;
  int from = segment * segmentChunks;
  int to = min(chunks, from + segmentChunks);
  Inputs in = {q + row * qStride + (long long)head * K,
               k + row * kStride + (long long)head * K,
               v + row * vStride + (long long)head * V + column,
               inverse + (long long)index * chunks * C * C,
               records + (long long)index * chunks * RECORD,
               qStride,
               kStride,
               vStride,
               tokens,
               lead,
               true};
  out += row * outStride + (long long)head * V + column;
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  state += (long long)index * K * V + column + 16 * warp;
  if (saved != nullptr) {
    saved += (long long)index * chunks * K * V + column + 16 * warp;
  }
  Chain chain;
  if (warp < CHAINS) {
    if (starts == nullptr) {
      chain.start(state, V);
    } else {
      chain.start(starts + ((long long)index * segments + segment) * K * V + column + 16 * warp, V);
    }
  }
  char* p = shared + AT_P;
  Places copied = places();
  fetch(in, copied, from, shared);
  for (int c = from; c < to; c++) {
    char* stage = shared + (c - from) % 2 * STAGE;
    hopper::cpAsyncWait<0>();
    __syncthreads();
    if (c + 1 < to) {
      fetch(in, copied, c + 1, shared + (c - from + 1) % 2 * STAGE);
    }
    unsigned at = hopper::sharedAddress(stage);
    const float* record = reinterpret_cast<float*>(stage + AT_RECORD);
    if (warp >= CHAINS) {
      score(warp - CHAINS, at, record, p);
      hopper::namedBarrierArrive(1, THREADS);
      continue;
    }
    if (saved != nullptr) {
      chain.save(saved + (long long)c * K * V);
    }
    char* values = stage + AT_V + 32 * warp;
    chain.advance(at, record, hopper::sharedAddress(values), values, hopper::sharedAddress(p), true);
    __syncwarp();
    int first = c * C - lead;
#pragma unroll
    for (int u = lane; u < 2 * C; u += 32) {
      int t = first + u / 2;
      if (t >= 0 && t < tokens) {
        *reinterpret_cast<uint4*>(out + t * outStride + 16 * warp + 8 * (u % 2)) =
            *reinterpret_cast<uint4*>(values + u / 2 * VALUE_ROW + 16 * (u % 2));
      }
    }
  }
  if (warp < CHAINS && to == chunks) {
    chain.end(state, V);
  }
}

#endif
