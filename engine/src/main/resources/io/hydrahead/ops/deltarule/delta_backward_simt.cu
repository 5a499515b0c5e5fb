// Backward of the gated delta rule without tensor cores: float32 throughout (storage float32, or bf16 with
// -DBF16=1), any key dim K and value dim V. Formulas and layouts are those of delta_backward.cu, with K rows
// of V in a state: delta_prepare, delta_scan over 64 value columns a block, delta_gradients.
#include "common.cuh"
#include "delta_backward.cuh"

constexpr int THREADS = 256;
constexpr int DEPTH = 16;
constexpr int PITCH = C + 4;

// A 64 x 64 product in registers: thread (y, x) of 16 x 16 holds rows 4y.. and columns 4x...
struct Product {
  float sum[4][4] = {};
  int y = threadIdx.x / 16 * 4;
  int x = threadIdx.x % 16 * 4;

  // Adds a b over `depth`; a(i, d) and b(d, j) give elements (zero outside). A_ROWS: neighbours in memory are
  // neighbours of a in d (else in i); B_ROWS: of b in j (else in d). `shared` holds 2 DEPTH PITCH floats.
  template <bool A_ROWS, bool B_ROWS, class A, class B>
  DEVICE void add(int depth, float* shared, A a, B b) {
    float* left = shared;
    float* right = shared + DEPTH * PITCH;
    for (int from = 0; from < depth; from += DEPTH) {
      __syncthreads();
#pragma unroll
      for (int i = threadIdx.x; i < DEPTH * C; i += THREADS) {
        int d = A_ROWS ? i % DEPTH : i / C;
        int m = A_ROWS ? i / DEPTH : i % C;
        left[d * PITCH + m] = from + d < depth ? a(m, from + d) : 0.f;
        d = B_ROWS ? i / C : i % DEPTH;
        m = B_ROWS ? i % C : i / DEPTH;
        right[d * PITCH + m] = from + d < depth ? b(from + d, m) : 0.f;
      }
      __syncthreads();
#pragma unroll
      for (int d = 0; d < DEPTH; d++) {
        float4 l = *reinterpret_cast<const float4*>(left + d * PITCH + y);
        float4 r = *reinterpret_cast<const float4*>(right + d * PITCH + x);
        float ls[4] = {l.x, l.y, l.z, l.w};
        float rs[4] = {r.x, r.y, r.z, r.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
          for (int j = 0; j < 4; j++) {
            sum[i][j] += ls[i] * rs[j];
          }
        }
      }
    }
  }

  // sum(i, j) <- f(i, j, sum).
  template <class F>
  DEVICE void each(F f) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        sum[i][j] = f(y + i, x + j, sum[i][j]);
      }
    }
  }
};

// Rows of a chunk, zeros after its last token and beyond the last column.
struct Rows {
  const elem* p;
  long long stride;
  int count;
  int width;
  DEVICE float operator()(int i, int j) const { return i < count && j < width ? to_float(p[i * stride + j]) : 0.f; }
};

DEVICE Rows rows(const elem* x, long long stride, const Place& p, int width) {
  return {x + p.row * stride + p.head * width, stride, p.count, width};
}

DEVICE Rows square(const elem* x, const Place& p) { return {x + p.index * C * C, C, C, C}; }

// V' and P; grid (n, B H).
extern "C" __global__ void __launch_bounds__(THREADS)
    delta_prepare(const elem* q, const elem* k, const elem* v, long long q_stride, long long k_stride, long long v_stride,
                  const float* gates_of_chunks, const elem* states, const elem* inverses, elem* writes, elem* scores, int heads,
                  int tokens, int chunks, int key_dim, int value_dim) {
  __shared__ float shared[2 * DEPTH * PITCH];
  __shared__ float tile[C * PITCH];
  __shared__ float gates[GATES];
  Place p(blockIdx.y, blockIdx.x, heads, tokens, chunks);
  for (int i = threadIdx.x; i < GATES; i += THREADS) {
    gates[i] = gates_of_chunks[p.index * GATES + i];
  }
  __syncthreads();
  Rows qs = rows(q, q_stride, p, key_dim);
  Rows ks = rows(k, k_stride, p, key_dim);
  Rows vs = rows(v, v_stride, p, value_dim);
  Rows t = square(inverses, p);
  const elem* state = states + p.index * key_dim * value_dim;
  const float norm = rsqrtf((float)key_dim);

  Product s;
  s.add<true, false>(key_dim, shared, qs, [&](int d, int j) { return ks(j, d); });
  s.each([&](int i, int j, float x) {
    x = norm * decay_between(gates, i, j) * x;
    assign(scores[p.index * C * C + i * C + j], x);
    return x;
  });
  for (int from = 0; from < value_dim; from += C) {
    Product y;
    y.add<true, true>(key_dim, shared, ks, [&](int d, int j) {
      return from + j < value_dim ? to_float(state[(long long)d * value_dim + from + j]) : 0.f;
    });
    y.each([&](int i, int j, float x) {
      return tile[i * PITCH + j] = gates[BETA + i] * (vs(i, from + j) - gates[E + i] * x);
    });
    Product w;
    w.add<true, true>(C, shared, t, [&](int d, int j) { return tile[d * PITCH + j]; });
    w.each([&](int i, int j, float x) {
      if (i < p.count && from + j < value_dim) {
        assign(writes[((p.row + i) * heads + p.head) * value_dim + from + j], x);
      }
      return x;
    });
    __syncthreads();
  }
}

// dV and dS1; grid (ceil(V / 64), B H). `dstate` [B, H, K, V] holds the gradient of the last state and receives that of
// the first.
extern "C" __global__ void __launch_bounds__(THREADS)
    delta_scan(const elem* q, const elem* k, const elem* dout, long long q_stride, long long k_stride, long long dout_stride,
               const float* gates_of_chunks, const elem* inverses, const elem* scores, elem* dv, long long dv_stride,
               elem* dstates, float* dstate, int heads, int tokens, int chunks, int key_dim, int value_dim) {
  __shared__ float shared[2 * DEPTH * PITCH];
  __shared__ float tile[C * PITCH];
  __shared__ float gates[GATES];
  const float norm = rsqrtf((float)key_dim);
  int from = blockIdx.x * C;
  int columns = min(C, value_dim - from);
  float* state = dstate + (long long)blockIdx.y * key_dim * value_dim + from;
  for (int chunk = chunks - 1; chunk >= 0; chunk--) {
    Place p(blockIdx.y, chunk, heads, tokens, chunks);
    __syncthreads();
    for (int i = threadIdx.x; i < GATES; i += THREADS) {
      gates[i] = gates_of_chunks[p.index * GATES + i];
    }
    elem* after = dstates + p.index * key_dim * value_dim + from;
    for (int i = threadIdx.x; i < key_dim * C; i += THREADS) {
      long long at = (long long)(i / C) * value_dim + i % C;
      if (i % C < columns) {
        assign(after[at], state[at]);
      }
    }
    Rows qs = rows(q, q_stride, p, key_dim);
    Rows ks = rows(k, k_stride, p, key_dim);
    Rows dos = rows(dout, dout_stride, p, value_dim);
    Rows t = square(inverses, p);
    Rows s = square(scores, p);
    Product dw;
    dw.add<true, true>(key_dim, shared, ks, [&](int d, int j) { return j < columns ? state[(long long)d * value_dim + j] : 0.f; });
    dw.each([&](int i, int, float x) { return gates[H_ + i] * x; });
    dw.add<false, true>(C, shared, [&](int i, int d) { return s(d, i); }, [&](int d, int j) { return dos(d, from + j); });
    dw.each([&](int i, int j, float x) { return tile[i * PITCH + j] = x; });
    Product dy;
    dy.add<false, true>(C, shared, [&](int i, int d) { return t(d, i); }, [&](int d, int j) { return tile[d * PITCH + j]; });
    __syncthreads();
    dy.each([&](int i, int j, float x) {
      x *= gates[BETA + i];
      if (i < p.count && j < columns) {
        assign(dv[(p.row + i) * dv_stride + p.head * value_dim + from + j], x);
      }
      return tile[i * PITCH + j] = -gates[E + i] * x;
    });
    float decay = gates[E + C - 1];
    for (int key = 0; key < key_dim; key += C) {
      Product ds;
      ds.add<false, true>(C, shared, [&](int i, int d) { return ks(d, key + i); },
                          [&](int d, int j) { return tile[d * PITCH + j]; });
      ds.add<false, true>(C, shared, [&](int i, int d) { return norm * gates[E + d] * qs(d, key + i); },
                          [&](int d, int j) { return dos(d, from + j); });
      ds.each([&](int i, int j, float x) {
        if (key + i < key_dim && j < columns) {
          float& at = state[(long long)(key + i) * value_dim + j];
          at = decay * at + x;
        }
        return x;
      });
    }
  }
}

// dq, dk, dg, dβ; grid (n, B H).
extern "C" __global__ void __launch_bounds__(THREADS)
    delta_gradients(const elem* q, const elem* k, const elem* dout, long long q_stride, long long k_stride,
                    long long dout_stride, const float* gates_of_chunks, const elem* states, const elem* dstates,
                    const elem* writes, const elem* dv, long long dv_stride, elem* dq, elem* dk, long long dq_stride,
                    long long dk_stride, float* dg, float* dbeta, long long dg_stride,
                    long long dbeta_stride, int heads, int tokens, int chunks, int key_dim, int value_dim) {
  __shared__ float shared[2 * DEPTH * PITCH];
  __shared__ elem d_tile[C * C];
  __shared__ elem n_tile[C * C];
  __shared__ float gates[GATES];
  __shared__ float row_sums[C];
  __shared__ float warp_sums[THREADS / 32];
  Place p(blockIdx.y, blockIdx.x, heads, tokens, chunks);
  for (int i = threadIdx.x; i < GATES; i += THREADS) {
    gates[i] = gates_of_chunks[p.index * GATES + i];
  }
  __syncthreads();
  const float norm = rsqrtf((float)key_dim);
  Rows qs = rows(q, q_stride, p, key_dim);
  Rows ks = rows(k, k_stride, p, key_dim);
  Rows dos = rows(dout, dout_stride, p, value_dim);
  Rows dvs = rows(dv, dv_stride, p, value_dim);
  Rows ws = rows(writes, (long long)heads * value_dim, p, value_dim);
  const elem* s0 = states + p.index * key_dim * value_dim;
  const elem* ds1 = dstates + p.index * key_dim * value_dim;
  {
    Product d;
    d.add<true, false>(value_dim, shared, dos, [&](int v, int j) { return ws(j, v); });
    d.each([&](int i, int j, float x) {
      assign(d_tile[i * C + j], norm * decay_between(gates, i, j) * x);
      return x;
    });
    Product n;
    n.add<true, false>(value_dim, shared, dvs, [&](int v, int j) { return ws(j, v); });
    n.each([&](int i, int j, float x) {
      if (i == j && i < p.count) {
        dbeta[(p.row + i) * dbeta_stride + p.head] = x / gates[BETA + i] / gates[BETA + i];
      }
      assign(n_tile[i * C + j], i > j ? -decay_between(gates, i, j) * x : 0.f);
      return x;
    });
  }
  auto d_at = [&](int i, int j) { return to_float(d_tile[i * C + j]); };
  auto n_at = [&](int i, int j) { return to_float(n_tile[i * C + j]); };
  float sums[4] = {};
  float end = 0.f;
  for (int key = 0; key < key_dim; key += C) {
    auto state = [&](const elem* s) {
      return [=](int v, int j) { return key + j < key_dim ? to_float(s[(long long)(key + j) * value_dim + v]) : 0.f; };
    };
    auto keys = [&](int d, int j) { return ks(d, key + j); };
    Product dqs;
    dqs.add<true, false>(value_dim, shared, dos, state(s0));
    dqs.each([&](int i, int, float x) { return norm * gates[E + i] * x; });
    dqs.add<true, true>(C, shared, d_at, keys);
    dqs.each([&](int i, int j, float x) {
      if (i < p.count && key + j < key_dim) {
        assign(dq[(p.row + i) * dq_stride + p.head * key_dim + key + j], x);
      }
      return x;
    });
    Product read;
    read.add<true, false>(value_dim, shared, dvs, state(s0));
    read.each([&](int i, int, float x) { return -gates[E + i] * x; });
    read.add<true, true>(C, shared, n_at, keys);
    Product write;
    write.add<true, false>(value_dim, shared, ws, state(ds1));
    write.each([&](int i, int j, float x) {
      x *= gates[H_ + i];
      end += x * ks(i, key + j);
      return x;
    });
    write.add<false, true>(C, shared, [&](int i, int d) { return d_at(d, i); }, [&](int d, int j) { return qs(d, key + j); });
    write.add<false, true>(C, shared, [&](int i, int d) { return n_at(d, i); }, keys);
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
      for (int j = 0; j < 4; j++) {
        int row = dqs.y + i;
        int col = key + dqs.x + j;
        sums[i] += qs(row, col) * dqs.sum[i][j] + ks(row, col) * (read.sum[i][j] - write.sum[i][j]);
        if (row < p.count && col < key_dim) {
          assign(dk[(p.row + row) * dk_stride + p.head * key_dim + col], read.sum[i][j] + write.sum[i][j]);
        }
      }
    }
  }
  float states_dot = 0.f;
  for (int i = threadIdx.x; i < key_dim * value_dim; i += THREADS) {
    states_dot += to_float(s0[i]) * to_float(ds1[i]);
  }
  end += gates[E + C - 1] * states_dot;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    float sum = warp_sum<16>(sums[i]);
    if (threadIdx.x % 16 == 0) {
      row_sums[threadIdx.x / 16 * 4 + i] = sum;
    }
  }
  double total = block_sum(end, warp_sums);
  if (threadIdx.x == 0) {
    for (int i = C - 1; i >= 0; i--) {
      total += row_sums[i];
      if (i < p.count) {
        dg[(p.row + i) * dg_stride + p.head] = (float)total;
      }
    }
  }
}
