package io.hydrahead.ops.attention;

import io.hydrahead.ops.attention.CausalAttention.Window;
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

  /**
   * The query tiles of one head.
   *
   * @param offset absolute position of query 0
   * @param bm queries a tile
   * @param bn keys a tile
   */
  record Tiles(int queries, int offset, int bm, int bn, Window window) {
    int count() {
      return Math.ceilDiv(queries, bm);
    }

    /**
     * Key tiles that query tile {@code tile} sees: those of its rows' windows and those of sinks.
     */
    int keys(int tile) {
      int first = tile * bm;
      int last = Math.min(first + bm, queries) - 1;
      int oldest = Math.max(0, offset + first - window.size() + 1);
      int hidden = Math.max(0, oldest / bn - Math.ceilDiv(window.sinks(), bn));
      return (offset + last) / bn + 1 - hidden;
    }
  }

  /**
   * The plan with the earliest end, by simulating the blocks.
   *
   * @param heads of all sequences
   * @param t of each head
   * @param tileBytes of one partial result
   */
  static CudaForwardPlan of(int heads, Tiles t, long tileBytes, int processors) {
    int tiles = t.count();
    int[] lengths = new int[tiles];
    int longest = 0;
    for (int i = 0; i < tiles; i++) {
      lengths[i] = t.keys(i);
      longest = Math.max(longest, lengths[i]);
    }
    CudaForwardPlan best = new CudaForwardPlan(longest, 1);
    if ((long) heads * tiles >= (long) PLENTY * processors) {
      return best;
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
