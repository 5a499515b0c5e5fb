// to = from with another element type: float32, bf16 or IEEE half. Rows of `columns` elements may lie
// further apart than they are long. One thread takes 8 adjacent elements of a row.
//
// nvrtc: -DFROM_F32 -DTO_BF16
// nvrtc: -DFROM_BF16 -DTO_F32
// nvrtc: -DFROM_F16 -DTO_F32
// nvrtc: -DFROM_F16 -DTO_BF16
// nvrtc: -DFROM_F32 -DTO_F16
// nvrtc: -DFROM_BF16 -DTO_F16
#include "common.cuh"

struct half_t {
  unsigned short x;
};

DEVICE float widen(float v) { return v; }

DEVICE float widen(bf16 v) { return to_float(v); }

DEVICE float widen(half_t v) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(v.x));
  return r;
}

DEVICE void narrow(float& to, float v) { to = v; }

DEVICE void narrow(bf16& to, float v) { to = to_bf16(v); }

DEVICE void narrow(half_t& to, float v) { asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to.x) : "f"(v)); }

#if defined(FROM_F32)
typedef float from_t;
#elif defined(FROM_BF16)
typedef bf16 from_t;
#else
typedef half_t from_t;
#endif

#if defined(TO_F32)
typedef float to_t;
#elif defined(TO_BF16)
typedef bf16 to_t;
#else
typedef half_t to_t;
#endif

template <class T>
struct alignas(sizeof(T) * 8 > 16 ? 16 : sizeof(T) * 8) Eight {
  T v[8];
};

extern "C" __global__ void convert(const from_t* from, long long from_stride, to_t* to,
                                   long long to_stride, long long rows, int columns) {
  int groups = (columns + 7) / 8;
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= rows * groups) {
    return;
  }
  long long row = i / groups;
  int at = (int)(i % groups) * 8;
  const from_t* f = from + row * from_stride + at;
  to_t* t = to + row * to_stride + at;
  if (at + 8 <= columns && aligned16(f) && aligned16(t)) {
    Eight<from_t> in = *reinterpret_cast<const Eight<from_t>*>(f);
    Eight<to_t> out;
#pragma unroll
    for (int e = 0; e < 8; e++) {
      narrow(out.v[e], widen(in.v[e]));
    }
    *reinterpret_cast<Eight<to_t>*>(t) = out;
  } else {
    for (int e = 0; e < min(8, columns - at); e++) {
      narrow(t[e], widen(f[e]));
    }
  }
}
