package io.hydrahead.ops.deltarule;

import static io.hydrahead.ops.deltarule.DeltaRuleCall.BLOCK;
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
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * What forward and backward share of one block of n ≤ {@link DeltaRuleCall#BLOCK} tokens: keys,
 * queries, decays and the products among them, in rows padded to whole vectors and to a multiple of
 * 4 with zeros.
 *
 * <p>G_i is the log of the decay accumulated in the block up to and with token i, in float64 as two
 * floats; e = e^G, h = e^{G_n − G}, Γ_ij = e^{G_i − G_j}. Only differences ≤ 0 are exponentiated.
 */
final class Block {
  /** Row of a [BLOCK, BLOCK] matrix in bytes. */
  static final long SQUARE_ROW = 4L * Lanes.padded(BLOCK);

  private static final int SQUARE = BLOCK * Lanes.padded(BLOCK);

  int n;

  /** {@code n} rounded up to whole tiles. */
  int rows;

  int keyWidth;
  int valueWidth;
  long keyRow;
  long valueRow;

  /** Keys, and queries times 1/√K: [rows, K]. */
  long k;

  long q;

  /** Keys transposed, [K, BLOCK]. */
  long kT;

  /** Γ ⊙ QKᵀ/√K, 0 above the diagonal. */
  long p;

  /** KKᵀ, then −Γ ⊙ KKᵀ with β as asked for, 0 on and above the diagonal. */
  long l;

  /** Γ, 0 above the diagonal. */
  long gamma;

  /** Vectors over the tokens of the block. */
  long e;

  long h;
  long beta;
  private long high;
  private long low;

  /** Single vectors: zeros, and one that is written and never read. */
  private long zeros;

  private long ignored;

  /** e^{G_n}. */
  float decay;

  private int keyDim;

  static int floats(DeltaRuleCall c) {
    int keyWidth = Lanes.padded(c.keyDim);
    return 2 * BLOCK * keyWidth
        + c.keyDim * Lanes.padded(BLOCK)
        + 3 * SQUARE
        + 5 * Lanes.padded(BLOCK)
        + 2 * LANES;
  }

  static final int PARTS = 12;

  void take(DeltaRuleCall c, Scratch s) {
    keyDim = c.keyDim;
    keyWidth = Lanes.padded(c.keyDim);
    valueWidth = Lanes.padded(c.valueDim);
    keyRow = 4L * keyWidth;
    valueRow = 4L * valueWidth;
    k = s.take((long) BLOCK * keyWidth);
    q = s.take((long) BLOCK * keyWidth);
    kT = s.take((long) keyDim * Lanes.padded(BLOCK));
    p = s.take(SQUARE);
    l = s.take(SQUARE);
    gamma = s.take(SQUARE);
    e = s.take(2L * Lanes.padded(BLOCK));
    h = e + SQUARE_ROW;
    beta = s.take(Lanes.padded(BLOCK));
    high = s.take(Lanes.padded(BLOCK));
    low = s.take(Lanes.padded(BLOCK));
    zeros = s.take(LANES);
    ignored = s.take(LANES);
    FloatVector.zero(S).intoMemorySegment(ALL, zeros, LE);
    FloatVector.zero(S).intoMemorySegment(ALL, ignored, LE);
  }

  /** Loads tokens t … t + count − 1 of head {@code index} and computes all products. */
  void load(DeltaRuleCall c, int index, int t, int count, boolean scaleColumns) {
    n = count;
    rows = (n + 3) / 4 * 4;
    long first = c.row(index, t);
    long from = 4 * first * keyDim;
    long stride = 4L * c.heads * keyDim;
    Lanes.pack(n, keyDim, 1f, c.k + from, stride, k, keyRow);
    Lanes.pack(n, keyDim, c.norm, c.q + from, stride, q, keyRow);
    Lanes.zero(k + n * keyRow, (long) (rows - n) * keyWidth);
    Lanes.zero(q + n * keyRow, (long) (rows - n) * keyWidth);
    Lanes.transpose(rows, keyDim, 1f, k, keyRow, kT, SQUARE_ROW);
    gates(c, first);
    for (int i = 0; i < rows; i += 4) {
      int columns = Lanes.padded(i + 4);
      Tiles.rows(
          4,
          columns,
          keyDim,
          k + i * keyRow,
          keyRow,
          4,
          kT,
          SQUARE_ROW,
          l + i * SQUARE_ROW,
          SQUARE_ROW,
          false);
      Tiles.rows(
          4,
          columns,
          keyDim,
          q + i * keyRow,
          keyRow,
          4,
          kT,
          SQUARE_ROW,
          p + i * SQUARE_ROW,
          SQUARE_ROW,
          false);
    }
    for (int j = 0; j < rows; j += LANES) {
      decayColumns(j);
      if (scaleColumns) {
        scaleColumns(j);
      }
    }
    if (!scaleColumns) {
      scaleRows(beta, false, l, l, Lanes.padded(BLOCK));
    }
    for (int i = 0; i < rows; i++) {
      set(l + i * SQUARE_ROW + 4L * i, 0f);
    }
  }

  /** β, and G of each token in two floats, in units of log 2; then e and h. */
  private void gates(DeltaRuleCall c, long first) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      long at = 4 * (first + (long) i * c.heads);
      sum += get(c.g + at) * Lanes.LOG2_E;
      set(beta + 4L * i, get(c.beta + at));
      set(high + 4L * i, (float) sum);
      set(low + 4L * i, (float) (sum - (float) sum));
    }
    float last = (float) sum;
    float rest = (float) (sum - last);
    for (int i = n; i < Lanes.padded(BLOCK); i++) {
      set(beta + 4L * i, 0f);
      set(high + 4L * i, last);
      set(low + 4L * i, rest);
    }
    for (int i = 0; i < Lanes.padded(BLOCK); i++) {
      long at = 4L * i;
      set(e + at, Math.min(0f, get(high + at) + get(low + at)));
    }
    for (int i = 0; i < Lanes.padded(BLOCK); i++) {
      long at = 4L * i;
      set(h + at, Math.min(0f, (last - get(high + at)) + (rest - get(low + at))));
    }
    Lanes.exp2(2 * Lanes.padded(BLOCK) / LANES, e, BYTES, zeros, ignored);
    decay = (float) Math.exp(sum / Lanes.LOG2_E);
  }

  /** Γ for one vector of columns from j, and its product with QKᵀ and −KKᵀ. */
  private void decayColumns(int j) {
    long first = j * SQUARE_ROW + 4L * j;
    differences(j, gamma + first);
    Lanes.exp2(rows - j, gamma + first, SQUARE_ROW, zeros, ignored);
    FloatVector zero = FloatVector.zero(S);
    FloatVector lane = FloatVector.zero(S).addIndex(1);
    for (int i = j; i < rows; i++) {
      long at = i * SQUARE_ROW + 4L * j;
      FloatVector last = FloatVector.broadcast(S, (float) (i - j));
      FloatVector w = FloatVector.fromMemorySegment(S, ALL, gamma + at, LE);
      w = w.blend(zero, lane.compare(VectorOperators.GT, last));
      w.intoMemorySegment(ALL, gamma + at, LE);
      FloatVector x = FloatVector.fromMemorySegment(S, ALL, p + at, LE);
      x.mul(w).intoMemorySegment(ALL, p + at, LE);
      x = FloatVector.fromMemorySegment(S, ALL, l + at, LE);
      x.mul(w).neg().intoMemorySegment(ALL, l + at, LE);
    }
  }

  /** min(0, G_i − G_j) for rows i ≥ j and one vector of columns from j, G in two floats. */
  private void differences(int j, long to) {
    FloatVector zero = FloatVector.zero(S);
    FloatVector hi = FloatVector.fromMemorySegment(S, ALL, high + 4L * j, LE);
    FloatVector lo = FloatVector.fromMemorySegment(S, ALL, low + 4L * j, LE);
    for (int i = j; i < rows; i++) {
      FloatVector rowHigh = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, high + 4L * i));
      FloatVector rowLow = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, low + 4L * i));
      rowHigh.sub(hi).add(rowLow.sub(lo)).min(zero).intoMemorySegment(ALL, to, LE);
      to += SQUARE_ROW;
    }
  }

  /** −Γ ⊙ KKᵀ times β_j, for one vector of columns from j. */
  private void scaleColumns(int j) {
    FloatVector b = FloatVector.fromMemorySegment(S, ALL, beta + 4L * j, LE);
    for (int i = j; i < rows; i++) {
      long at = l + i * SQUARE_ROW + 4L * j;
      FloatVector.fromMemorySegment(S, ALL, at, LE).mul(b).intoMemorySegment(ALL, at, LE);
    }
  }

  /** to_i = ± factor_i · from_i for all rows of {@code width} floats. */
  void scaleRows(long factor, boolean negative, long from, long to, int width) {
    float sign = negative ? -1f : 1f;
    for (int c = 0; c < width; c += LANES) {
      scaleColumn(factor, sign, from + 4L * c, to + 4L * c, 4L * width);
    }
  }

  private void scaleColumn(long factor, float sign, long from, long to, long row) {
    for (int i = 0; i < rows; i++) { // an int: loops over longs are not unrolled
      FloatVector x =
          FloatVector.broadcast(S, sign * ALL.get(JAVA_FLOAT_UNALIGNED, factor + 4L * i));
      FloatVector.fromMemorySegment(S, ALL, from, LE).mul(x).intoMemorySegment(ALL, to, LE);
      from += row;
      to += row;
    }
  }

  /** x ← x · factor over {@code floats} floats. */
  static void scale(long x, long floats, float factor) {
    FloatVector f = FloatVector.broadcast(S, factor);
    int vectors = (int) (floats / LANES);
    for (int i = 0; i < vectors; i++) {
      FloatVector.fromMemorySegment(S, ALL, x, LE).mul(f).intoMemorySegment(ALL, x, LE);
      x += BYTES;
    }
  }
}
