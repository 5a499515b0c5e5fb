// One token through the whole model in a chain of launches, each of which begins while the one ahead
// still runs: its weights, keys and states are on their way into shared memory (stream.cuh) before
// it waits for that one's results. Batch 1 is bound by reading the weights once.
//
// A layer: P = in · norm(x); heads (full_heads.cuh, linear_heads.cuh); x += o · fuse(heads);
// a = SwiGLU(gateUp · norm(x)); x += down · a. The residual stream and all vectors between are float32.
//
// A step: begin; project, mix, output, up, down for each layer; logits, choose. All but `begin`, which
// must see the step before ended, are launched to overlap what is ahead of them. One block a
// multiprocessor, also where there are fewer tiles of work, and so much shared memory that it holds
// two: a block of a kernel and one of the next, never two of the same.
//
// nvrtc: -DHIDDEN=2048 -DHEADS=16 -DHEAD_DIM=128 -DMLP=6144 -DGROUP=2
// nvrtc: -DHIDDEN=384 -DHEADS=16 -DHEAD_DIM=32 -DMLP=1024 -DGROUP=4
#include "fuse.cuh"
#include "linear_heads.cuh"

constexpr int STAGES = 3;
constexpr int LOGITS_STAGES = 2;  // no kernel follows whose blocks would take turns with these
constexpr int MIX_STAGES = GROUP * D > 256 ? 2 : 3;  // many query heads to a KV head need more room

// The input of the first layer and the angles of this position, in float64 before rounding.
extern "C" __global__ void __launch_bounds__(THREADS) begin(const __grid_constant__ Step a) {
  start_next();
  const bf16* row = a.embedding + (long long)*a.token * HIDDEN;
  for (int k = threadIdx.x; k < HIDDEN; k += THREADS) {
    a.x[k] = to_float(row[k]);
  }
  int position = *a.position;
  for (int i = threadIdx.x; i < D / 2; i += THREADS) {
    double s;
    double c;
    sincos(position * a.inverseFrequency[i], &s, &c);
    a.angles[i] = (float)(c * a.rotaryScaling);
    a.angles[D / 2 + i] = (float)(s * a.rotaryScaling);
  }
}

template <int DEPTH>
struct KernelShared {
  ProductShared<DEPTH> product;
  FuseShared fuse;
};

// Waits for what is ahead and reads x, and into `old` what y += W x adds to.
template <int PRODUCT, class M>
DEVICE Vector<columns_of(PRODUCT)> input(const Step& a, const Layer* l, M& m, float& old) {
  if constexpr (PRODUCT == OUT) {
    int active = l->kvHeads == 0 ? 0 : active_splits(*a.position + 1, l->splits);
    bool runs = l->kvHeads > 0 && in_runs(*l, active);
    Origin origin = fetch_origin(a, *l, runs);
    wait_for_previous();
    old = residual<OUT>(a.x, HIDDEN);
    return fused(a, *l, origin, runs, active, m.fuse);
  } else if constexpr (PRODUCT == DOWN) {
    wait_for_previous();
    old = residual<DOWN>(a.x, HIDDEN);
    return activations(a.activated);
  } else {
    NormWeights n = fetch_norm(PRODUCT == IN   ? l->inputNorm
                               : PRODUCT == UP ? l->postNorm
                                               : a.finalNorm);
    wait_for_previous();
    return normed(a.x, n, m.product.squares);
  }
}

// A kernel of one product.
template <int PRODUCT, int DEPTH, class T>
DEVICE Best product(const Step& a, const Layer* l, const bf16* W, int rows, T* y) {
  Best best;
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) unsigned char memory[];
  auto& m = *reinterpret_cast<KernelShared<DEPTH>*>(memory);
  open_stream(m.product.stream);
  start_next();
  Place place;
  if (threadIdx.x >= THREADS) {
    send_matrix<PRODUCT>(m.product.stream, place, W, rows);
  } else {
    float old = 0.f;
    auto x = input<PRODUCT>(a, l, m, old);
    multiply<PRODUCT>(m.product, place, x, rows, a.eps, y, old, best);
  }
#endif
  return best;
}

constexpr int BLOCK = THREADS + 32;

extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    project(const __grid_constant__ Step a, const __grid_constant__ Layer l) {
  product<IN, STAGES>(a, &l, l.in, l.rows, a.projected);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    output(const __grid_constant__ Step a, const __grid_constant__ Layer l) {
  product<OUT, STAGES>(a, &l, l.o, HIDDEN, a.x);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    up(const __grid_constant__ Step a, const __grid_constant__ Layer l) {
  product<UP, STAGES>(a, &l, l.gateUp, MLP, a.activated);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    down(const __grid_constant__ Step a, const __grid_constant__ Layer l) {
  product<DOWN, STAGES>(a, &l, l.down, HIDDEN, a.x);
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2) logits(const __grid_constant__ Step a) {
  Best best = product<LOGITS, LOGITS_STAGES>(a, nullptr, a.lmHead, a.vocabulary, a.logits);
  // Rows are finished in the first warp.
  better_of_warp(best);
  if (threadIdx.x == 0) {
    a.best[blockIdx.x] = make_float2(best.value, __int_as_float(best.id));
  }
}

// The best of all blocks of `logits` becomes the next token. One warp.
extern "C" __global__ void choose(const __grid_constant__ Step a, int blocks) {
  start_next();
  wait_for_previous();
  Best best;
  for (int b = threadIdx.x; b < blocks; b += 32) {
    float2 v = __ldcg(a.best + b);
    better(best, v.x, __float_as_int(v.y));
  }
  better_of_warp(best);
  if (threadIdx.x == 0) {
    *a.token = best.id;
    *a.position = *a.position + 1;
  }
}

// ------------------------------------------------------------------------------- the heads

struct MixShared {
  Stream<MIX_STAGES> stream;
  union {
    LinearShared linear;
    FullShared full;
  };
};

constexpr int SHARED_BYTES = 112 * 1024;  // of every launch
static_assert(sizeof(KernelShared<STAGES>) <= SHARED_BYTES && sizeof(MixShared) <= SHARED_BYTES,
              "two blocks share a multiprocessor");

// All heads of a layer, shared out among the blocks: slices of linear heads from the first block on,
// runs of the cache from the last. What is not of this token is read before the wait.
DEVICE void mix_heads(const Step& a, const Layer& l, int position, MixShared& m, Place& place) {
  int slices = l.linearHeads * SLICES;
  int runs = l.kvHeads * l.splits;
  int task = blockIdx.x;
  int run = first_run();
  Run r;
  RunPart part;
  if (task < slices) {
    StatePart state = fetch_state(l, task);
    wait_for_previous();
    while (true) {
      delta_step(a, l, task, state, m.linear);
      task += gridDim.x;
      if (task >= slices) {
        break;
      }
      state = fetch_state(l, task);
    }
    if (run < runs) {
      r = run_of(a, l, run, position);
      part = fetch_part(l, r);
    }
  } else {
    if (run < runs) {
      r = run_of(a, l, run, position);
      part = fetch_part(l, r);
    }
    wait_for_previous();
  }
  while (run < runs) {
    if (!r.empty) {
      attend(a, l, r, part, position, m.stream, place, m.full);
    }
    run += gridDim.x;
    if (run < runs) {
      r = run_of(a, l, run, position);
      part = fetch_part(l, r);
    }
  }
}

extern "C" __global__ void __launch_bounds__(BLOCK, 2)
    mix(const __grid_constant__ Step a, const __grid_constant__ Layer l) {
#if __CUDA_ARCH__ >= 900
  extern __shared__ __align__(128) unsigned char memory[];
  auto& m = *reinterpret_cast<MixShared*>(memory);
  open_stream(m.stream);
  start_next();
  int position = *a.position;
  Place place;
  if (threadIdx.x >= THREADS) {
    send_runs(a, l, position, m.stream, place);
  } else {
    mix_heads(a, l, position, m, place);
  }
#endif
}
