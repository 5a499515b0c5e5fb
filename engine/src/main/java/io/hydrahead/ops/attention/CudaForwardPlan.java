package io.hydrahead.ops.attention;

import java.util.PriorityQueue;

/**
 * How the forward kernel of Hopper cuts its work: an item is a tile of {@code bm} queries of one
 * head with a chunk of its tiles of {@code bn} keys, and the blocks take items heaviest first. With
 * few heads the longest query tile alone would keep the others waiting; cutting the keys into
 * chunks levels that, at the price of adding up partial results.
 *
 * @param chunk key tiles in a chunk at most
 * @param chunks of the longest query tile
 */
record CudaForwardPlan(int chunk, int chunks) {
  /** Beyond that many items a multiprocessor, whole query tiles balance themselves. */
  private static final int PLENTY = 4;

  /** Cost of an item beside its key tiles, in key tiles: filling and draining the pipeline. */
  private static final double ITEM = 2;

  /** Cost of writing a partial result, and of reading one of them again. */
  private static final double PART = 1;

  private static final double ADD = 0.5;

  /** Partial results take no more than that. */
  private static final long MOST_BYTES = 256L << 20;

  /** Key tiles that query tile {@code tile} sees. */
  static int keyTiles(int queries, int offset, int bm, int bn, int tile) {
    int last = Math.min((tile + 1) * bm, queries) - 1;
    return (offset + last) / bn + 1;
  }

  /**
   * The plan with the earliest end, by simulating the blocks.
   *
   * @param heads of all sequences
   * @param tileBytes of one partial result
   */
  static CudaForwardPlan of(
      int heads, int queries, int offset, int bm, int bn, long tileBytes, int processors) {
    int tiles = Math.ceilDiv(queries, bm);
    int longest = keyTiles(queries, offset, bm, bn, tiles - 1);
    CudaForwardPlan best = new CudaForwardPlan(longest, 1);
    if ((long) heads * tiles >= (long) PLENTY * processors) {
      return best;
    }
    int[] lengths = new int[tiles];
    for (int i = 0; i < tiles; i++) {
      lengths[i] = keyTiles(queries, offset, bm, bn, i);
    }
    double bestEnd = end(lengths, heads, longest, processors);
    for (int c = 2; c <= longest; c++) {
      int chunk = Math.ceilDiv(longest, c);
      int chunks = Math.ceilDiv(longest, chunk);
      long items = (long) heads * tiles * chunks;
      if (chunk < 3 || items > (long) PLENTY * processors || items * tileBytes > MOST_BYTES) {
        break;
      }
      double e = end(lengths, heads, chunk, processors);
      if (e < 0.97 * bestEnd) {
        bestEnd = e;
        best = new CudaForwardPlan(chunk, chunks);
      }
    }
    return best;
  }

  /** When the last block is done, in key tiles. */
  private static double end(int[] lengths, int heads, int chunk, int processors) {
    PriorityQueue<Double> free = new PriorityQueue<>(processors);
    for (int i = 0; i < processors; i++) {
      free.add(0.0);
    }
    double end = 0;
    for (int t = lengths.length - 1; t >= 0; t--) {
      int n = lengths[t];
      int chunks = Math.ceilDiv(n, chunk);
      double more = chunks == 1 ? ITEM : ITEM + PART + ADD * chunks;
      for (int c = 0; c < chunks; c++) {
        int length = n * (c + 1) / chunks - n * c / chunks;
        for (int h = 0; h < heads; h++) {
          double done = free.remove() + length + more;
          free.add(done);
          end = Math.max(end, done);
        }
      }
    }
    return end;
  }
}
