package io.hydrahead.ops.attention;

import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.exp2;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.ops.lanes.Lanes.load;
import static io.hydrahead.ops.lanes.Lanes.set;
import static io.hydrahead.ops.lanes.Lanes.store;

import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.ops.lanes.Scratch;
import io.hydrahead.ops.lanes.Tiles;
import io.hydrahead.tensor.ComputePool;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * Attention of a single query row a head: keys and values are streamed once for all query heads of a
 * KV head. One task a KV head and a piece of {@link #PIECE} keys; the pieces' sums are then combined
 * in order (flash decoding), whatever the number of threads.
 */
final class AttentionDecode {
  /** Keys a task. */
  private static final int PIECE = 1024;

  /** Keys a block, whose scores and probabilities stay in the first-level cache. */
  private static final int KEYS = 64;

  private final ComputePool pool;
  private final AttentionCall call;
  private final IntConsumer task = this::piece;

  /** [B, h, pieces, padded d + 2]: sums, then maximum (base 2) and denominator. */
  private MemorySegment partials = MemorySegment.NULL;

  private int pieces;
  private int padded;

  AttentionDecode(ComputePool pool, AttentionCall call) {
    this.pool = pool;
    this.call = call;
  }

  void run() {
    pieces = (call.offset + PIECE) / PIECE;
    padded = Lanes.padded(call.d);
    long bytes = 4L * call.batch * call.heads * pieces * (padded + LANES);
    if (partials.byteSize() < bytes) {
      partials = Arena.ofAuto().allocate(bytes, 64);
    }
    pool.run(call.batch * call.kvHeads * pieces, task);
    for (int b = 0; b < call.batch; b++) {
      for (int h = 0; h < call.heads; h++) {
        combine(b, h);
      }
    }
  }

  private long partial(int b, int h, int piece) {
    long index = ((long) b * call.heads + h) * pieces + piece;
    return partials.address() + 4 * index * (padded + LANES);
  }

  private void piece(int index) {
    AttentionCall c = call;
    int piece = index % pieces;
    int g = index / pieces % c.kvHeads;
    int b = index / pieces / c.kvHeads;
    int group = 0;
    for (int of : c.kvOf) {
      group += of == g ? 1 : 0;
    }
    if (group == 0) {
      return;
    }
    int rows = (group + 3) / 4 * 4;
    int floats = 2 * rows * padded + rows * KEYS + 2 * rows + 2 * KEYS * padded;
    Scratch scratch = Scratch.ofThread().begin(floats, 6);
    long q = scratch.take((long) rows * padded);
    long sums = scratch.take((long) rows * padded);
    long scores = scratch.take((long) rows * KEYS);
    long totals = scratch.take(2L * rows);
    long packed = scratch.take(2L * KEYS * padded);
    int i = 0;
    for (int h = 0; h < c.heads; h++) {
      if (c.kvOf[h] == g) {
        Lanes.pack(1, c.d, c.scale2, c.query(b, h, 0), 0, q + 4L * i++ * padded, 0);
      }
    }
    stream(
        c.keys(b, g), c.values(b, g), piece * PIECE, group, q, sums, scores, totals, packed);
    i = 0;
    for (int h = 0; h < c.heads; h++) {
      if (c.kvOf[h] == g) {
        long to = partial(b, h, piece);
        Lanes.unpack(1, padded, 1f, sums + 4L * i * padded, 0, to, 0);
        set(to + 4L * padded, get(totals + 8L * i));
        set(to + 4L * padded + 4, get(totals + 8L * i + 4));
        i++;
      }
    }
  }

  private void stream(
      long keys, long values, int from, int group, long q, long sums, long scores, long totals,
      long packed) {
    int to = Math.min(from + PIECE, call.offset + 1);
    long row = 4L * padded;
    for (int j0 = from; j0 < to; j0 += KEYS) {
      int n = Math.min(KEYS, to - j0);
      long k = keys + j0 * call.kvToken;
      long v = values + j0 * call.kvToken;
      long stride = call.kvToken;
      if (padded > call.d) { // whole vectors would read past the row
        Lanes.pack(n, call.d, 1f, k, stride, packed, row);
        Lanes.pack(n, call.d, 1f, v, stride, packed + KEYS * row, row);
        k = packed;
        v = packed + KEYS * row;
        stride = row;
      }
      for (int i = 0; i < group; i++) {
        long s = scores + 4L * i * KEYS;
        dots(n, k, stride, q + i * row, padded, s);
        softmax(n, j0 == from, s, totals + 8L * i, sums + i * row, padded);
      }
      Tiles.multiply(
          group, padded, n, scores, 4L * KEYS, 4, v, stride, sums, row, j0 > from);
    }
  }

  /** scores[j] = q · key j. */
  private static void dots(int n, long keys, long stride, long q, int d, long scores) {
    int j = 0;
    for (; j + 3 < n; j += 4) {
      FloatVector s0 = FloatVector.zero(S);
      FloatVector s1 = s0;
      FloatVector s2 = s0;
      FloatVector s3 = s0;
      for (int c = 0; c < d; c += LANES) {
        FloatVector x = load(q + 4L * c);
        s0 = x.fma(load(keys + 4L * c), s0);
        s1 = x.fma(load(keys + stride + 4L * c), s1);
        s2 = x.fma(load(keys + 2 * stride + 4L * c), s2);
        s3 = x.fma(load(keys + 3 * stride + 4L * c), s3);
      }
      set(scores + 4L * j, s0.reduceLanes(VectorOperators.ADD));
      set(scores + 4L * j + 4, s1.reduceLanes(VectorOperators.ADD));
      set(scores + 4L * j + 8, s2.reduceLanes(VectorOperators.ADD));
      set(scores + 4L * j + 12, s3.reduceLanes(VectorOperators.ADD));
      keys += 4 * stride;
    }
    for (; j < n; j++) {
      FloatVector s = FloatVector.zero(S);
      for (int c = 0; c < d; c += LANES) {
        s = load(q + 4L * c).fma(load(keys + 4L * c), s);
      }
      set(scores + 4L * j, s.reduceLanes(VectorOperators.ADD));
      keys += stride;
    }
  }

  /** Scores become exp2(score − maximum); the sums so far shrink when the maximum grows. */
  private static void softmax(int n, boolean first, long scores, long total, long sums, int d) {
    int whole = (n + LANES - 1) / LANES * LANES;
    for (int j = n; j < whole; j++) {
      set(scores + 4L * j, Float.NEGATIVE_INFINITY);
    }
    FloatVector most = load(scores);
    for (int j = LANES; j < whole; j += LANES) {
      most = most.max(load(scores + 4L * j));
    }
    float block = most.reduceLanes(VectorOperators.MAX);
    float old = first ? block : get(total);
    float max = Math.max(old, block);
    float sum = first ? 0f : get(total + 4);
    if (max > old) {
      FloatVector shrink = exp2(FloatVector.broadcast(S, old - max));
      sum *= shrink.lane(0);
      for (int c = 0; c < d; c += LANES) {
        store(sums + 4L * c, load(sums + 4L * c).mul(shrink));
      }
    }
    FloatVector all = FloatVector.zero(S);
    for (int j = 0; j < whole; j += LANES) {
      FloatVector p = exp2(load(scores + 4L * j).sub(max));
      store(scores + 4L * j, p);
      all = all.add(p);
    }
    set(total, max);
    set(total + 4, sum + all.reduceLanes(VectorOperators.ADD));
  }

  private void combine(int b, int h) {
    float max = Float.NEGATIVE_INFINITY;
    for (int p = 0; p < pieces; p++) {
      max = Math.max(max, get(partial(b, h, p) + 4L * padded));
    }
    double sum = 0;
    long total = partial(b, h, 0);
    for (int p = 0; p < pieces; p++) {
      long at = partial(b, h, p);
      float weight = (float) Math.exp((get(at + 4L * padded) - max) / Lanes.LOG2_E);
      sum += (double) weight * get(at + 4L * padded + 4);
      for (int c = 0; c < padded; c += LANES) {
        FloatVector x = load(at + 4L * c).mul(weight);
        store(total + 4L * c, p == 0 ? x : x.add(load(total + 4L * c)));
      }
    }
    Lanes.unpack(1, call.d, (float) (1 / sum), total, 0, call.out(b, h, 0), 0);
    long lse = call.lse(b, h, 0);
    if (lse != 0) {
      set(lse, (float) (max / Lanes.LOG2_E + Math.log(sum)));
    }
  }
}
