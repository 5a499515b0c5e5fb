package io.hydrahead.ops.attention;

import static io.hydrahead.ops.attention.AttentionForward.KEYS;
import static io.hydrahead.ops.attention.AttentionForward.ROWS;
import static io.hydrahead.ops.attention.AttentionForward.SCORE_ROW;
import static io.hydrahead.ops.attention.AttentionForward.hidden;
import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.LE;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.ops.lanes.Lanes.set;
import static io.hydrahead.tensor.NativeMemory.ALL;

import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.ops.lanes.Scratch;
import io.hydrahead.ops.lanes.Tiles;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.IntConsumer;
import jdk.incubator.vector.FloatVector;

/**
 * Gradients of attention. Probabilities are computed anew from the log-sum-exp; with δ_i = dO_i·O_i
 * and dS = P ⊙ (dO Vᵀ − δ): dQ = scale · dS K, dK = scale · dSᵀ Q, dV = Pᵀ dO. As in the forward
 * pass query rows lie in the lanes.
 *
 * <p>One task a KV head of a sequence; where that gives few tasks, each is cut into slices of query
 * blocks, whose dK and dV are then summed in order. The number of slices follows from the shape
 * alone.
 */
final class AttentionBackward {
  private static final int ENOUGH_TASKS = 16;

  private final ComputePool pool;
  private final AttentionCall call;
  private final IntConsumer slice = this::slice;
  private final IntConsumer sum = this::sum;

  /** dK and dV of each slice: [B·g, slices, 2, padded keys, padded d]. */
  private MemorySegment partials = MemorySegment.NULL;

  private int slices;
  private int blocks;
  private int width;
  private long sliceFloats;
  private long dO;
  private long dq;
  private long dk;
  private long dv;

  AttentionBackward(ComputePool pool, AttentionCall call) {
    this.pool = pool;
    this.call = call;
  }

  void run(Tensor gradO, Tensor gradQ, Tensor gradK, Tensor gradV) {
    dO = AttentionCall.address(gradO);
    dq = AttentionCall.address(gradQ);
    dk = AttentionCall.address(gradK);
    dv = AttentionCall.address(gradV);
    int units = call.batch * call.kvHeads;
    blocks = (call.queries + ROWS - 1) / ROWS;
    slices = Math.clamp((ENOUGH_TASKS + units - 1) / units, 1, blocks);
    width = Lanes.padded(call.d);
    sliceFloats = (long) (call.queries + 3) / 4 * 4 * width;
    long bytes = 8 * units * slices * sliceFloats;
    if (slices > 1 && partials.byteSize() < bytes) {
      partials = Arena.ofAuto().allocate(bytes, 64);
    }
    pool.run(units * slices, slice);
    if (slices > 1) {
      pool.run(units, sum);
    }
  }

  private void slice(int index) {
    int unit = index / slices;
    int g = unit % call.kvHeads;
    int b = unit / call.kvHeads;
    int d = call.d;
    boolean alone = slices == 1;
    long floats = ROWS * (3L * d + 4 + 2L * width + 2 * KEYS + 3) + (alone ? 2 * sliceFloats : 0);
    Scratch scratch = Scratch.ofThread().begin(floats, 12);
    Block block = Block.ofThread();
    block.take(scratch, d, width);
    block.dk = alone ? scratch.take(sliceFloats) : partials.address() + 8L * index * sliceFloats;
    block.dv = alone ? scratch.take(sliceFloats) : block.dk + 4 * sliceFloats;
    Lanes.zero(block.dk, sliceFloats);
    Lanes.zero(block.dv, sliceFloats);
    for (int h = 0; h < call.heads; h++) {
      if (call.kvOf[h] == g) {
        for (int i = index % slices; i < blocks; i += slices) {
          rows(block, b, h, i * ROWS);
        }
      }
    }
    if (alone) {
      write(b, g, block.dk, block.dv);
    }
  }

  private void write(int b, int g, long dkSum, long dvSum) {
    long at = call.kvAt(b, g);
    Lanes.unpack(call.queries, call.d, call.scale, dkSum, 4L * width, dk + at, call.kvToken);
    Lanes.unpack(call.queries, call.d, 1f, dvSum, 4L * width, dv + at, call.kvToken);
  }

  private void sum(int unit) {
    long first = partials.address() + 8L * unit * slices * sliceFloats;
    for (int i = 1; i < slices; i++) {
      long other = first + 8L * i * sliceFloats;
      for (long c = 0; c < 8 * sliceFloats; c += Lanes.BYTES) {
        FloatVector.fromMemorySegment(S, ALL, first + c, LE)
            .add(FloatVector.fromMemorySegment(S, ALL, other + c, LE))
            .intoMemorySegment(ALL, first + c, LE);
      }
    }
    write(unit / call.kvHeads, unit % call.kvHeads, first, first + 4 * sliceFloats);
  }

  /** One block of query rows of one head against all their keys. */
  private void rows(Block x, int b, int h, int row0) {
    AttentionCall c = call;
    int d = c.d;
    int rows = Math.min(ROWS, c.queries - row0);
    int lanes = Lanes.padded(rows);
    x.load(c, dO, b, h, row0, rows, lanes, width);
    long keys = c.keys(b, c.kvOf[h]);
    long values = c.values(b, c.kvOf[h]);
    long wide = 4L * width;
    Lanes.zero(x.dqT, (long) ROWS * d);
    int end = row0 + rows;
    for (int j0 = c.firstBlock(KEYS, row0); j0 < end; j0 = c.nextBlock(j0, KEYS, row0)) {
      int n = Math.min(KEYS, end - j0);
      long at = j0 * c.kvToken;
      int step = AttentionForward.step(j0 + n - 1, row0);
      for (int g = 0; g < n; g += step) {
        scores(x, keys + at, values + at, g, Math.min(step, n - g), lanes, hidden(j0 + g, row0));
      }
      for (int lane = 0; lane < lanes; lane += LANES) {
        int shift = j0 - row0 - lane;
        probabilities(n, shift, c.goneFrom(shift, LANES), c.sinksFrom(j0), 4L * lane, x);
      }
      for (int g = 0; g < n; g += step) {
        int count = Math.min(step, n - g);
        int lane = hidden(j0 + g, row0);
        long part = g * SCORE_ROW + 4L * lane;
        Tiles.multiply(
            d,
            lanes - lane,
            count,
            keys + at + g * c.kvToken,
            4,
            c.kvToken,
            x.dS + part,
            SCORE_ROW,
            x.dqT + 4L * lane,
            SCORE_ROW,
            true);
        sums(count, rows - lane, x.p + part, x.dO + lane * wide, x.dv + (j0 + g) * wide);
        sums(count, rows - lane, x.dS + part, x.q + lane * wide, x.dk + (j0 + g) * wide);
      }
    }
    Lanes.transpose(d, rows, c.scale, x.dqT, SCORE_ROW, dq + c.queryAt(b, h, row0), c.row);
  }

  /** Scores and dO Vᵀ of {@code count} keys from key g of the block, for rows from {@code lane}. */
  private void scores(Block x, long keys, long values, int g, int count, int lanes, int lane) {
    long token = call.kvToken;
    long part = g * SCORE_ROW + 4L * lane;
    int n = lanes - lane;
    Tiles.multiply(
        count,
        n,
        call.d,
        keys + g * token,
        token,
        4,
        x.qT + 4L * lane,
        SCORE_ROW,
        x.p + part,
        SCORE_ROW,
        false);
    Tiles.multiply(
        count,
        n,
        call.d,
        values + g * token,
        token,
        4,
        x.dOT + 4L * lane,
        SCORE_ROW,
        x.dS + part,
        SCORE_ROW,
        false);
  }

  /** to += weights [keys, rows] · rows. */
  private void sums(int keys, int rows, long weights, long from, long to) {
    long wide = 4L * width;
    Tiles.multiply(keys, width, rows, weights, SCORE_ROW, 4, from, wide, to, wide, true);
  }

  /**
   * Scores become probabilities, dO Vᵀ becomes dS, for one vector of rows; see forward's softmax.
   */
  private static void probabilities(int n, int shift, int gone, int kept, long lane, Block x) {
    int all = Math.clamp(1 - shift, 0, n);
    int some = Math.clamp(LANES - shift, 0, n);
    AttentionForward.hide(all, some, shift, x.p + lane, -1e30f);
    AttentionForward.hideGone(kept, some, gone, x.p + lane, -1e30f);
    Lanes.exp2(some, x.p + lane, SCORE_ROW, x.lse + lane, x.ignored);
    long p = x.p + lane;
    long dS = x.dS + lane;
    FloatVector delta = FloatVector.fromMemorySegment(S, ALL, x.delta + lane, LE);
    for (int j = 0; j < some; j++) {
      FloatVector w = FloatVector.fromMemorySegment(S, ALL, p, LE);
      FloatVector dP = FloatVector.fromMemorySegment(S, ALL, dS, LE);
      dP.sub(delta).mul(w).intoMemorySegment(ALL, dS, LE);
      p += SCORE_ROW;
      dS += SCORE_ROW;
    }
    FloatVector zero = FloatVector.zero(S);
    for (int j = some; j < n; j++) {
      zero.intoMemorySegment(ALL, p, LE);
      zero.intoMemorySegment(ALL, dS, LE);
      p += SCORE_ROW;
      dS += SCORE_ROW;
    }
  }

  /** One thread's addresses: a block of query rows as columns (T) and as rows, and the sums. */
  private static final class Block {
    private static final ThreadLocal<Block> OF_THREAD = ThreadLocal.withInitial(Block::new);

    long qT;
    long dOT;
    long dqT;
    long q;
    long dO;
    long p;
    long dS;
    long lse;
    long delta;

    /** A vector that is written and never read. */
    long ignored;

    long dk;
    long dv;

    static Block ofThread() {
      return OF_THREAD.get();
    }

    void take(Scratch s, int d, int width) {
      qT = s.take((long) ROWS * d);
      dOT = s.take((long) ROWS * d);
      dqT = s.take((long) ROWS * (d + 4));
      q = s.take((long) ROWS * width);
      dO = s.take((long) ROWS * width);
      p = s.take((long) ROWS * KEYS);
      dS = s.take((long) ROWS * KEYS);
      lse = s.take(ROWS);
      delta = s.take(ROWS);
      ignored = s.take(ROWS);
    }

    void load(AttentionCall c, long gradO, int b, int h, int row0, int rows, int lanes, int width) {
      if (rows < lanes) {
        Lanes.zero(qT, (long) ROWS * c.d);
        Lanes.zero(dOT, (long) ROWS * c.d);
        Lanes.zero(lse, ROWS);
        Lanes.zero(delta, ROWS);
      }
      long wide = 4L * width;
      Lanes.pack(rows, c.d, 1f, c.query(b, h, row0), c.row, q, wide);
      Lanes.pack(rows, c.d, 1f, gradO + c.queryAt(b, h, row0), c.row, dO, wide);
      Lanes.transpose(rows, c.d, c.scale2, q, wide, qT, SCORE_ROW);
      Lanes.transpose(rows, c.d, 1f, dO, wide, dOT, SCORE_ROW);
      for (int i = 0; i < rows; i++) {
        set(lse + 4L * i, (float) (get(c.lse(b, h, row0 + i)) * Lanes.LOG2_E));
        set(delta + 4L * i, dot(c.d, dO + i * wide, c.out(b, h, row0 + i)));
      }
    }

    private static float dot(int d, long x, long y) {
      float sum = 0;
      for (int i = 0; i < d; i++) {
        sum = Math.fma(get(x + 4L * i), get(y + 4L * i), sum);
      }
      return sum;
    }
  }
}
