// How the portable kernels of attention take keys and values: rows of a training pass or a cache.
#pragma once
#include "common.cuh"

/** Keys or values: element (b, head, token, c) at b · batchStride + head · headStride + token · tokenStride + c. */
struct Keys {
  const elem *at;
  long long batchStride;
  long long headStride;
  long long tokenStride;
};
