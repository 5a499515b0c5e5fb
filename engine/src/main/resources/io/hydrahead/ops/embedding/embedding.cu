// Token embedding and its gradient. The gradient is the same bits in every run: tokens are sorted by
// id with a stable radix sort, and what belongs to one id is added up in token order, in chunks of
// CHUNK sorted tokens and then chunk after chunk.
//
// Rows have `width` elements; -DALIGNED=<whether all rows start at multiples of 16 bytes and `width`
// fills vectors> -DPARAM_BF16=<whether the table is bf16>
//
// nvrtc: -DBF16=1 -DPARAM_BF16=1
// nvrtc: -DBF16=0 -DALIGNED=0
#include "common.cuh"

#ifndef ALIGNED
#define ALIGNED 1
#endif
constexpr int BLOCK = 256;
constexpr int V = ALIGNED ? VECTOR<elem> : 1;

// An id outside the vocabulary gives NaN.
extern "C" __global__ void __launch_bounds__(BLOCK)
    embedding_forward(int n, int width, int vocabulary, const int* ids, const param* table,
                      elem* out, long long out_stride) {
  unsigned vectors = width / V;
  unsigned count = n * vectors;
  for (unsigned i = blockIdx.x * BLOCK + threadIdx.x; i < count; i += gridDim.x * BLOCK) {
    unsigned row = i / vectors;
    unsigned c = (i - row * vectors) * V;
    int id = ids[row];
    float v[V];
    if (id >= 0 && id < vocabulary) {
      load(table + (long long)id * width + c, v);
    } else {
#pragma unroll
      for (int k = 0; k < V; k++) {
        v[k] = __uint_as_float(0x7fffffff);
      }
    }
    store(out + row * out_stride + c, v);
  }
}

// ---------------------------------------------------------------------------------------------
// One pass of the sort: by 8 bits from `shift` on. A block takes TILE entries in order, a warp
// TILE / 8 of them, so that ranks by block, warp, round and lane keep equal keys in order.

constexpr int BITS = 8;
constexpr int DIGITS = 1 << BITS;
constexpr int ROUNDS = 8;
constexpr int WARPS = BLOCK / 32;
constexpr int TILE = BLOCK * ROUNDS;

DEVICE int entry_index(int round) {
  return blockIdx.x * TILE + (threadIdx.x / 32) * (TILE / WARPS) + round * 32 + threadIdx.x % 32;
}

// The entries of a thread; behind the last one they count as none.
DEVICE void read_entries(const int* list, int n, int (&to)[ROUNDS]) {
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    int i = entry_index(round);
    to[round] = i < n ? list[i] : 0;
  }
}

// The digit of a round's key; DIGITS behind the last one.
DEVICE int digit(int key, int round, int n, int shift) {
  return entry_index(round) < n ? ((unsigned)key >> shift) & (DIGITS - 1) : DIGITS;
}

// counts[digit][block] of the keys.
extern "C" __global__ void __launch_bounds__(BLOCK)
    sort_count(int n, const int* keys, int shift, int* counts) {
  __shared__ int histogram[DIGITS + 1];
  histogram[threadIdx.x] = 0;
  int own[ROUNDS];
  read_entries(keys, n, own);
  __syncthreads();
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    atomicAdd(&histogram[digit(own[round], round, n, shift)], 1);
  }
  __syncthreads();
  counts[threadIdx.x * gridDim.x + blockIdx.x] = histogram[threadIdx.x];
}

// Exclusive sums of n = a multiple of 256 counts, in place. One block of 1024 threads, which takes
// 16 counts a thread at a time.
extern "C" __global__ void __launch_bounds__(1024) sort_scan(int n, int* counts) {
  constexpr int EACH = 16;
  __shared__ int sums[32];
  int lane = threadIdx.x % 32;
  int warp = threadIdx.x / 32;
  int carried = 0;
  for (int base = 0; base < n; base += 1024 * EACH) {
    int4* at = reinterpret_cast<int4*>(counts + base + threadIdx.x * EACH);
    bool inside = base + threadIdx.x * EACH < n;
    int4 own[EACH / 4];
    int sum = 0;
#pragma unroll
    for (int i = 0; i < EACH / 4; i++) {
      own[i] = inside ? at[i] : make_int4(0, 0, 0, 0);
      sum += own[i].x + own[i].y + own[i].z + own[i].w;
    }
    int inclusive = sum;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      int below = __shfl_up_sync(FULL_WARP, inclusive, step);
      inclusive += lane >= step ? below : 0;
    }
    __syncthreads();
    if (lane == 31) {
      sums[warp] = inclusive;
    }
    __syncthreads();
    int before = carried + inclusive - sum;
    for (int w = 0; w < 32; w++) {
      before += w < warp ? sums[w] : 0;
      carried += sums[w];
    }
#pragma unroll
    for (int i = 0; i < EACH / 4; i++) {
      int4 c = own[i];
      own[i] = make_int4(before, before + c.x, before + c.x + c.y, before + c.x + c.y + c.z);
      before += c.x + c.y + c.z + c.w;
      if (inside) {
        at[i] = own[i];
      }
    }
  }
}

// Moves keys and values to their places. Values null: the entries' own indices.
extern "C" __global__ void __launch_bounds__(BLOCK)
    sort_scatter(int n, const int* keys, const int* values, int shift, const int* starts,
                 int* to_keys, int* to_values) {
  __shared__ int places[WARPS][DIGITS + 1];
  int warp = threadIdx.x / 32;
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    places[w][threadIdx.x] = 0;
  }
  __syncthreads();
  int own[ROUNDS];
  int moved[ROUNDS];
  read_entries(keys, n, own);
  if (values != nullptr) {
    read_entries(values, n, moved);
  }
  int digits[ROUNDS];
  int ranks[ROUNDS];
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    digits[round] = digit(own[round], round, n, shift);
    unsigned same = __match_any_sync(FULL_WARP, digits[round]);
    int leader = __ffs(same) - 1;
    int before = 0;
    if (lane == leader) {
      before = places[warp][digits[round]];
      places[warp][digits[round]] = before + __popc(same);
    }
    ranks[round] = __shfl_sync(FULL_WARP, before, leader) + __popc(same & ((1u << lane) - 1));
    __syncwarp();
  }
  __syncthreads();
  int place = starts[threadIdx.x * gridDim.x + blockIdx.x];
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    int count = places[w][threadIdx.x];
    places[w][threadIdx.x] = place;
    place += count;
  }
  __syncthreads();
#pragma unroll
  for (int round = 0; round < ROUNDS; round++) {
    int i = entry_index(round);
    if (i < n) {
      int to = places[warp][digits[round]] + ranks[round];
      to_keys[to] = own[round];
      to_values[to] = values == nullptr ? i : moved[round];
    }
  }
}

// ---------------------------------------------------------------------------------------------

constexpr int CHUNK = 64;
constexpr int COLUMN_BLOCK = 64;  // threads of a block in the gradient's kernels
constexpr int AHEAD = 8;          // rows on their way

DEVICE void add_to(float* to, const float (&v)[V]) {
  float old[V];
  load(to, old);
#pragma unroll
  for (int k = 0; k < V; k++) {
    old[k] += v[k];
  }
  store(to, old);
}

// Sums the rows of dout for the runs of equal ids in a chunk (blockIdx.x) of the sorted tokens. Runs
// that end in the chunk where they begin go to dtable; of a run that goes on, the part in the chunk
// where it begins goes to partials[chunk][1][width], its later parts to partials[chunk][0][width].
// blockIdx.y: columns.
extern "C" __global__ void __launch_bounds__(COLUMN_BLOCK)
    embedding_runs(int n, int width, int vocabulary, const int* ids, const int* tokens,
                   const elem* dout, long long dout_stride, float* dtable, float* partials) {
  __shared__ int id[CHUNK + 2];  // with the neighbours'; -1: none
  __shared__ int token[CHUNK];
  int first = blockIdx.x * CHUNK;
  int count = min(CHUNK, n - first);
  for (int i = threadIdx.x; i < CHUNK + 2; i += COLUMN_BLOCK) {
    int at = first - 1 + i;
    id[i] = at >= 0 && at < n ? ids[at] : -1;
    if (i < CHUNK) {
      token[i] = first + i < n ? tokens[first + i] : 0;
    }
  }
  __syncthreads();
  int c = (blockIdx.y * COLUMN_BLOCK + threadIdx.x) * V;
  if (c >= width) {
    return;
  }
  float* part = partials + (long long)blockIdx.x * 2 * width + c;
  bool continued = id[0] == id[1];
  float sum[V] = {};
  for (int base = 0; base < count; base += AHEAD) {
    Raw<elem, V> rows[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      if (base + i < count) {
        rows[i].load(dout + token[base + i] * dout_stride + c);
      } else {
        rows[i].clear();
      }
    }
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      if (base + i < count) {
        float v[V];
        rows[i].unpack(v);
#pragma unroll
        for (int k = 0; k < V; k++) {
          sum[k] += v[k];
        }
        int own = id[base + i + 1];
        bool ends = own != id[base + i + 2];
        if (ends || base + i + 1 == count) {
          if (continued) {
            store(part, sum);
          } else if (!ends) {
            store(part + width, sum);
          } else if (own >= 0 && own < vocabulary) {
            add_to(dtable + (long long)own * width + c, sum);
          }
          continued = false;
#pragma unroll
          for (int k = 0; k < V; k++) {
            sum[k] = 0;
          }
        }
      }
    }
  }
}

// Adds up, chunk after chunk, the run that begins in chunk blockIdx.x and goes on behind it.
extern "C" __global__ void __launch_bounds__(COLUMN_BLOCK)
    embedding_long_runs(int n, int width, int vocabulary, const int* ids, const float* partials,
                        float* dtable) {
  int last = blockIdx.x * CHUNK + CHUNK - 1;
  if (last + 1 >= n) {
    return;
  }
  int own = ids[last];
  bool begins = blockIdx.x == 0 || ids[last - CHUNK] != own;
  if (ids[last + 1] != own || !begins || own < 0 || own >= vocabulary) {
    return;
  }
  int c = (blockIdx.y * COLUMN_BLOCK + threadIdx.x) * V;
  if (c >= width) {
    return;
  }
  // The chunks that hold later parts: up to the last whose first token has the same id.
  int chunks = ceil_div(n, CHUNK);
  int low = blockIdx.x + 1;
  int high = chunks;
  while (high - low > 1) {
    int middle = (low + high) / 2;
    if (ids[middle * CHUNK] == own) {
      low = middle;
    } else {
      high = middle;
    }
  }
  float sum[V];
  load(partials + ((long long)blockIdx.x * 2 + 1) * width + c, sum);
#pragma unroll 8
  for (int chunk = blockIdx.x + 1; chunk < high; chunk++) {
    float v[V];
    load(partials + (long long)chunk * 2 * width + c, v);
#pragma unroll
    for (int k = 0; k < V; k++) {
      sum[k] += v[k];
    }
  }
  add_to(dtable + (long long)own * width + c, sum);
}
