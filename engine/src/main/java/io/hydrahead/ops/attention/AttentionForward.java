package io.hydrahead.ops.attention;

import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.exp2;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.ops.lanes.Lanes.load;
import static io.hydrahead.ops.lanes.Lanes.store;

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
 * <p>Query rows lie in the lanes: scores are held transposed, [keys, rows]. Then keys and values are
 * read as they are, and maxima, sums and exponentials go down the lanes. No lane ever sees another,
 * and key blocks stand on an absolute grid, so the bits of a row depend on that row and its keys
 * alone.
 */
final class AttentionForward {
  /** Query rows a block. */
  static final int ROWS = 4 * LANES;

  /** Keys a block. */
  static final int KEYS = 64;

  /** From one key to the next in a block of scores. */
  static final long SCORE_ROW = 4L * ROWS;

  private static final FloatVector LANE = FloatVector.zero(S).addIndex(1);

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
    int position = c.offset + row0;
    long keys = c.keys(b, c.kvOf[h]);
    long values = c.values(b, c.kvOf[h]);

    int floats = ROWS * (2 * d + 4 + KEYS + 3);
    Scratch scratch = Scratch.ofThread().begin(floats, 6);
    long qT = scratch.take((long) ROWS * d);
    long oT = scratch.take((long) ROWS * (d + 4));
    long scores = scratch.take((long) ROWS * KEYS);
    long max = scratch.take(ROWS);
    long sum = scratch.take(ROWS);
    long shrink = scratch.take(ROWS);

    if (rows < width) {
      Lanes.zero(qT, (long) ROWS * d);
    }
    Lanes.transpose(rows, d, c.scale2, c.query(b, h, row0), c.row, qT, SCORE_ROW);
    int end = position + rows;
    for (int j0 = 0; j0 < end; j0 += KEYS) {
      int n = Math.min(KEYS, end - j0);
      long at = j0 * c.kvToken;
      Tiles.multiply(
          n, width, d, keys + at, c.kvToken, 4, qT, SCORE_ROW, scores, SCORE_ROW, false);
      for (int lane = 0; lane < width; lane += LANES) {
        int shift = j0 - position - lane;
        softmax(n, shift, j0 == 0, d, 4L * lane, scores, max, sum, shrink, oT);
      }
      Tiles.multiply(
          d, width, n, values + at, 4, c.kvToken, scores, SCORE_ROW, oT, SCORE_ROW, j0 > 0);
    }
    for (int lane = 0; lane < width; lane += LANES) {
      FloatVector one = FloatVector.broadcast(S, 1f);
      store(shrink + 4L * lane, one.div(load(sum + 4L * lane)));
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

  /**
   * One vector of query rows: scores become exp2(score − max), 0 where masked; max, sum and the
   * output so far follow. Key j of the block is visible to lane i if i ≥ j + shift.
   */
  private static void softmax(
      int n, int shift, boolean first, int d, long lane, long scores, long max, long sum,
      long shrink, long oT) {
    int all = Math.clamp(1 - shift, 0, n);
    int some = Math.clamp(LANES - shift, 0, n);
    if (some > 0) {
      boolean grown = maximum(all, some, shift, first, scores + lane, max + lane, shrink + lane);
      if (first) {
        store(sum + lane, FloatVector.zero(S));
      } else if (grown) {
        store(sum + lane, load(sum + lane).mul(load(shrink + lane)));
        scale(d, oT + lane, shrink + lane);
      }
      exponentials(all, some, shift, scores + lane, max + lane, sum + lane);
    }
    for (int j = some; j < n; j++) {
      store(scores + lane + j * SCORE_ROW, FloatVector.zero(S));
    }
  }

  /** New maxima, and 2^(old − new) in {@code shrink}; whether any grew. */
  private static boolean maximum(
      int all, int some, int shift, boolean first, long scores, long max, long shrink) {
    FloatVector low = FloatVector.broadcast(S, Float.NEGATIVE_INFINITY);
    FloatVector m0 = low;
    FloatVector m1 = low;
    int j = 0;
    for (; j + 1 < all; j += 2) {
      m0 = m0.max(load(scores + j * SCORE_ROW));
      m1 = m1.max(load(scores + (j + 1) * SCORE_ROW));
    }
    for (; j < all; j++) {
      m0 = m0.max(load(scores + j * SCORE_ROW));
    }
    for (; j < some; j++) {
      m1 = m1.max(low.blend(load(scores + j * SCORE_ROW), visible(j + shift)));
    }
    m0 = m0.max(m1);
    if (first) {
      store(max, m0);
      return false;
    }
    FloatVector old = load(max);
    boolean grown = m0.compare(VectorOperators.GT, old).anyTrue();
    if (grown) {
      m0 = m0.max(old);
      store(max, m0);
      store(shrink, exp2(old.sub(m0)));
    }
    return grown;
  }

  private static void exponentials(
      int all, int some, int shift, long scores, long max, long sum) {
    FloatVector m = load(max);
    FloatVector total = load(sum);
    for (int j = 0; j < all; j++) {
      FloatVector p = exp2(load(scores + j * SCORE_ROW).sub(m));
      store(scores + j * SCORE_ROW, p);
      total = total.add(p);
    }
    for (int j = all; j < some; j++) {
      FloatVector p = exp2(load(scores + j * SCORE_ROW).sub(m));
      p = FloatVector.zero(S).blend(p, visible(j + shift));
      store(scores + j * SCORE_ROW, p);
      total = total.add(p);
    }
    store(sum, total);
  }

  /** Lanes {@code from} and up. */
  static jdk.incubator.vector.VectorMask<Float> visible(int from) {
    return LANE.compare(VectorOperators.GE, (float) from);
  }

  /** Multiplies one vector column of {@code d} rows by the vector at {@code factor}. */
  private static void scale(int d, long column, long factor) {
    FloatVector f = load(factor);
    for (int i = 0; i < d; i++) {
      store(column + i * SCORE_ROW, load(column + i * SCORE_ROW).mul(f));
    }
  }
}
