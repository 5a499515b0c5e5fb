// Long texts in segments: how far back a segment's end remembers.
#pragma once
#include "common.cuh"

// Log (base 2) of a decay that forgets: 2^-40 of a state is below what float32 can add to.
constexpr float FORGOTTEN = -40.f;

// Of chunks `from` to `to` − 1 with these logs of decays (≤ 0), the last one from which on everything before is
// forgotten at `to`: what it and later ones write is all that is felt there. −1 where none is. One warp, all lanes.
DEVICE int first_felt(const float* decays, int from, int to) {
  int lane = threadIdx.x % 32;
  float after = 0.f;
  for (int c = to - 1; c >= from; c -= 32) {
    float sum = c - lane >= from ? decays[c - lane] : 0.f;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      float below = __shfl_up_sync(FULL_WARP, sum, step);
      sum += lane >= step ? below : 0.f;
    }
    unsigned found = __ballot_sync(FULL_WARP, c - lane >= from && after + sum < FORGOTTEN);
    if (found != 0) {
      return c - (__ffs(found) - 1);
    }
    after += __shfl_sync(FULL_WARP, sum, 31);
  }
  return -1;
}
