// What of the keys a query tile of attention_forward_hopper.cu sees, with and without a sliding window: which tiles of keys it
// works off, and what of their scores is hidden. It includes this behind BM, BN and D.
#pragma once
#include "attention_forward.cuh"
#include "attention_window.cuh"
#include "hopper.cuh"

struct Sizes {
  int batch;
  int queries;  // T
  int heads;
  int offset;   // absolute position of query row 0; keys = offset + queries
  int chunk;    // key tiles in a chunk at most
  int chunks;   // chunks of the longest query tile
  int section;  // heads (of all sequences) worked on at a time
  float scale;
#if WINDOW
  int window;
  int sinks;
#endif
};

/** Key tiles between sinks and window that no row of query tile `tile` sees: they are skipped and not counted. */
HOPPER_FN int hiddenTiles(const Sizes &s, int tile) {
#if WINDOW
  int oldest = max(s.offset + tile * BM - s.window + 1, 0);
  return max(oldest / BN - (s.sinks + BN - 1) / BN, 0);
#else
  return 0;
#endif
}

/** Key tiles that query tile `tile` sees. */
HOPPER_FN int keyTiles(const Sizes &s, int tile) {
  int last = min((tile + 1) * BM, s.queries) - 1;
  return (s.offset + last) / BN + 1 - hiddenTiles(s, tile);
}

/** First key of tile n of those that query tile `tile` sees. */
HOPPER_FN int firstKey(const Sizes &s, int tile, int n) {
#if WINDOW
  n += n * BN < s.sinks ? 0 : hiddenTiles(s, tile);
#endif
  return n * BN;
}

/** Hides what lies beyond the last visible column of each row. */
HOPPER_FN void maskTile(float (&s)[BN / 2], int limit0, int limit1) {
#pragma unroll
  for (int j = 0; j < BN / 8; j++) {
    s[4 * j] = 8 * j > limit0 ? NO_SCORE : s[4 * j];
    s[4 * j + 1] = 8 * j + 1 > limit0 ? NO_SCORE : s[4 * j + 1];
    s[4 * j + 2] = 8 * j > limit1 ? NO_SCORE : s[4 * j + 2];
    s[4 * j + 3] = 8 * j + 1 > limit1 ? NO_SCORE : s[4 * j + 3];
  }
}

/** Hides the columns from `sinks` on that come before each row's window. */
HOPPER_FN void maskOld(float (&s)[BN / 2], int oldest0, int oldest1, int sinks) {
#pragma unroll
  for (int j = 0; j < BN / 8; j++) {
    s[4 * j] = 8 * j < oldest0 && 8 * j >= sinks ? NO_SCORE : s[4 * j];
    s[4 * j + 1] = 8 * j + 1 < oldest0 && 8 * j + 1 >= sinks ? NO_SCORE : s[4 * j + 1];
    s[4 * j + 2] = 8 * j < oldest1 && 8 * j >= sinks ? NO_SCORE : s[4 * j + 2];
    s[4 * j + 3] = 8 * j + 1 < oldest1 && 8 * j + 1 >= sinks ? NO_SCORE : s[4 * j + 3];
  }
}

/**
 * Hides what the rows at `position` and 8 further on do not see of the tile whose first key is `key`; the thread's first column
 * is `column`.
 */
HOPPER_FN void hideKeys(float (&scores)[BN / 2], const Sizes &s, int position, int key, int column) {
  maskTile(scores, position - key - column, position + 8 - key - column);
#if WINDOW
  int oldest = position - s.window + 1 - key - column;
  maskOld(scores, oldest, oldest + 8, s.sinks - key - column);
#endif
}

#if WINDOW
/** Whether some row of query tile `tile` does not see all of key tile n; all see the last keys of those before `unmasked`. */
HOPPER_FN bool atEdge(const Sizes &s, int tile, int n, int unmasked) {
  int first = firstKey(s, tile, n);
  return first >= unmasked * BN || s.offset + (tile + 1) * BM - 1 - first >= s.window;
}
#endif
