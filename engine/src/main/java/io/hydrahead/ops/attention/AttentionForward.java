package io.hydrahead.ops.attention;

import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.LE;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.tensor.NativeMemory.ALL;

import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.ops.lanes.Scratch;
import io.hydrahead.ops.lanes.Tiles;
import io.hydrahead.tensor.ComputePool;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Attention of many query rows: one task a block of rows of one head, online softmax over blocks of
 * keys (FlashAttention-2, arXiv:2307.08691).
 *
 * <p>Query rows lie in the lanes: scores are held transposed, [keys, rows]. Then keys and values
 * are read as they are, and maxima, sums and exponentials go down the lanes. No lane ever sees
 * another, and key blocks stand on an absolute grid, so the bits of a row depend on that row and
 * its keys alone.
 */
final class AttentionForward {
  /** Query rows a block. */
  static final int ROWS = 4 * LANES;

  /** Keys a block. */
  static final int KEYS = 64;

  /** A score below all others, of rows that have seen no key yet. */
  private static final float LEAST = -1e30f;

  /** From one key to the next in a block of scores. */
  static final long SCORE_ROW = 4L * ROWS;

  private final ComputePool pool;
  private final AttentionCall call;
  private final IntConsumer task = this::block;
  private int blocks;

  AttentionForward(ComputePool pool, AttentionCall call) {
    this.pool = pool;
    this.call = call;
  }

  void run() {
    blocks = (call.queries + ROWS - 1) / ROWS;
    pool.run(call.batch * call.heads * blocks, task);
  }

  private void block(int index) {
    AttentionCall c = call;
    int unit = index / blocks;
    int row0 = (blocks - 1 - index % blocks) * ROWS; // longest first
    int b = unit / c.heads;
    int h = unit % c.heads;
    int d = c.d;
    int rows = Math.min(ROWS, c.queries - row0);
    int width = Lanes.padded(rows);
    int position = c.offset(b) + row0;

    int floats = ROWS * (2 * d + 4 + KEYS + 4);
    Scratch scratch = Scratch.ofThread().begin(floats, 6);
    long qT = scratch.take((long) ROWS * d);
    long oT = scratch.take((long) ROWS * (d + 4));
    long scores = scratch.take((long) ROWS * KEYS);
    long max = scratch.take(ROWS);
    long sum = scratch.take(ROWS);
    long shrink = scratch.take(2L * ROWS);

    if (rows < width) {
      Lanes.zero(qT, (long) ROWS * d);
    }
    Lanes.zero(oT, (long) ROWS * d);
    Lanes.transpose(rows, d, c.scale2, c.query(b, h, row0), c.row, qT, SCORE_ROW);
    int end = position + rows;
    int first = c.firstBlock(KEYS, position);
    for (int j0 = first; j0 < end; j0 = c.nextBlock(j0, KEYS, position)) {
      int n = Math.min(KEYS, end - j0);
      long keys = c.keys(b, c.kvOf[h], j0);
      long values = c.values(b, c.kvOf[h], j0);
      int step = step(j0 + n - 1, position);
      for (int g = 0; g < n; g += step) {
        int lane = hidden(j0 + g, position);
        Tiles.multiply(
            Math.min(step, n - g),
            width - lane,
            d,
            keys + g * c.kvToken,
            c.kvToken,
            4,
            qT + 4L * lane,
            SCORE_ROW,
            scores + g * SCORE_ROW + 4L * lane,
            SCORE_ROW,
            false);
      }
      for (int lane = 0; lane < width; lane += LANES) {
        int shift = j0 - position - lane;
        int gone = c.goneFrom(shift, LANES);
        int kept = c.sinksFrom(j0);
        softmax(n, shift, gone, kept, j0 == first, d, 4L * lane, scores, max, sum, shrink, oT);
      }
      for (int g = 0; g < n; g += step) {
        int lane = hidden(j0 + g, position);
        Tiles.multiply(
            d,
            width - lane,
            Math.min(step, n - g),
            values + g * c.kvToken,
            4,
            c.kvToken,
            scores + g * SCORE_ROW + 4L * lane,
            SCORE_ROW,
            oT + 4L * lane,
            SCORE_ROW,
            true);
      }
    }
    for (int lane = 0; lane < width; lane += LANES) {
      FloatVector one = FloatVector.broadcast(S, 1f);
      one.div(FloatVector.fromMemorySegment(S, ALL, sum + 4L * lane, LE))
          .intoMemorySegment(ALL, shrink + 4L * lane, LE);
      scale(d, oT + 4L * lane, shrink + 4L * lane);
    }
    Lanes.transpose(d, rows, 1f, oT, SCORE_ROW, c.out(b, h, row0), c.row);
    long lse = c.lse(b, h, row0);
    if (lse != 0) {
      for (int i = 0; i < rows; i++) {
        double value = get(max + 4L * i) / Lanes.LOG2_E + Math.log(get(sum + 4L * i));
        Lanes.set(lse + 4L * i, (float) value);
      }
    }
  }

  /** Keys that are worked on together: a vector's worth where some are hidden from some rows. */
  static int step(int lastKey, int position) {
    return lastKey > position ? LANES : KEYS;
  }

  /**
   * Lanes, in whole vectors, of the rows from {@code position} that see no key from {@code key}.
   */
  static int hidden(int key, int position) {
    return Math.max(0, (key - position) / LANES * LANES);
  }

  /**
   * One vector of query rows: scores become 2^(score − max), 0 where hidden; max, sum and the
   * output so far follow. Key j of the block is visible to lane i if i ≥ j + shift and (i &lt; j +
   * gone or j &lt; kept).
   */
  private static void softmax(
      int n,
      int shift,
      int gone,
      int kept,
      boolean first,
      int d,
      long lane,
      long scores,
      long max,
      long sum,
      long shrink,
      long oT) {
    int all = Math.clamp(1 - shift, 0, n);
    int some = Math.clamp(LANES - shift, 0, n);
    if (some > 0) {
      hide(all, some, shift, scores + lane, Float.NEGATIVE_INFINITY);
      hideGone(kept, some, gone, scores + lane, Float.NEGATIVE_INFINITY);
      boolean grown = maximum(some, first, scores + lane, max + lane, shrink + lane);
      if (first) {
        FloatVector.zero(S).intoMemorySegment(ALL, sum + lane, LE);
      } else if (grown) {
        scale(1, sum + lane, shrink + lane);
        scale(d, oT + lane, shrink + lane);
      }
      Lanes.exp2(some, scores + lane, SCORE_ROW, max + lane, sum + lane);
      hide(all, some, shift, scores + lane, 0f);
      hideGone(kept, some, gone, scores + lane, 0f);
    }
    for (int j = some; j < n; j++) {
      FloatVector.zero(S).intoMemorySegment(ALL, scores + lane + j * SCORE_ROW, LE);
    }
  }

  /** Puts {@code value} where key j is hidden from lane i < j + shift. */
  static void hide(int from, int to, int shift, long column, float value) {
    FloatVector hidden = FloatVector.broadcast(S, value);
    FloatVector lane = FloatVector.zero(S).addIndex(1);
    for (int j = from; j < to; j++) {
      long at = column + j * SCORE_ROW;
      FloatVector first = FloatVector.broadcast(S, (float) (j + shift));
      FloatVector.fromMemorySegment(S, ALL, at, LE)
          .blend(hidden, lane.compare(VectorOperators.LT, first))
          .intoMemorySegment(ALL, at, LE);
    }
  }

  /** Puts {@code value} where key j is hidden from lane i ≥ j + gone. */
  static void hideGone(int from, int to, int gone, long column, float value) {
    FloatVector hidden = FloatVector.broadcast(S, value);
    FloatVector lane = FloatVector.zero(S).addIndex(1);
    int end = Math.min(to, LANES - gone);
    for (int j = from; j < end; j++) {
      long at = column + j * SCORE_ROW;
      FloatVector first = FloatVector.broadcast(S, (float) (j + gone));
      FloatVector.fromMemorySegment(S, ALL, at, LE)
          .blend(hidden, lane.compare(VectorOperators.GE, first))
          .intoMemorySegment(ALL, at, LE);
    }
  }

  /** New maxima, and 2^(old − new) in {@code shrink}; whether any grew. */
  private static boolean maximum(int n, boolean first, long scores, long max, long shrink) {
    FloatVector m0 = FloatVector.broadcast(S, LEAST);
    FloatVector m1 = FloatVector.broadcast(S, LEAST);
    int j = 0;
    for (; j + 1 < n; j += 2) {
      m0 = m0.max(FloatVector.fromMemorySegment(S, ALL, scores + j * SCORE_ROW, LE));
      m1 = m1.max(FloatVector.fromMemorySegment(S, ALL, scores + (j + 1) * SCORE_ROW, LE));
    }
    if (j < n) {
      m0 = m0.max(FloatVector.fromMemorySegment(S, ALL, scores + j * SCORE_ROW, LE));
    }
    m0 = m0.max(m1);
    if (first) {
      m0.intoMemorySegment(ALL, max, LE);
      return false;
    }
    FloatVector old = FloatVector.fromMemorySegment(S, ALL, max, LE);
    if (!m0.compare(VectorOperators.GT, old).anyTrue()) {
      return false;
    }
    m0 = m0.max(old);
    m0.intoMemorySegment(ALL, max, LE);
    old.intoMemorySegment(ALL, shrink, LE);
    FloatVector.zero(S).intoMemorySegment(ALL, shrink + SCORE_ROW, LE);
    Lanes.exp2(1, shrink, BYTES, max, shrink + SCORE_ROW);
    return true;
  }

  /** Multiplies one vector column of {@code d} rows by the vector at {@code factor}. */
  private static void scale(int d, long column, long factor) {
    FloatVector f = FloatVector.fromMemorySegment(S, ALL, factor, LE);
    for (int i = 0; i < d; i++) {
      FloatVector.fromMemorySegment(S, ALL, column + i * SCORE_ROW, LE)
          .mul(f)
          .intoMemorySegment(ALL, column + i * SCORE_ROW, LE);
    }
  }
}
