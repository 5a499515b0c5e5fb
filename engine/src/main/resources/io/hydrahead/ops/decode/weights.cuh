// The stream of weights, and their products with a vector on tensor cores.
//
// Every warp knows which rows and columns of which matrix it will multiply, through all layers, and
// copies them ahead into shared memory of its own; what it waits for in between (the other blocks,
// x) does not stop the copies, so device memory stays busy from the first layer to the last.
//
// A tile is 16 rows × 128 columns. x is split into two bf16 parts, x ≈ high + low, which are two
// columns of the B operand of mma.m16n8k16: 16 bits of x survive, at no cost. Which column of W meets
// which k of the instruction is free, as long as x follows: a lane takes 8 adjacent columns of rows
// lane / 4 and lane / 4 + 8, so copies and shared loads are 16 bytes wide.
#pragma once
#include "decode.cuh"

// The four products of a layer, and the LM head after the last one.
enum Product { IN, OUT, UP, DOWN, LOGITS };

constexpr int STAGES = 3;    // tiles that a warp copies ahead
constexpr int TILE = 128;    // columns
constexpr int COPIES = 8;    // of 16 bytes, a lane and tile

DEVICE constexpr int columns_of(int product) {
  return product == OUT ? WIDTH : product == DOWN ? MLP : HIDDEN;
}

DEVICE constexpr int tiles_of(int product) { return (columns_of(product) + TILE - 1) / TILE; }

// Warps that share the columns of a row: a power of two.
DEVICE constexpr int split_of(int product) {
  int split = 1;
  while (split < WARPS && split < tiles_of(product)) {
    split *= 2;
  }
  return split;
}

// Rows of y that 16 rows of W make: SwiGLU takes a gate and an up row for each.
DEVICE constexpr int outputs_of(int product) { return product == UP ? 8 : 16; }

DEVICE void copy16(unsigned to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
               "r"(there ? 16 : 0)
               : "memory");
}

DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

template <int PENDING>
DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Where a warp's copies are; kept in shared memory, one a warp.
struct Cursor {
  const bf16* W;
  int layer, product, group, groups, step, tile, firstTile, tiles, split, outputs, rows, columns;
  bool live;
};

template <int PRODUCT>
DEVICE void open(Cursor& c, const bf16* W, int rows) {
  constexpr int SPLIT = split_of(PRODUCT);
  int warp = threadIdx.x / 32;
  c.W = W;
  c.rows = rows;
  c.columns = columns_of(PRODUCT);
  c.outputs = outputs_of(PRODUCT);
  c.groups = ceil_div(rows, c.outputs);
  c.group = blockIdx.x + gridDim.x * (warp / SPLIT);
  c.step = gridDim.x * (WARPS / SPLIT);
  c.split = SPLIT;
  c.firstTile = warp % SPLIT;
  c.tile = c.firstTile;
  c.tiles = tiles_of(PRODUCT);
}

// Finds this warp's first tile of the product that the cursor stands at, or of a later one.
DEVICE void seek(Cursor& c, const Step& a) {
  while (c.layer < a.layerCount || (c.layer == a.layerCount && c.product == IN)) {
    if (c.layer == a.layerCount) {
      open<LOGITS>(c, a.lmHead, a.vocabulary);
    } else {
      const Layer& l = a.layers[c.layer];
      switch (c.product) {
        case IN:
          open<IN>(c, l.in, l.rows);
          break;
        case OUT:
          open<OUT>(c, l.o, HIDDEN);
          break;
        case UP:
          open<UP>(c, l.gateUp, MLP);
          break;
        default:
          open<DOWN>(c, l.down, HIDDEN);
      }
    }
    if (c.group < c.groups && c.tile < c.tiles) {
      return;
    }
    if (++c.product > DOWN) {
      c.product = IN;
      c.layer++;
    }
  }
  c.live = false;
}

DEVICE void start(Cursor& shared, const Step& a) {
  Cursor c;
  c.layer = 0;
  c.product = IN;
  c.live = true;
  seek(c, a);
  if (threadIdx.x % 32 == 0) {
    shared = c;
  }
  __syncwarp();
}

// Starts the copies of one tile into `slot` of the ring and moves on.
DEVICE void copy_next(Cursor& shared, const Step& a, unsigned ring, int slot) {
  if (shared.live) {
    Cursor c = shared;
    int lane = threadIdx.x % 32;
    int column = c.tile * TILE + lane % 4 * 8;
    int low = c.group * c.outputs + lane / 4;
    bool pair = c.outputs == 8;
    int high = pair ? low + c.rows : low + 8;
    bool lowThere = low < c.rows;
    bool highThere = pair ? lowThere : high < c.rows;
    const bf16* lowFrom = c.W + (lowThere ? (long long)low * c.columns : 0);
    const bf16* highFrom = c.W + (highThere ? (long long)high * c.columns : 0);
    unsigned to = ring + (slot * COPIES * THREADS + threadIdx.x) * 16;
#pragma unroll
    for (int j = 0; j < COPIES / 2; j++) {
      bool inside = column + j * 32 < c.columns;
      int at = inside ? column + j * 32 : 0;
      copy16(to + 2 * j * THREADS * 16, lowFrom + at, lowThere && inside);
      copy16(to + (2 * j + 1) * THREADS * 16, highFrom + at, highThere && inside);
    }
    c.tile += c.split;
    if (c.tile >= c.tiles) {
      c.tile = c.firstTile;
      c.group += c.step;
      if (c.group >= c.groups) {
        if (++c.product > DOWN || c.layer == a.layerCount) {
          c.product = IN;
          c.layer++;
        }
        seek(c, a);
      }
    }
    __syncwarp();
    if (lane == 0) {
      shared = c;
    }
    __syncwarp();
  }
  commit_copies();
}

// x as two parts in shared memory: [high, low][columns].
constexpr int WIDEST_AT = MLP > WIDTH ? MLP : WIDTH;
constexpr int WIDEST = ((WIDEST_AT > HIDDEN ? WIDEST_AT : HIDDEN) + TILE - 1) / TILE * TILE;

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
