// What every chunk of the gated delta rule needs before its state is known: the decays accumulated in
// the chunk, and T = Γ ⊙ A_r with the gate-free inverse A_r = (I + strictLower(β K Kᵀ))⁻¹ (with
// ‖k‖ ≤ 1 its entries stay below β, and Γ ⊙ A_r is the inverse with the gate, because Γ is a
// similarity). All chunks at once, C = 64.
//
// The inverse is forward substitution: in the four 16×16 blocks of the diagonal by columns, below it
// by blocks, A_ij = −A_ii Σ_{j≤k<i} L_ik A_kj. (The product form Π(I + L^{2^i}) overflows on repeated
// keys.) With TENSOR_CORES one warp owns one chunk and keeps L in the accumulators of K Kᵀ; block products take
// two bf16 numbers an operand, so A_r is as exact as float32 substitution to about 2^-16.
//
// Inverting without the gate is FlashQLA's idea (github.com/QwenLM/FlashQLA), merging blocks upward flash-linear-attention's.
//
// Chunks lie on a grid of absolute positions: `lead` tokens of the first chunk came before this call.
// Tokens outside of it count as zeros, with g = 0 and β = 0.
//
// TENSOR_CORES=1 (with BF16=1): KEY_DIM 16, 32, 64, 128 or 256; else any.
//
// nvrtc: -DBF16=1 -DTENSOR_CORES=1 -DKEY_DIM=32
// nvrtc: -DBF16=1 -DTENSOR_CORES=1 -DKEY_DIM=128
// nvrtc: -DBF16=1 -DTENSOR_CORES=0 -DKEY_DIM=6
// nvrtc: -DBF16=0 -DTENSOR_CORES=0 -DKEY_DIM=32
#include "common.cuh"
#include "hopper.cuh"

constexpr int K = KEY_DIM;
constexpr int C = 64;

// Rows of C floats of a chunk's record: G in units of log 2 as two floats, e = 2^G, h = 2^(G_C − G), β.
constexpr int RECORD_ROWS = 5;
constexpr int RECORD = RECORD_ROWS * C;

// Backward divides by β, which changes nothing that float32 can see of a β this small.
constexpr float SMALLEST_BETA = 9.094947e-13f;

// Of these, shared memory gets G and β.
constexpr int GATES = 3 * C;

// Lane l holds tokens 2l and 2l + 1 of the chunk that starts at row `first` (which may lie before the
// sequence). G is summed in float64: 64 steps of −30 would cost float32 1e-4 of small differences.
DEVICE void chunk_gates(const float* g, long long gStride, const float* beta, long long betaStride,
                        int first, int tokens, float* record, float* gates) {
  int lane = threadIdx.x % 32;
  int t = first + 2 * lane;
  bool in0 = t >= 0 && t < tokens;
  bool in1 = t + 1 >= 0 && t + 1 < tokens;
  double g0 = in0 ? (double)g[t * gStride] * 1.4426950408889634 : 0.0;
  double g1 = in1 ? (double)g[(t + 1) * gStride] * 1.4426950408889634 : 0.0;
  float b0 = in0 ? fmaxf(beta[t * betaStride], SMALLEST_BETA) : 0.f;
  float b1 = in1 ? fmaxf(beta[(t + 1) * betaStride], SMALLEST_BETA) : 0.f;
  double sum = g0 + g1;
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    double below = __shfl_up_sync(FULL_WARP, sum, step);
    sum += lane >= step ? below : 0.0;
  }
  double last = __shfl_sync(FULL_WARP, sum, 31);
  double before = sum - g1;
  float2 hi = make_float2((float)before, (float)sum);
  float2 lo = make_float2((float)(before - hi.x), (float)(sum - hi.y));
  float2 e = make_float2(exp2_fast(fminf(hi.x, 0.f)), exp2_fast(fminf(hi.y, 0.f)));
  float2 h = make_float2(exp2_fast(fminf((float)(last - before), 0.f)),
                         exp2_fast(fminf((float)(last - sum), 0.f)));
  float2 b = make_float2(b0, b1);
  if (record != nullptr) {
    float2 rows[RECORD_ROWS] = {hi, lo, e, h, b};
#pragma unroll
    for (int r = 0; r < RECORD_ROWS; r++) {
      reinterpret_cast<float2*>(record + r * C)[lane] = rows[r];
    }
  }
  float2* to = reinterpret_cast<float2*>(gates) + lane;
  to[0] = hi;
  to[C / 2] = lo;
  to[C] = b;
  __syncwarp();
}

// Γ_ij for i ≥ j.
DEVICE float decay_between(const float* gates, int i, int j) {
  return exp2_fast(fminf((gates[i] - gates[j]) + (gates[C + i] - gates[C + j]), 0.f));
}

#if TENSOR_CORES

constexpr int WARPS = 4;
// Bytes: rows of the key tile, padded so that eight rows lie in different banks.
constexpr int KEY_ROW = 2 * K + 16;
// T in blocks of 16×16, only those on and below the diagonal.
constexpr int T_BLOCK = 512;
// Floats: a block of the diagonal.
constexpr int BLOCK_ROW = 20;
constexpr int BLOCK = 16 * BLOCK_ROW + 4;
// T and the blocks take the keys' place once these have been multiplied.
constexpr int AT_BLOCKS = 10 * T_BLOCK;
constexpr int LATER = AT_BLOCKS + 4 * 4 * BLOCK;
constexpr int TILE = C * KEY_ROW > LATER ? C * KEY_ROW : LATER;
// Γ below the diagonal's 8×8 blocks is a product of two factors ≤ 1: from the column to the first row of the row's 8,
// for rows 8 I from float 4 I (I − 1), and on from there to the row.
constexpr int FROM_COLUMNS = 224;
constexpr int WARP_BYTES = TILE + 4 * (GATES + FROM_COLUMNS + C);

// Two bf16 numbers for every element of a 16×16 operand of mma: value = high + low.
struct Split {
  unsigned high[4];
  unsigned low[4];
};

DEVICE void split(float x, float y, unsigned& high, unsigned& low) {
  high = pack_bf16(x, y);
  low = pack_bf16(x - low_bf16(high), y - high_bf16(high));
}

// d[16, 16] += a b, leaving out low × low. b holds rows of n: {n 0-7 k 0-7, n 0-7 k 8-15, n 8-15 k 0-7, n 8-15 k 8-15}.
DEVICE void multiply(float (&d)[8], const Split& a, const Split& b) {
#pragma unroll
  for (int n = 0; n < 2; n++) {
    float* x = d + 4 * n;
    hopper::mma16816(x[0], x[1], x[2], x[3], a.low[0], a.low[1], a.low[2], a.low[3], b.high[2 * n],
                     b.high[2 * n + 1]);
    hopper::mma16816(x[0], x[1], x[2], x[3], a.high[0], a.high[1], a.high[2], a.high[3],
                     b.low[2 * n], b.low[2 * n + 1]);
    hopper::mma16816(x[0], x[1], x[2], x[3], a.high[0], a.high[1], a.high[2], a.high[3],
                     b.high[2 * n], b.high[2 * n + 1]);
  }
}

// Accumulators of a product as the left operand of the next one.
DEVICE Split left(const float (&d)[8]) {
  Split s;
#pragma unroll
  for (int r = 0; r < 4; r++) {
    split(d[2 * r], d[2 * r + 1], s.high[r], s.low[r]);
  }
  return s;
}

// Accumulators of X as the right operand Xᵀ.
DEVICE Split right_transposed(const float (&d)[8]) {
  Split s;
  split(d[0], d[1], s.high[0], s.low[0]);
  split(d[4], d[5], s.high[1], s.low[1]);
  split(d[2], d[3], s.high[2], s.low[2]);
  split(d[6], d[7], s.high[3], s.low[3]);
  return s;
}

// An 8×8 matrix of bf16, one row to four lanes, transposed.
DEVICE unsigned transposed(unsigned x) {
  unsigned r;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(x));
  return r;
}

DEVICE constexpr int at(int i, int j) { return i * (i + 1) / 2 + j; }

// K Kᵀ of the 64 rows in shared memory: the blocks on and below the diagonal.
DEVICE void key_products(unsigned keys, float (&l)[10][8]) {
  int lane = threadIdx.x % 32;
  unsigned row = keys + (lane % 16) * KEY_ROW + (lane / 16) * 16;
#pragma unroll
  for (int b = 0; b < 10; b++) {
#pragma unroll
    for (int x = 0; x < 8; x++) {
      l[b][x] = 0.f;
    }
  }
#pragma unroll
  for (int k = 0; k < K / 16; k++) {
    unsigned a[4][4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      hopper::ldmatrix4(a[i][0], a[i][1], a[i][2], a[i][3], row + 16 * i * KEY_ROW + 32 * k);
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int j = 0; j <= i; j++) {
        float(&d)[8] = l[at(i, j)];
        hopper::mma16816(d[0], d[1], d[2], d[3], a[i][0], a[i][1], a[i][2], a[i][3], a[j][0],
                         a[j][2]);
        hopper::mma16816(d[4], d[5], d[6], d[7], a[i][0], a[i][1], a[i][2], a[i][3], a[j][1],
                         a[j][3]);
      }
    }
  }
}

// Inverts the unit lower triangular blocks of the diagonal in place: lane l takes column l % 16 of blocks l / 16 and
// that + 2.
DEVICE void invert_diagonal(float* blocks) {
  int lane = threadIdx.x % 32;
  int column = lane % 16;
  float* first = blocks + (lane / 16) * BLOCK;
  float* second = first + 2 * BLOCK;
  float x[16], y[16];
#pragma unroll
  for (int i = 0; i < 16; i++) {
    float unit = i == column ? 1.f : 0.f;
    float sx = unit, sy = unit;
#pragma unroll
    for (int k = 0; k < i; k += 4) {
      float4 a = *reinterpret_cast<float4*>(first + i * BLOCK_ROW + k);
      float4 b = *reinterpret_cast<float4*>(second + i * BLOCK_ROW + k);
      float fa[4] = {a.x, a.y, a.z, a.w};
      float fb[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (int n = 0; n < 4; n++) {
        if (k + n < i) {
          sx -= fa[n] * x[k + n];
          sy -= fb[n] * y[k + n];
        }
      }
    }
    x[i] = sx;
    y[i] = sy;
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < 16; i++) {
    first[i * BLOCK_ROW + column] = x[i];
    second[i * BLOCK_ROW + column] = y[i];
  }
  __syncwarp();
}

// Columns 8 half and following of a row of one of T's blocks: every other four rows are swapped, for the banks again.
DEVICE char* in_block(char* block, int row, int half) {
  return block + row * 32 + ((half ^ (row / 4)) & 1) * 16;
}

DEVICE void decay_factors(const float* gates, float* fromColumns, float* toRows) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < 2; n++) {
    int i = lane + 32 * n;
    toRows[i] = decay_between(gates, i, i / 8 * 8);
#pragma unroll
    for (int b = 1 + 4 * n; b < 8; b++) {
      if (i < 8 * b) {
        fromColumns[4 * b * (b - 1) + i] = decay_between(gates, 8 * b, i);
      }
    }
  }
  __syncwarp();
}

// Stores two neighbouring rows of a column of T, given per lane (rows t and t + 1 of 8, column g), as rows.
DEVICE void put(char* block, int rows, int half, float a, float b) {
  int lane = threadIdx.x % 32;
  *reinterpret_cast<unsigned*>(in_block(block, rows + lane / 4, half) + 4 * (lane % 4)) =
      transposed(pack_bf16(a, b));
}

// A_ii as the right operand A_iiᵀ, negated.
DEVICE Split inverse_of(const float* block) {
  int lane = threadIdx.x % 32;
  Split s;
#pragma unroll
  for (int n = 0; n < 2; n++) {
    const float* row = block + (lane / 4 + 8 * n) * BLOCK_ROW + 2 * (lane % 4);
    float2 a = *reinterpret_cast<const float2*>(row);
    float2 b = *reinterpret_cast<const float2*>(row + 8);
    split(-a.x, -a.y, s.high[2 * n], s.low[2 * n]);
    split(-b.x, -b.y, s.high[2 * n + 1], s.low[2 * n + 1]);
  }
  return s;
}

// A_jjᵀ as the left operand.
DEVICE Split first_of(const float* block) {
  int lane = threadIdx.x % 32;
  const float* d = block + 2 * (lane % 4) * BLOCK_ROW + lane / 4;
  Split s;
#pragma unroll
  for (int r = 0; r < 4; r++) {
    const float* p = d + r / 2 * 8 * BLOCK_ROW + r % 2 * 8;
    split(p[0], p[BLOCK_ROW], s.high[r], s.low[r]);
  }
  return s;
}

// T's blocks below the diagonal, column of blocks by column; everything transposed, so that each product's accumulators
// are the next one's left operand.
DEVICE void substitute(const float (&l)[10][8], const float* blocks, const float* fromColumns,
                       const float* toRows, char* tile) {
  int lane = threadIdx.x % 32;
  int g = lane / 4;
  int t = 2 * (lane % 4);
  Split lower[10];
  Split inverse[4];
#pragma unroll
  for (int i = 1; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < i; j++) {
      lower[at(i, j)] = right_transposed(l[at(i, j)]);
    }
    inverse[i] = inverse_of(blocks + i * BLOCK);
  }
#pragma unroll
  for (int j = 0; j < 3; j++) {
    Split column[4];
    column[j] = first_of(blocks + j * BLOCK);
#pragma unroll
    for (int i = j + 1; i < 4; i++) {
      float z[8] = {};
#pragma unroll
      for (int k = j; k < i; k++) {
        multiply(z, column[k], lower[at(i, k)]);
      }
      float y[8] = {};
      multiply(y, left(z), inverse[i]);
      if (i < 3) {
        column[i] = left(y);
      }
      // y[2q], y[2q + 1]: rows 8(q / 2) + t and the next of the block, column 8(q % 2) + g.
#pragma unroll
      for (int q = 0; q < 4; q++) {
        int b = 2 * i + q / 2;
        float from = fromColumns[4 * b * (b - 1) + 16 * j + 8 * (q % 2) + g];
        float2 to = *reinterpret_cast<const float2*>(toRows + 8 * b + t);
        put(tile + at(i, j) * T_BLOCK, 8 * (q / 2), q % 2, y[2 * q] * from * to.x,
            y[2 * q + 1] * from * to.y);
      }
    }
  }
}

// T's blocks on the diagonal.
DEVICE void put_diagonal(const float* blocks, const float* gates, const float* fromColumns,
                         const float* toRows, char* tile) {
  int lane = threadIdx.x % 32;
  int g = lane / 4;
  int t = 2 * (lane % 4);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    char* to = tile + at(i, i) * T_BLOCK + 2 * t;
    const float* from = blocks + i * BLOCK + g * BLOCK_ROW + t;
#pragma unroll
    for (int n = 0; n < 2; n++) {
      int row = 16 * i + 8 * n + g;
      int column = 16 * i + 8 * n + t;
      float2 a = *reinterpret_cast<const float2*>(from + 8 * n * BLOCK_ROW + 8 * n);
      *reinterpret_cast<unsigned*>(in_block(to, g + 8 * n, n)) = pack_bf16(
          a.x * decay_between(gates, row, column), a.y * decay_between(gates, row, column + 1));
    }
    int b = 2 * i + 1;
    float2 a = *reinterpret_cast<const float2*>(from + 8 * BLOCK_ROW);
    float2 f = *reinterpret_cast<const float2*>(fromColumns + 4 * b * (b - 1) + 16 * i + t);
    float r = toRows[8 * b + g];
    *reinterpret_cast<unsigned*>(in_block(to, g + 8, 0)) = pack_bf16(a.x * f.x * r, a.y * f.y * r);
    *reinterpret_cast<unsigned*>(in_block(to, g, 1)) = 0;
  }
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, 4)
    gdn_prepare(const bf16* k, long long kStride, const float* g, long long gStride,
                const float* beta, long long betaStride, bf16* inverse, float* records,
                float* decays, int batch, int tokens, int heads, int lead, int chunks) {
  extern __shared__ __align__(16) char shared[];
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
  char* tile = shared + warp * WARP_BYTES;
  float* blocks = reinterpret_cast<float*>(tile + AT_BLOCKS);
  float* gates = reinterpret_cast<float*>(tile + TILE);
  float* fromColumns = gates + GATES;
  float* toRows = fromColumns + FROM_COLUMNS;
  long long id = (long long)blockIdx.x * WARPS + warp;
  int head = (int)(id % heads);
  int chunk = (int)(id / heads % chunks);
  int sequence = (int)(id / heads / chunks);
  if (sequence >= batch) {
    return;
  }
  int first = chunk * C - lead;
  long long row = (long long)sequence * tokens;
  k += row * kStride + (long long)head * K;
  constexpr int UNITS = K / 8;
#pragma unroll 8
  for (int u = lane; u < C * UNITS; u += 32) {
    int i = u / UNITS;
    int c = u % UNITS;
    bool in = first + i >= 0 && first + i < tokens;
    hopper::cpAsync16Ahead(tile + i * KEY_ROW + 16 * c, in ? k + (first + i) * kStride + 8 * c : k,
                           in ? 16 : 0);
  }
  hopper::cpAsyncCommit();
  long long index = ((long long)sequence * heads + head) * chunks + chunk;
  chunk_gates(g + row * gStride + head, gStride, beta + row * betaStride + head, betaStride, first,
              tokens, records == nullptr ? nullptr : records + index * RECORD, gates);
  if (lane == 0 && decays != nullptr) {
    decays[index] = gates[C - 1];
  }
  decay_factors(gates, fromColumns, toRows);
  hopper::cpAsyncWait<0>();
  __syncwarp();

  float l[10][8];
  key_products(hopper::sharedAddress(tile), l);
  __syncwarp();
  int r = lane / 4;
  int t = 2 * (lane % 4);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    float b0 = gates[2 * C + 16 * i + r];
    float b1 = gates[2 * C + 16 * i + r + 8];
#pragma unroll
    for (int j = 0; j <= i; j++) {
      float(&d)[8] = l[at(i, j)];
#pragma unroll
      for (int x = 0; x < 8; x++) {
        d[x] *= x % 4 < 2 ? b0 : b1;
      }
      if (j == i) {
        float* top = blocks + i * BLOCK + r * BLOCK_ROW + t;
        float* bottom = top + 8 * BLOCK_ROW;
        *reinterpret_cast<float2*>(top) = make_float2(d[0], d[1]);
        *reinterpret_cast<float2*>(bottom) = make_float2(d[2], d[3]);
        *reinterpret_cast<float2*>(top + 8) = make_float2(d[4], d[5]);
        *reinterpret_cast<float2*>(bottom + 8) = make_float2(d[6], d[7]);
      }
    }
  }
  __syncwarp();
  invert_diagonal(blocks);
  substitute(l, blocks, fromColumns, toRows, tile);
  put_diagonal(blocks, gates, fromColumns, toRows, tile);
  __syncwarp();
  uint4* to = reinterpret_cast<uint4*>(inverse + index * C * C);
#pragma unroll
  for (int u = lane; u < C * C / 8; u += 32) {
    int y = u / 8;
    int x = u % 8;
    uint4 v = make_uint4(0, 0, 0, 0);
    if (x / 2 <= y / 16) {
      v = *reinterpret_cast<uint4*>(in_block(tile + at(y / 16, x / 2) * T_BLOCK, y % 16, x % 2));
    }
    to[u] = v;
  }
}

#else

// One block of C threads a chunk; thread c substitutes column c of the inverse.
extern "C" __global__ void __launch_bounds__(C)
    gdn_prepare(const elem* k, long long kStride, const float* g, long long gStride,
                const float* beta, long long betaStride, elem* inverse, float* records,
                float* decays, int batch, int tokens, int heads, int lead, int chunks) {
  extern __shared__ __align__(16) char shared[];
  constexpr int KEY_ROW = K + 1;
  float* keys = reinterpret_cast<float*>(shared);
  float* l = keys + C * KEY_ROW;
  float* gates = l + C * C;
  float* x = gates + GATES;
  int c = threadIdx.x;
  int head = blockIdx.x % heads;
  int chunk = blockIdx.x / heads % chunks;
  int sequence = blockIdx.x / heads / chunks;
  int first = chunk * C - lead;
  long long row = (long long)sequence * tokens;
  long long index = ((long long)sequence * heads + head) * chunks + chunk;
  k += row * kStride + (long long)head * K;
  for (int u = c; u < C * K; u += C) {
    int i = u / K;
    int d = u % K;
    bool in = first + i >= 0 && first + i < tokens;
    keys[i * KEY_ROW + d] = in ? to_float(k[(first + i) * kStride + d]) : 0.f;
  }
  if (c < 32) {
    chunk_gates(g + row * gStride + head, gStride, beta + row * betaStride + head, betaStride,
                first, tokens, records == nullptr ? nullptr : records + index * RECORD, gates);
    if (c == 0 && decays != nullptr) {
      decays[index] = gates[C - 1];
    }
  }
  __syncthreads();
  for (int i = 0; i < C; i++) {
    float s = 0.f;
    for (int d = 0; d < K; d++) {
      s += keys[i * KEY_ROW + d] * keys[c * KEY_ROW + d];
    }
    l[i * C + c] = s * gates[2 * C + i];
  }
  __syncthreads();
  for (int i = 0; i < C; i++) {
    float s = i == c ? 1.f : 0.f;
    for (int j = c; j < i; j++) {
      s -= l[i * C + j] * x[j * C + c];
    }
    x[i * C + c] = s;
    assign(inverse[index * C * C + i * C + c], i < c ? 0.f : s * decay_between(gates, i, c));
  }
}

#endif
