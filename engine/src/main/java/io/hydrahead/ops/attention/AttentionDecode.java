package io.hydrahead.ops.attention;

import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.LE;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.ops.lanes.Lanes.set;
import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

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
 * Attention of a single query row a head: keys and values are streamed once for all query heads of
 * a KV head. One task a KV head and a piece of {@link #PIECE} keys; the pieces' sums are then
 * combined in order (flash decoding), whatever the number of threads.
 */
final class AttentionDecode {
  /** Keys a task. */
  private static final int PIECE = 1024;

  /** Keys a block, whose scores and probabilities stay in the first-level cache. */
  private static final int KEYS = 64;

  /** Floats of a row of values that are summed in registers together. */
  private static final int WIDE = 8 * LANES;

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
    pieces = (call.largestOffset() + PIECE) / PIECE;
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

  private int piecesOf(int b) {
    return (call.offset(b) + PIECE) / PIECE;
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
    if (group == 0 || piece >= piecesOf(b)) {
      return;
    }
    int rows = (group + 3) / 4 * 4;
    int floats = 2 * rows * padded + rows * KEYS + 2 * rows + 2 * KEYS * padded + KEYS * LANES;
    Scratch scratch = Scratch.ofThread().begin(floats, 7);
    long q = scratch.take((long) rows * padded);
    long sums = scratch.take((long) rows * padded);
    long scores = scratch.take((long) rows * KEYS);
    long totals = scratch.take(2L * rows);
    long packed = scratch.take(2L * KEYS * padded);
    long work = scratch.take((long) KEYS * LANES);
    int i = 0;
    for (int h = 0; h < c.heads; h++) {
      if (c.kvOf[h] == g) {
        Lanes.pack(1, c.d, c.scale2, c.query(b, h, 0), 0, q + 4L * i++ * padded, 0);
      }
    }
    stream(b, g, piece * PIECE, group, q, sums, scores, totals, packed, work);
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
      int b,
      int g,
      int from,
      int group,
      long q,
      long sums,
      long scores,
      long totals,
      long packed,
      long work) {
    int to = Math.min(from + PIECE, call.offset(b) + 1);
    long row = 4L * padded;
    for (int j0 = from; j0 < to; j0 += KEYS) {
      int n = Math.min(KEYS, to - j0);
      long k = call.keys(b, g, j0);
      long v = call.values(b, g, j0);
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
        if (padded % (4 * LANES) == 0) {
          wideDots(n, k, stride, q + i * row, padded, work);
        } else {
          dots(n, k, stride, q + i * row, padded, work);
        }
        Lanes.sumLanes(n, work, s);
        softmax(n, j0 == from, s, totals + 8L * i, sums + i * row, padded, work);
      }
      addValues(group, n, scores, v, stride, sums, j0 == from);
    }
  }

  /** sums += weights [group, n] · values, values read in whole rows or at least {@link #WIDE}. */
  private void addValues(
      int group, int n, long weights, long values, long stride, long sums, boolean first) {
    int wide = padded / WIDE * WIDE;
    if (first && wide > 0) {
      Lanes.zero(sums, (long) group * padded);
    }
    for (int c = 0; c < wide; c += WIDE) {
      for (int i = 0; i < group; i++) {
        addWide(
            n, weights + 4L * i * KEYS, values + 4L * c, stride, sums + 4L * i * padded + 4L * c);
      }
    }
    if (wide < padded) {
      long rest = 4L * wide;
      Tiles.multiply(
          group,
          padded - wide,
          n,
          weights,
          4L * KEYS,
          4,
          values + rest,
          stride,
          sums + rest,
          4L * padded,
          !first);
    }
  }

  private static void addWide(int n, long weights, long values, long stride, long sum) {
    FloatVector s0 = FloatVector.fromMemorySegment(S, ALL, sum, LE);
    FloatVector s1 = FloatVector.fromMemorySegment(S, ALL, sum + 1L * BYTES, LE);
    FloatVector s2 = FloatVector.fromMemorySegment(S, ALL, sum + 2L * BYTES, LE);
    FloatVector s3 = FloatVector.fromMemorySegment(S, ALL, sum + 3L * BYTES, LE);
    FloatVector s4 = FloatVector.fromMemorySegment(S, ALL, sum + 4L * BYTES, LE);
    FloatVector s5 = FloatVector.fromMemorySegment(S, ALL, sum + 5L * BYTES, LE);
    FloatVector s6 = FloatVector.fromMemorySegment(S, ALL, sum + 6L * BYTES, LE);
    FloatVector s7 = FloatVector.fromMemorySegment(S, ALL, sum + 7L * BYTES, LE);
    for (int j = 0; j < n; j++) {
      FloatVector w = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, weights + 4L * j));
      s0 = w.fma(FloatVector.fromMemorySegment(S, ALL, values, LE), s0);
      s1 = w.fma(FloatVector.fromMemorySegment(S, ALL, values + 1L * BYTES, LE), s1);
      s2 = w.fma(FloatVector.fromMemorySegment(S, ALL, values + 2L * BYTES, LE), s2);
      s3 = w.fma(FloatVector.fromMemorySegment(S, ALL, values + 3L * BYTES, LE), s3);
      s4 = w.fma(FloatVector.fromMemorySegment(S, ALL, values + 4L * BYTES, LE), s4);
      s5 = w.fma(FloatVector.fromMemorySegment(S, ALL, values + 5L * BYTES, LE), s5);
      s6 = w.fma(FloatVector.fromMemorySegment(S, ALL, values + 6L * BYTES, LE), s6);
      s7 = w.fma(FloatVector.fromMemorySegment(S, ALL, values + 7L * BYTES, LE), s7);
      values += stride;
    }
    s0.intoMemorySegment(ALL, sum, LE);
    s1.intoMemorySegment(ALL, sum + 1L * BYTES, LE);
    s2.intoMemorySegment(ALL, sum + 2L * BYTES, LE);
    s3.intoMemorySegment(ALL, sum + 3L * BYTES, LE);
    s4.intoMemorySegment(ALL, sum + 4L * BYTES, LE);
    s5.intoMemorySegment(ALL, sum + 5L * BYTES, LE);
    s6.intoMemorySegment(ALL, sum + 6L * BYTES, LE);
    s7.intoMemorySegment(ALL, sum + 7L * BYTES, LE);
  }

  /** {@link #dots} for whole multiples of 4 vectors: key after key, so that memory streams. */
  private static void wideDots(int n, long keys, long stride, long q, int d, long sums) {
    for (int j = 0; j < n; j++) {
      FloatVector s0 = FloatVector.zero(S);
      FloatVector s1 = FloatVector.zero(S);
      FloatVector s2 = FloatVector.zero(S);
      FloatVector s3 = FloatVector.zero(S);
      for (int c = 0; c < d; c += 4 * LANES) {
        long x = q + 4L * c;
        long y = keys + 4L * c;
        s0 =
            FloatVector.fromMemorySegment(S, ALL, x, LE)
                .fma(FloatVector.fromMemorySegment(S, ALL, y, LE), s0);
        s1 =
            FloatVector.fromMemorySegment(S, ALL, x + BYTES, LE)
                .fma(FloatVector.fromMemorySegment(S, ALL, y + BYTES, LE), s1);
        s2 =
            FloatVector.fromMemorySegment(S, ALL, x + 2L * BYTES, LE)
                .fma(FloatVector.fromMemorySegment(S, ALL, y + 2L * BYTES, LE), s2);
        s3 =
            FloatVector.fromMemorySegment(S, ALL, x + 3L * BYTES, LE)
                .fma(FloatVector.fromMemorySegment(S, ALL, y + 3L * BYTES, LE), s3);
      }
      s0.add(s1).add(s2.add(s3)).intoMemorySegment(ALL, sums + (long) j * BYTES, LE);
      keys += stride;
    }
  }

  /** q · key j, in the lanes of vector j of {@code sums}. */
  private static void dots(int n, long keys, long stride, long q, int d, long sums) {
    int j = 0;
    for (; j + 3 < n; j += 4) {
      FloatVector s0 = FloatVector.zero(S);
      FloatVector s1 = FloatVector.zero(S);
      FloatVector s2 = FloatVector.zero(S);
      FloatVector s3 = FloatVector.zero(S);
      for (int c = 0; c < d; c += LANES) {
        FloatVector x = FloatVector.fromMemorySegment(S, ALL, q + 4L * c, LE);
        s0 = x.fma(FloatVector.fromMemorySegment(S, ALL, keys + 4L * c, LE), s0);
        s1 = x.fma(FloatVector.fromMemorySegment(S, ALL, keys + stride + 4L * c, LE), s1);
        s2 = x.fma(FloatVector.fromMemorySegment(S, ALL, keys + 2 * stride + 4L * c, LE), s2);
        s3 = x.fma(FloatVector.fromMemorySegment(S, ALL, keys + 3 * stride + 4L * c, LE), s3);
      }
      s0.intoMemorySegment(ALL, sums + (long) j * BYTES, LE);
      s1.intoMemorySegment(ALL, sums + (long) (j + 1) * BYTES, LE);
      s2.intoMemorySegment(ALL, sums + (long) (j + 2) * BYTES, LE);
      s3.intoMemorySegment(ALL, sums + (long) (j + 3) * BYTES, LE);
      keys += 4 * stride;
    }
    for (; j < n; j++) {
      FloatVector s = FloatVector.zero(S);
      for (int c = 0; c < d; c += LANES) {
        s =
            FloatVector.fromMemorySegment(S, ALL, q + 4L * c, LE)
                .fma(FloatVector.fromMemorySegment(S, ALL, keys + 4L * c, LE), s);
      }
      s.intoMemorySegment(ALL, sums + (long) j * BYTES, LE);
      keys += stride;
    }
  }

  /** Scores become exp2(score − maximum); the sums so far shrink when the maximum grows. */
  private static void softmax(
      int n, boolean first, long scores, long total, long sums, int d, long work) {
    int whole = (n + LANES - 1) / LANES * LANES;
    for (int j = n; j < whole; j++) {
      set(scores + 4L * j, Float.NEGATIVE_INFINITY);
    }
    FloatVector most = FloatVector.fromMemorySegment(S, ALL, scores, LE);
    for (int j = LANES; j < whole; j += LANES) {
      most = most.max(FloatVector.fromMemorySegment(S, ALL, scores + 4L * j, LE));
    }
    float block = most.reduceLanes(VectorOperators.MAX);
    float old = first ? block : get(total);
    float max = Math.max(old, block);
    float sum = first ? 0f : get(total + 4);
    if (max > old) {
      float shrink = power(old - max);
      sum *= shrink;
      for (int c = 0; c < d; c += LANES) {
        FloatVector x = FloatVector.fromMemorySegment(S, ALL, sums + 4L * c, LE);
        x.mul(FloatVector.broadcast(S, shrink)).intoMemorySegment(ALL, sums + 4L * c, LE);
      }
    }
    FloatVector.broadcast(S, max).intoMemorySegment(ALL, work, LE);
    FloatVector.zero(S).intoMemorySegment(ALL, work + BYTES, LE);
    Lanes.exp2(whole / LANES, scores, BYTES, work, work + BYTES);
    set(total, max);
    Lanes.sumLanes(1, work + BYTES, work);
    set(total + 4, sum + get(work));
  }

  private static float power(float x) {
    return (float) Math.exp(x / Lanes.LOG2_E);
  }

  private void combine(int b, int h) {
    float max = Float.NEGATIVE_INFINITY;
    int filled = piecesOf(b);
    for (int p = 0; p < filled; p++) {
      max = Math.max(max, get(partial(b, h, p) + 4L * padded));
    }
    double sum = 0;
    long total = partial(b, h, 0);
    for (int p = 0; p < filled; p++) {
      long at = partial(b, h, p);
      float weight = power(get(at + 4L * padded) - max);
      sum += (double) weight * get(at + 4L * padded + 4);
      if (p == 0) {
        Lanes.unpack(1, padded, weight, at, 0, total, 0);
      } else {
        addScaled(padded, weight, at, total);
      }
    }
    Lanes.unpack(1, call.d, (float) (1 / sum), total, 0, call.out(b, h, 0), 0);
    long lse = call.lse(b, h, 0);
    if (lse != 0) {
      set(lse, (float) (max / Lanes.LOG2_E + Math.log(sum)));
    }
  }

  private static void addScaled(int floats, float factor, long from, long to) {
    FloatVector f = FloatVector.broadcast(S, factor);
    for (long c = 0; c < 4L * floats; c += BYTES) {
      FloatVector x = FloatVector.fromMemorySegment(S, ALL, from + c, LE);
      FloatVector y = FloatVector.fromMemorySegment(S, ALL, to + c, LE);
      x.fma(f, y).intoMemorySegment(ALL, to + c, LE);
    }
  }
}
