package io.hydrahead.ops.deltarule;

import static io.hydrahead.ops.deltarule.DeltaRuleCall.BLOCK;
import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LANES;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.ops.lanes.Lanes.exp2;
import static io.hydrahead.ops.lanes.Lanes.get;
import static io.hydrahead.ops.lanes.Lanes.load;
import static io.hydrahead.ops.lanes.Lanes.set;
import static io.hydrahead.ops.lanes.Lanes.spread;
import static io.hydrahead.ops.lanes.Lanes.store;

import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.ops.lanes.Scratch;
import io.hydrahead.ops.lanes.Tiles;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * What forward and backward share of one block of n ≤ {@link DeltaRuleCall#BLOCK} tokens: keys,
 * queries, decays and the products among them, in rows padded to whole vectors and to a multiple of 4
 * with zeros.
 *
 * <p>G_i is the log of the decay accumulated in the block up to and with token i, in float64 as two
 * floats; e = e^G, h = e^{G_n − G}, Γ_ij = e^{G_i − G_j}. Only differences ≤ 0 are exponentiated.
 */
final class Block {
  /** Row of a [BLOCK, BLOCK] matrix in bytes. */
  static final long SQUARE_ROW = 4L * Lanes.padded(BLOCK);

  private static final int SQUARE = BLOCK * Lanes.padded(BLOCK);
  private static final FloatVector LANE = FloatVector.zero(S).addIndex(1);

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

  /** e^{G_n}. */
  float decay;

  private int keyDim;

  static int floats(DeltaRuleCall c) {
    int keyWidth = Lanes.padded(c.keyDim);
    return 2 * BLOCK * keyWidth + c.keyDim * Lanes.padded(BLOCK) + 3 * SQUARE + 5 * 2 * BLOCK;
  }

  static final int PARTS = 11;

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
    e = s.take(Lanes.padded(BLOCK));
    h = s.take(Lanes.padded(BLOCK));
    beta = s.take(Lanes.padded(BLOCK));
    high = s.take(Lanes.padded(BLOCK));
    low = s.take(Lanes.padded(BLOCK));
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
          4, columns, keyDim, k + i * keyRow, keyRow, 4, kT, SQUARE_ROW, l + i * SQUARE_ROW,
          SQUARE_ROW, false);
      Tiles.rows(
          4, columns, keyDim, q + i * keyRow, keyRow, 4, kT, SQUARE_ROW, p + i * SQUARE_ROW,
          SQUARE_ROW, false);
    }
    for (int i = 0; i < rows; i++) {
      decayRow(i, scaleColumns);
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
    for (long i = 0; i < SQUARE_ROW; i += BYTES) {
      FloatVector hi = Lanes.load(high + i);
      FloatVector lo = Lanes.load(low + i);
      store(e + i, exp2(hi.add(lo).min(0f)));
      FloatVector left = FloatVector.broadcast(S, last).sub(hi);
      store(h + i, exp2(left.add(FloatVector.broadcast(S, rest).sub(lo)).min(0f)));
    }
    decay = (float) Math.exp(sum / Lanes.LOG2_E);
  }

  /** Applies Γ and β to row i of the products; columns beyond the row's last vector stay unset. */
  private void decayRow(int i, boolean scaleColumns) {
    long row = i * SQUARE_ROW;
    FloatVector hi = spread(high + 4L * i);
    FloatVector lo = spread(low + 4L * i);
    FloatVector rowBeta = spread(beta + 4L * i);
    FloatVector zero = FloatVector.zero(S);
    for (int j = 0; j <= i; j += LANES) {
      long at = 4L * j;
      FloatVector difference =
          hi.sub(Lanes.load(high + at)).add(lo.sub(Lanes.load(low + at))).min(0f);
      VectorMask<Float> below = LANE.compare(VectorOperators.LT, (float) (i - j));
      FloatVector w = zero.blend(exp2(difference), upTo(i - j));
      FloatVector b = scaleColumns ? Lanes.load(beta + at) : rowBeta;
      FloatVector kk = Lanes.load(l + row + at).mul(w).mul(b);
      store(gamma + row + at, w);
      store(p + row + at, Lanes.load(p + row + at).mul(w));
      store(l + row + at, zero.blend(kk.neg(), below));
    }
  }

  /** Lanes 0 … {@code last}. */
  static VectorMask<Float> upTo(int last) {
    return LANE.compare(VectorOperators.LE, (float) last);
  }

  /** to_i = factor_i · from_i for all rows of {@code width} floats. */
  void scaleRows(long factor, boolean negative, long from, long to, int width) {
    long row = 4L * width;
    for (int i = 0; i < rows; i++) {
      FloatVector f = spread(factor + 4L * i);
      if (negative) {
        f = f.neg();
      }
      for (long c = i * row; c < (i + 1) * row; c += BYTES) {
        store(to + c, Lanes.load(from + c).mul(f));
      }
    }
  }

  /** x ← x · factor over {@code floats} floats. */
  static void scale(long x, long floats, float factor) {
    for (long end = x + 4 * floats; x < end; x += BYTES) {
      store(x, Lanes.load(x).mul(factor));
    }
  }
}
