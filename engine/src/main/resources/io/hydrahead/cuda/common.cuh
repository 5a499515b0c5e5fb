// Elements, 16-byte vectors and reductions: what every kernel stands on. Self-contained: compiles
// with NVRTC (no headers of any kind) and with nvcc, for sm_80 and newer.
//
// Tensors are stored as `elem`: bf16 with -DBF16=1, else float. Arithmetic is always float32.
#pragma once

#ifndef BF16
#define BF16 0
#endif

#define DEVICE __device__ __forceinline__

struct bf16 {
  unsigned short x;
};

#if BF16
typedef bf16 elem;
#else
typedef float elem;
#endif

// Vectors of parameters (norm weights, gate biases) are float32 unless -DPARAM_BF16=1.
#ifndef PARAM_BF16
#define PARAM_BF16 0
#endif

#if PARAM_BF16
typedef bf16 param;
#else
typedef float param;
#endif

constexpr unsigned FULL_WARP = 0xffffffffu;

// ---------------------------------------------------------------------------------------------
// Conversions: to the nearest, ties to even; NaN stays NaN.

DEVICE float to_float(float v) { return v; }

DEVICE float to_float(bf16 v) { return __uint_as_float((unsigned)v.x << 16); }

DEVICE bf16 to_bf16(float v) {
  bf16 r;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r.x) : "f"(v));
  return r;
}

// Two bf16 in one register, `low` at the lower address.
DEVICE unsigned pack_bf16(float low, float high) {
  unsigned r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

DEVICE float low_bf16(unsigned pair) { return __uint_as_float(pair << 16); }

DEVICE float high_bf16(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

DEVICE void assign(float& to, float v) { to = v; }

DEVICE void assign(bf16& to, float v) { to = to_bf16(v); }

// What a value is after it went through memory as T.
template <class T>
DEVICE float rounded(float v) {
  T stored;
  assign(stored, v);
  return to_float(stored);
}

// ---------------------------------------------------------------------------------------------
// Vectors: N elements at p, aligned to min(16, N * sizeof(T)) bytes, in accesses of up to 16 bytes.

// Elements of a 16-byte vector.
template <class T>
constexpr int VECTOR = 16 / sizeof(T);

template <int N>
DEVICE void load(const float* p, float (&v)[N]) {
  if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      float4 q = *reinterpret_cast<const float4*>(p + i);
      v[i] = q.x;
      v[i + 1] = q.y;
      v[i + 2] = q.z;
      v[i + 3] = q.w;
    }
  } else if constexpr (N % 2 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      float2 q = *reinterpret_cast<const float2*>(p + i);
      v[i] = q.x;
      v[i + 1] = q.y;
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) {
      v[i] = p[i];
    }
  }
}

template <int N>
DEVICE void load(const bf16* p, float (&v)[N]) {
  if constexpr (N % 8 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 8) {
      uint4 q = *reinterpret_cast<const uint4*>(p + i);
      v[i] = low_bf16(q.x);
      v[i + 1] = high_bf16(q.x);
      v[i + 2] = low_bf16(q.y);
      v[i + 3] = high_bf16(q.y);
      v[i + 4] = low_bf16(q.z);
      v[i + 5] = high_bf16(q.z);
      v[i + 6] = low_bf16(q.w);
      v[i + 7] = high_bf16(q.w);
    }
  } else if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      uint2 q = *reinterpret_cast<const uint2*>(p + i);
      v[i] = low_bf16(q.x);
      v[i + 1] = high_bf16(q.x);
      v[i + 2] = low_bf16(q.y);
      v[i + 3] = high_bf16(q.y);
    }
  } else if constexpr (N % 2 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      unsigned q = *reinterpret_cast<const unsigned*>(p + i);
      v[i] = low_bf16(q);
      v[i + 1] = high_bf16(q);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) {
      v[i] = to_float(p[i]);
    }
  }
}

template <int N>
DEVICE void store(float* p, const float (&v)[N]) {
  if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      *reinterpret_cast<float4*>(p + i) = make_float4(v[i], v[i + 1], v[i + 2], v[i + 3]);
    }
  } else if constexpr (N % 2 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      *reinterpret_cast<float2*>(p + i) = make_float2(v[i], v[i + 1]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) {
      p[i] = v[i];
    }
  }
}

template <int N>
DEVICE void store(bf16* p, const float (&v)[N]) {
  if constexpr (N % 8 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 8) {
      *reinterpret_cast<uint4*>(p + i) =
          make_uint4(pack_bf16(v[i], v[i + 1]), pack_bf16(v[i + 2], v[i + 3]),
                     pack_bf16(v[i + 4], v[i + 5]), pack_bf16(v[i + 6], v[i + 7]));
    }
  } else if constexpr (N % 4 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 4) {
      *reinterpret_cast<uint2*>(p + i) =
          make_uint2(pack_bf16(v[i], v[i + 1]), pack_bf16(v[i + 2], v[i + 3]));
    }
  } else if constexpr (N % 2 == 0) {
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      *reinterpret_cast<unsigned*>(p + i) = pack_bf16(v[i], v[i + 1]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < N; i++) {
      p[i] = to_bf16(v[i]);
    }
  }
}

// V elements as they lie in memory, so that a bf16 vector that waits to be used takes four registers
// and not eight. V is VECTOR<T> or 1.
template <class T, int V>
struct Raw {
  uint4 bits;

  DEVICE void load(const T* p) { bits = *reinterpret_cast<const uint4*>(p); }

  DEVICE void clear() { bits = make_uint4(0, 0, 0, 0); }

  DEVICE void pack(const float (&v)[V]) {
    if constexpr (V == 8) {
      bits = make_uint4(pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]),
                        pack_bf16(v[6], v[7]));
    } else {
      bits = make_uint4(__float_as_uint(v[0]), __float_as_uint(v[1]), __float_as_uint(v[2]),
                        __float_as_uint(v[3]));
    }
  }

  DEVICE void unpack(float (&v)[V]) const {
    if constexpr (V == 8) {
      v[0] = low_bf16(bits.x);
      v[1] = high_bf16(bits.x);
      v[2] = low_bf16(bits.y);
      v[3] = high_bf16(bits.y);
      v[4] = low_bf16(bits.z);
      v[5] = high_bf16(bits.z);
      v[6] = low_bf16(bits.w);
      v[7] = high_bf16(bits.w);
    } else {
      v[0] = __uint_as_float(bits.x);
      v[1] = __uint_as_float(bits.y);
      v[2] = __uint_as_float(bits.z);
      v[3] = __uint_as_float(bits.w);
    }
  }

  // What was computed from the elements is computed again: for values that would fill more registers
  // than these until they are needed.
  DEVICE void renew() {
    asm volatile("" : "+r"(bits.x), "+r"(bits.y), "+r"(bits.z), "+r"(bits.w));
  }
};

template <class T>
struct Raw<T, 1> {
  T value;

  DEVICE void load(const T* p) { value = *p; }

  DEVICE void clear() { assign(value, 0.f); }

  DEVICE void pack(const float (&v)[1]) { assign(value, v[0]); }

  DEVICE void unpack(float (&v)[1]) const { v[0] = to_float(value); }

  DEVICE void renew() {}
};

// The first `count` of N elements one by one, the rest zeros: ragged ends and unaligned rows.
template <int N, class T>
DEVICE void load_some(const T* p, int count, float (&v)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) {
    v[i] = i < count ? to_float(p[i]) : 0.f;
  }
}

template <int N, class T>
DEVICE void store_some(T* p, int count, const float (&v)[N]) {
#pragma unroll
  for (int i = 0; i < N; i++) {
    if (i < count) {
      assign(p[i], v[i]);
    }
  }
}

DEVICE bool aligned16(const void* p) { return ((unsigned long long)p & 15) == 0; }

// ---------------------------------------------------------------------------------------------
// Reductions: butterflies and loops in a fixed order, so the same bits in every run. All lanes of
// each group of LANES (a power of two) get the result.

template <int LANES = 32, class T>
DEVICE T warp_sum(T v) {
#pragma unroll
  for (int step = LANES / 2; step > 0; step /= 2) {
    v += __shfl_xor_sync(FULL_WARP, v, step);
  }
  return v;
}

template <int LANES = 32>
DEVICE float warp_max(float v) {
#pragma unroll
  for (int step = LANES / 2; step > 0; step /= 2) {
    v = fmaxf(v, __shfl_xor_sync(FULL_WARP, v, step));
  }
  return v;
}

// Over all threads of a one-dimensional block (whole warps); every thread gets the result. `shared`
// holds one T a warp and may be used again right away.
template <class T>
DEVICE T block_sum(T v, T* shared) {
  v = warp_sum(v);
  int warps = blockDim.x / 32;
  if (threadIdx.x % 32 == 0) {
    shared[threadIdx.x / 32] = v;
  }
  __syncthreads();
  T sum = shared[0];
  for (int w = 1; w < warps; w++) {
    sum += shared[w];
  }
  __syncthreads();
  return sum;
}

// *to(i) += sum over s of partials[s * stride + i] for i below n, in float64 and in a fixed order: how
// partial sums of a fixed number of slices end up in a gradient. Where to(i) is null nothing happens.
// For blocks of 1024 threads, one for each 32 elements.
template <class F>
DEVICE void add_slices_to(const float* partials, int slices, int stride, int n, F to) {
  __shared__ double sums[32][33];
  int lane = threadIdx.x % 32;
  int team = threadIdx.x / 32;
  int i = blockIdx.x * 32 + lane;
  double sum = 0;
  if (i < n) {
#pragma unroll 4
    for (int s = team; s < slices; s += 32) {
      sum += partials[(long long)s * stride + i];
    }
  }
  sums[team][lane] = sum;
  __syncthreads();
  sum = warp_sum(sums[lane][team]);  // of element blockIdx.x * 32 + team
  i = blockIdx.x * 32 + team;
  if (lane == 0 && i < n) {
    float* at = to(i);
    if (at != nullptr) {
      *at = (float)(*at + sum);
    }
  }
}

// to[i] += sum over s of partials[s * stride + i].
DEVICE void add_slices(const float* partials, int slices, int stride, float* to, int n) {
  add_slices_to(partials, slices, stride, n, [&](int i) { return to + i; });
}

// ---------------------------------------------------------------------------------------------
// Elementary functions.

constexpr float LOG2E = 1.44269504088896341f;
constexpr float LN2 = 0.69314718055994531f;

// 2^x by the special-function unit, relative error 2^-22; 0 for -infinity.
DEVICE float exp2_fast(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

DEVICE float exp_fast(float x) { return exp2_fast(x * LOG2E); }

DEVICE float reciprocal_fast(float x) {
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

// 1 / (1 + e^-x).
DEVICE float sigmoid(float x) { return reciprocal_fast(1.f + exp_fast(-x)); }

// log(1 + e^x) without overflow.
DEVICE float softplus(float x) { return fmaxf(x, 0.f) + log1pf(expf(-fabsf(x))); }

// ---------------------------------------------------------------------------------------------
// Overlap of a kernel's end with the next one's beginning, of which older chips know nothing. A kernel
// that is launched with LaunchArguments.overlapPrevious() must call wait_for_previous() in every thread
// before it reads anything that a kernel before it may have written, or writes anything.

// The next kernel may start as soon as every block has called this or ended. Harmless in any kernel.
DEVICE void start_next() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Until all kernels before this one have ended and their writes can be seen.
DEVICE void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// ---------------------------------------------------------------------------------------------

// Lanes of a warp that share a row of `vectors` vectors: a power of two.
__host__ __device__ constexpr int warp_team(int vectors) {
  int team = 1;
  while (team < vectors && team < 32) {
    team *= 2;
  }
  return team;
}

template <class T>
DEVICE T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}
