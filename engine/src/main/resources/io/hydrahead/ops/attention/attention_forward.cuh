// What both forward kernels of attention share.
#pragma once

#define MAX_HEADS 128
#define NO_SCORE __int_as_float(0xff800000) // -infinity

/** The list of heads, those of one KV head side by side. */
struct Heads {
  unsigned short query[MAX_HEADS];
  unsigned short kv[MAX_HEADS];
};
