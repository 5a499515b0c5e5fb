// Tiles of bf16 in shared memory for mma.sync, and what the tensor-core kernels of the delta rule's
// backward do with them.
//
// A tile is rows of W elements whose 16-byte units are permuted by XOR, so that 8 successive rows at one unit
// lie in different banks. Rows are always taken from a multiple of 8 on and columns from a multiple of 8
// (fragments: 16): then a lane's address is (what depends on the lane) + row bytes + (column bytes ^ what
// depends on the lane), two instructions.
#pragma once
#include "common.cuh"
#include "delta_backward.cuh"
#include "hopper.cuh"

using namespace hopper;

// D key and value dim of a head.
constexpr int D = HEAD_DIM;

template <int W>
struct Tile {
  static constexpr int ROW = 2 * W;
  static constexpr int UNITS = W / 8;

  DEVICE static u32 swap(int row) { return W >= 64 ? row & 7 : W == 32 ? row >> 1 & 3 : row >> 2 & 1; }

  // Lane's part of addresses of matrices of 16 x 16: rows l % 16 and unit l / 16; rows l % 8 + 8 (l / 16) and
  // unit l / 8 % 2; of pairs of accumulators: row l / 4, pair l % 4.
  u32 straight_row, straight_unit, crossed_row, crossed_unit, pair_row, pair_unit;

  DEVICE Tile(int lane) {
    int row = lane & 15;
    straight_row = row * ROW;
    straight_unit = (lane >> 4 ^ swap(row)) << 4;
    row = (lane & 7) + (lane >> 4 << 3);
    crossed_row = row * ROW;
    crossed_unit = ((lane >> 3 & 1) ^ swap(row)) << 4;
    row = lane >> 2;
    pair_row = row * ROW + (lane & 3) * 4;
    pair_unit = swap(row) << 4;
  }

  // A [16 x 16] at (row, col) of a tile stored as rows of M.
  DEVICE void a(u32 (&r)[4], u32 tile, int row, int col) const {
    ldmatrix4(r[0], r[1], r[2], r[3], tile + row * ROW + straight_row + (col * 2 ^ straight_unit));
  }

  // A [16 x 16], depth k and rows m of A, of a tile stored as rows of K.
  DEVICE void a_trans(u32 (&r)[4], u32 tile, int k, int m) const {
    ldmatrix4Trans(r[0], r[1], r[2], r[3], tile + k * ROW + crossed_row + (m * 2 ^ crossed_unit));
  }

  // B [16 x 16], columns n and depth k, two column tiles {b0, b1}, {b2, b3}, of a tile stored as rows of N.
  DEVICE void b(u32 (&r)[4], u32 tile, int n, int k) const {
    ldmatrix4(r[0], r[1], r[2], r[3], tile + n * ROW + crossed_row + (k * 2 ^ crossed_unit));
  }

  // The same of a tile stored as rows of K.
  DEVICE void b_trans(u32 (&r)[4], u32 tile, int k, int n) const {
    ldmatrix4Trans(r[0], r[1], r[2], r[3], tile + k * ROW + straight_row + (n * 2 ^ straight_unit));
  }

  // Where this lane's pair of an accumulator tile at (row, col) lies; the other pair is 8 rows below.
  DEVICE u32 pair(u32 tile, int row, int col) const { return tile + row * ROW + pair_row + (col * 2 ^ pair_unit); }

  // Accumulators of a 16 x 8 tile as bf16.
  DEVICE void put(u32 tile, int row, int col, const float (&d)[4]) const {
    u32 to = pair(tile, row, col);
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(to), "r"(packBf16(d[0], d[1])) : "memory");
    asm volatile("st.shared.u32 [%0], %1;" ::"r"(to + 8 * ROW), "r"(packBf16(d[2], d[3])) : "memory");
  }
};

DEVICE u32 load_pair(u32 address) {
  u32 v;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
  return v;
}

DEVICE void store_pair(u32 address, u32 v) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
}

DEVICE uint4 load_unit(u32 address) {
  uint4 v;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address) : "memory");
  return v;
}

DEVICE void mma(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
  mma16816(d[0], d[1], d[2], d[3], a[0], a[1], a[2], a[3], b0, b1);
}

DEVICE void cp_async(u32 to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

// How THREADS threads walk over the 16-byte units of ROWS rows of W elements. Their step is a multiple of 8
// rows, so that each thread stays in its bank.
template <int W, int ROWS, int THREADS>
struct Walk {
  static constexpr int UNITS = W / 8;
  static constexpr int STEP = THREADS / UNITS;
  static constexpr int STEPS = (ROWS * UNITS + THREADS - 1) / THREADS;
  static constexpr bool PARTIAL = ROWS * UNITS < THREADS;
  static_assert(STEP % 8 == 0 && (PARTIAL || ROWS % STEP == 0), "");
  int row, column;
  u32 shared;

  DEVICE Walk(int thread) {
    row = thread / UNITS;
    int unit = thread % UNITS;
    column = unit * 8;
    shared = row * (2 * W) + ((unit ^ Tile<W>::swap(row)) << 4);
  }

  // Starts copying ROWS rows into a tile; rows from `count` on become zeros.
  DEVICE void fetch(u32 tile, const bf16* from, long long stride, int count) const {
    const bf16* p = from + row * stride + column;
    if (!PARTIAL || row < ROWS) {
#pragma unroll
      for (int i = 0; i < STEPS; i++) {
        cp_async(tile + shared + i * STEP * 2 * W, p, row + i * STEP < count ? 16 : 0);
        p += STEP * stride;
      }
    }
  }

  // Writes the first `count` rows of a tile.
  DEVICE void put(bf16* to, long long stride, u32 tile, int count) const {
    bf16* p = to + row * stride + column;
    if (!PARTIAL || row < ROWS) {
#pragma unroll
      for (int i = 0; i < STEPS; i++) {
        if (row + i * STEP < count) {
          *reinterpret_cast<uint4*>(p) = load_unit(tile + shared + i * STEP * 2 * W);
        }
        p += STEP * stride;
      }
    }
  }
};

DEVICE void fetch_gates(u32 to, const float* from, int thread) {
  if (thread < GATES / 4) {
    cp_async(to + thread * 16, from + thread * 4, 16);
  }
}
