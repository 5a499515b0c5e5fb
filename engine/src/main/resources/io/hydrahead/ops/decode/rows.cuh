// A head's q, k or v in one warp, on its way from the projection to the head's work, and the gate.
#pragma once
#include "stream.cuh"

// A head's row in one warp: lane holds elements lane + 32 j.
constexpr int EACH = D < 32 ? 1 : D / 32;

struct Row {
  float v[EACH];
};

DEVICE Row fresh_row(const float* p) {
  Row r;
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    r.v[j] = lane < D ? __ldcg(p + lane + 32 * j) : 0.f;
  }
  return r;
}

DEVICE Row weight_row(const float* p) {
  Row r;
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    r.v[j] = lane < D ? p[lane + 32 * j] : 0.f;
  }
  return r;
}

DEVICE float squares(const Row& r) {
  float sum = 0.f;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    sum = fmaf(r.v[j], r.v[j], sum);
  }
  return warp_sum(sum);
}

// Cosines and sines of a lane's elements; not looked at where there is no rotary.
struct Angles {
  float c[EACH];
  float s[EACH];
};

DEVICE Angles fresh_angles(const float* angles) {
  Angles a;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    int i = (threadIdx.x % 32 + 32 * j) % (D / 2);
    a.c[j] = __ldcg(angles + i);
    a.s[j] = __ldcg(angles + D / 2 + i);
  }
  return a;
}

// RMSNorm · w, rotary and (for linear heads) L2 norm, times `scale`.
DEVICE Row prepare(Row x, const Row& w, const Angles& turn, bool rotary, bool unit, float eps,
                   float scale) {
  int lane = threadIdx.x % 32;
  float rstd = rsqrtf(squares(x) / D + eps);
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    x.v[j] *= rstd * w.v[j];
  }
  if (rotary) {
    Row y;
#pragma unroll
    for (int j = 0; j < EACH; j++) {
      float partner;
      if constexpr (EACH == 1) {
        partner = __shfl_xor_sync(FULL_WARP, x.v[0], D / 2);
      } else {
        partner = x.v[j ^ (EACH / 2)];
      }
      bool low = lane + 32 * j < D / 2;
      y.v[j] = x.v[j] * turn.c[j] + (low ? -partner : partner) * turn.s[j];
    }
    x = y;
  }
  float factor = unit ? scale * rsqrtf(squares(x) + 1e-6f) : scale;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    x.v[j] *= factor;
  }
  return x;
}

DEVICE void keep(const Row& r, float* to) {
  int lane = threadIdx.x % 32;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    if (lane < D) {
      to[lane + 32 * j] = r.v[j];
    }
  }
}

// What the fusion multiplies a normalised element by.
DEVICE float gate_of(const Step& a, float z, float gamma) {
  return a.gated ? gamma * sigmoid(z) : gamma;
}
