// What the kernels of attention's backward pass share.
#pragma once

constexpr int MAX_HEADS = 128;

// Who reads whom, by value: query heads query[start[g]] ... query[start[g + 1] - 1], in ascending
// order, read KV head g; query head h reads kv[h].
struct Heads {
  unsigned short start[MAX_HEADS + 1];
  unsigned short query[MAX_HEADS];
  unsigned short kv[MAX_HEADS];
};
