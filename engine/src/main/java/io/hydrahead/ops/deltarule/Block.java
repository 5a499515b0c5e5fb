package io.hydrahead.ops.deltarule;

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
 * What forward and backward share of one block of n ≤ {@link DeltaRuleCall#block} tokens: keys,
 * queries, decays and the products among them, in rows padded to whole vectors and to a multiple of
 * 4 with zeros.
 *
 * <p>G_i is the log of the decay accumulated in the block up to and with token i, in float64 as two
 * floats; e = e^G, h = e^{G_n − G}, Γ_ij = e^{G_i − G_j}. Only differences ≤ 0 are exponentiated.
 */
final class Block {
  /** Tokens of a whole block, rounded up to whole vectors. */
  private int padded;

  /** Row of a [block, block] matrix in bytes. */
  long squareRow;

  int n;

  /** {@code n} rounded up to whole tiles. */
  int rows;

  int keyWidth;
  int valueWidth;
  long keyRow;
  long valueRow;

  /** Keys, [rows, K]. */
  long k;

  /** Queries times 1/√K, [rows, K]. */
  long q;

  /** Keys and queries transposed, [K, block]: left factors are fastest so. */
  long kT;

  long qT;

  /** −Γ ⊙ KKᵀ, 0 on and above the diagonal; β_j or β_i are factors of it, as asked for. */
  long l;

  /** Γ ⊙ QKᵀ/√K, 0 above the diagonal; with factors β_j if asked for. */
  long p;

  /** Γ, 0 above the diagonal. */
  long gamma;

  /** Vectors over the tokens of the block. */
  long e;

  long h;
  long beta;
  private long ones;
  private long high;
  private long low;

  /** Single vectors: zeros, and one that is written and never read. */
  private long zeros;

  private long ignored;

  /** e^{G_n}, and where it lies in memory. */
  float decay;

  long decayAt;

  private int keyDim;

  static int floats(DeltaRuleCall c) {
    int width = Lanes.padded(c.keyDim);
    int padded = Lanes.padded(c.block);
    return 2 * c.block * width
        + 2 * c.keyDim * padded
        + 3 * c.block * padded
        + 6 * padded
        + 2 * LANES
        + 1;
  }

  static final int PARTS = 16;

  void take(DeltaRuleCall c, Scratch s) {
    keyDim = c.keyDim;
    keyWidth = Lanes.padded(c.keyDim);
    valueWidth = Lanes.padded(c.valueDim);
    keyRow = 4L * keyWidth;
    valueRow = 4L * valueWidth;
    padded = Lanes.padded(c.block);
    squareRow = 4L * padded;
    long square = (long) c.block * padded;
    k = s.take((long) c.block * keyWidth);
    q = s.take((long) c.block * keyWidth);
    kT = s.take((long) keyDim * padded);
    qT = s.take((long) keyDim * padded);
    l = s.take(square);
    p = s.take(square);
    gamma = s.take(square);
    e = s.take(2L * padded);
    h = e + squareRow;
    beta = s.take(padded);
    ones = s.take(padded);
    high = s.take(padded);
    low = s.take(padded);
    zeros = s.take(LANES);
    ignored = s.take(LANES);
    decayAt = s.take(1);
    FloatVector.zero(S).intoMemorySegment(ALL, zeros, LE);
    FloatVector.zero(S).intoMemorySegment(ALL, ignored, LE);
    for (int i = 0; i < padded; i++) {
      set(ones + 4L * i, 1f);
    }
  }

  /**
   * Loads tokens t … t + count − 1 of head {@code index} and computes all products.
   *
   * @param columns whether β_j are factors of columns of both squares; else β_i are of rows of L
   */
  void load(DeltaRuleCall c, int index, int t, int count, boolean columns) {
    n = count;
    rows = (n + 3) / 4 * 4;
    long first = c.row(index, t);
    long from = 4 * first * keyDim;
    long stride = 4L * c.heads * keyDim;
    Lanes.pack(n, keyDim, 1f, c.k + from, stride, k, keyRow);
    Lanes.pack(n, keyDim, c.norm, c.q + from, stride, q, keyRow);
    if (rows > n) {
      Lanes.zero(k + n * keyRow, (long) (rows - n) * keyWidth);
      Lanes.zero(q + n * keyRow, (long) (rows - n) * keyWidth);
    }
    Lanes.transpose(rows, keyDim, 1f, k, keyRow, kT, squareRow);
    Lanes.transpose(rows, keyDim, 1f, q, keyRow, qT, squareRow);
    gates(c, first);
    for (int j = 0; j < rows; j += LANES) {
      long to = j * squareRow + 4L * j;
      long x = kT + 4L * j;
      long y = qT + 4L * j;
      int m = rows - j;
      Tiles.multiply(m, LANES, keyDim, x, 4, squareRow, x, squareRow, l + to, squareRow, false);
      Tiles.multiply(m, LANES, keyDim, y, 4, squareRow, x, squareRow, p + to, squareRow, false);
      differences(j, gamma + to);
      Lanes.exp2(m, gamma + to, squareRow, zeros, ignored);
      decayColumns(j, columns ? beta : ones);
    }
    if (!columns) {
      scaleRows(beta, false, l, l, padded);
    }
    for (int i = 0; i < rows; i++) {
      set(l + i * squareRow + 4L * i, 0f);
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
    for (int i = n; i < padded; i++) {
      set(beta + 4L * i, 0f);
      set(high + 4L * i, last);
      set(low + 4L * i, rest);
    }
    for (int i = 0; i < padded; i++) {
      long at = 4L * i;
      set(e + at, Math.min(0f, get(high + at) + get(low + at)));
    }
    for (int i = 0; i < padded; i++) {
      long at = 4L * i;
      set(h + at, Math.min(0f, (last - get(high + at)) + (rest - get(low + at))));
    }
    Lanes.exp2(2 * padded / LANES, e, BYTES, zeros, ignored);
    decay = (float) Math.exp(sum / Lanes.LOG2_E);
    set(decayAt, decay);
  }

  /** Γ for one vector of columns from j, and its product with QKᵀ and −KKᵀ and a factor each. */
  private void decayColumns(int j, long factors) {
    FloatVector zero = FloatVector.zero(S);
    FloatVector lane = FloatVector.zero(S).addIndex(1);
    FloatVector factor = FloatVector.fromMemorySegment(S, ALL, factors + 4L * j, LE);
    FloatVector minus = factor.neg();
    long at = j * squareRow + 4L * j;
    for (int i = j; i < rows; i++) {
      FloatVector last = FloatVector.broadcast(S, (float) (i - j));
      FloatVector w = FloatVector.fromMemorySegment(S, ALL, gamma + at, LE);
      w = w.blend(zero, lane.compare(VectorOperators.GT, last));
      w.intoMemorySegment(ALL, gamma + at, LE);
      FloatVector x = FloatVector.fromMemorySegment(S, ALL, p + at, LE);
      x.mul(w).mul(factor).intoMemorySegment(ALL, p + at, LE);
      x = FloatVector.fromMemorySegment(S, ALL, l + at, LE);
      x.mul(w).mul(minus).intoMemorySegment(ALL, l + at, LE);
      at += squareRow;
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
      to += squareRow;
    }
  }

  /** to_i = ± factor_i · from_i for all rows of {@code width} floats. */
  void scaleRows(long factor, boolean negative, long from, long to, int width) {
    float sign = negative ? -1f : 1f;
    for (int c = 0; c < width; c += LANES) {
      scaleColumn(factor, sign, from + 4L * c, to + 4L * c, 4L * width);
    }
  }

  /** to_i ← x_i − e_i to_i for n rows of width V. */
  void subtract(long x, long to) {
    for (int j = 0; j < valueWidth; j += LANES) {
      subtractColumn(x + 4L * j, to + 4L * j);
    }
  }

  private void subtractColumn(long from, long to) {
    for (int i = 0; i < n; i++) {
      FloatVector minus = FloatVector.broadcast(S, -ALL.get(JAVA_FLOAT_UNALIGNED, e + 4L * i));
      FloatVector x = FloatVector.fromMemorySegment(S, ALL, from, LE);
      minus.fma(FloatVector.fromMemorySegment(S, ALL, to, LE), x).intoMemorySegment(ALL, to, LE);
      from += valueRow;
      to += valueRow;
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
}
