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

/**
 * The backward pass of some heads, blocks in reverse. With V′ = β ⊙ W and, as in {@link Block}, Q
 * already times r = 1/√K:
 *
 * <pre>
 *   dV′ = h ⊙ (K dS₁) + Pᵀ dO        E = (I + L)⁻ᵀ dV′, backward substitution
 *   dV = β ⊙ E    dY = −e ⊙ dV       dβ_i = E_i · W_i
 *   D = Γ ⊙ (dO V′ᵀ)                 N = −β ⊙ Γ ⊙ strictLower(E V′ᵀ)
 *   dQ = r (e ⊙ (dO S₀ᵀ) + D K)
 *   Kr = dY S₀ᵀ + N K                Kw = h ⊙ (V′ dS₁ᵀ) + Dᵀ Q + Nᵀ K     dK = Kr + Kw
 *   dG_i = q_i·dQ_i + k_i·(Kr_i − Kw_i) + [i = n] ⟨S₁, dS₁⟩,   dg_t = Σ_{i ≥ t} dG_i
 *   ⟨S₁, dS₁⟩ = e^{G_n} ⟨S₀, dS₁⟩ + Σ_i k_i · h_i (V′ dS₁ᵀ)_i
 *   dS₀ = e^{G_n} dS₁ + Kᵀ dY + (e ⊙ Q)ᵀ dO
 * </pre>
 */
final class BlockBackward {
  private static final ThreadLocal<BlockBackward> OF_THREAD =
      ThreadLocal.withInitial(BlockBackward::new);

  private final Block b = new Block();
  private int stateRows;

  /** Gradient of the state after the block, [K, V], and transposed. */
  private long dS;

  private long dST;
  private long s0T;

  /** Rows of width V. */
  private long w;

  private long v1;
  private long v1T;
  private long dOut;
  private long e;
  private long dY;
  private long scaledV;

  /** Rows of width K. */
  private long scaledK;

  private long dq;
  private long read;
  private long write;

  /** D and N, as {@link Block#p}. */
  private long d;

  private long nn;

  /** A vector a token. */
  private long lanes;

  static BlockBackward ofThread() {
    return OF_THREAD.get();
  }

  private void take(DeltaRuleCall c, int heads) {
    int keyWidth = Lanes.padded(c.keyDim);
    int width = Lanes.padded(c.valueDim);
    stateRows = DeltaRuleCall.stateRows(c.keyDim);
    long stateFloats = (long) stateRows * width;
    long transposed = (long) c.valueDim * keyWidth;
    int padded = Lanes.padded(c.block);
    int square = c.block * padded;
    long floats =
        Block.floats(c)
            + heads * stateFloats
            + 2 * transposed
            + c.block * (6L * width + 4L * keyWidth)
            + (long) c.valueDim * padded
            + 2L * square
            + (long) c.block * LANES;
    Scratch s = Scratch.ofThread().begin(floats, Block.PARTS + 17);
    b.take(c, s);
    dS = s.take(heads * stateFloats);
    dST = s.take(transposed);
    s0T = s.take(transposed);
    w = s.take((long) c.block * width);
    v1 = s.take((long) c.block * width);
    dOut = s.take((long) c.block * width);
    e = s.take((long) c.block * width);
    dY = s.take((long) c.block * width);
    scaledV = s.take((long) c.block * width);
    v1T = s.take((long) c.valueDim * padded);
    scaledK = s.take((long) c.block * keyWidth);
    dq = s.take((long) c.block * keyWidth);
    read = s.take((long) c.block * keyWidth);
    write = s.take((long) c.block * keyWidth);
    d = s.take(square);
    nn = s.take(square);
    lanes = s.take((long) c.block * LANES);
  }

  /** Heads first … first + count − 1, block by block: their rows lie next to each other. */
  void run(DeltaRuleCall c, int first, int count) {
    take(c, count);
    long row = 4L * c.valueDim;
    long states = dS;
    long next = 4L * stateRows * b.valueWidth;
    for (int i = 0; i < count; i++) {
      dS = states + i * next;
      Lanes.pack(c.keyDim, c.valueDim, 1f, c.state(first + i), row, dS, b.valueRow);
      Lanes.zero(dS + c.keyDim * b.valueRow, (long) (stateRows - c.keyDim) * b.valueWidth);
    }
    for (int block = (c.tokens - 1) / c.block; block >= 0; block--) {
      int t = block * c.block;
      for (int i = 0; i < count; i++) {
        dS = states + i * next;
        b.load(c, first + i, t, Math.min(c.block, c.tokens - t), false);
        block(c, first + i, t);
      }
    }
    for (int i = 0; i < count; i++) {
      dS = states + i * next;
      Lanes.unpack(c.keyDim, c.valueDim, 1f, dS, b.valueRow, c.state(first + i), row);
    }
  }

  private void block(DeltaRuleCall c, int index, int t) {
    long s0 = c.savedState(index, t);
    long wide = b.valueRow;
    long stride = 4L * c.heads * c.valueDim;
    long from = 4 * c.row(index, t) * c.valueDim;
    Lanes.pack(b.n, c.valueDim, 1f, c.out + from, stride, dOut, wide);
    Lanes.zero(dOut + b.n * wide, (long) (b.rows - b.n) * b.valueWidth);
    Lanes.unpack(b.rows, b.valueWidth, 1f, c.savedRows(index, t), wide, w, wide);
    b.scaleRows(b.beta, false, w, v1, b.valueWidth);

    writes(c);
    b.scaleRows(b.beta, false, e, scaledV, b.valueWidth);
    Lanes.unpack(b.n, c.valueDim, 1f, scaledV, wide, c.dv + from, stride);
    b.scaleRows(b.e, true, scaledV, dY, b.valueWidth);

    squares(c);
    Lanes.transpose(c.keyDim, c.valueDim, 1f, s0, wide, s0T, b.keyRow);
    Lanes.transpose(c.keyDim, c.valueDim, 1f, dS, wide, dST, b.keyRow);
    if (b.keyWidth > c.keyDim) {
      clearColumns(c, s0T);
      clearColumns(c, dST);
    }
    double ends = keys(c, index, t) + b.decay * dot(s0, dS, (long) c.keyDim * b.valueWidth);
    gates(c, index, t, ends);

    int width = b.valueWidth;
    Tiles.multiplyOnto(c.keyDim, width, b.n, b.k, 4, b.keyRow, dY, wide, b.decayAt, 0, dS, wide);
    Tiles.multiply(c.keyDim, b.valueWidth, b.n, b.q, 4, b.keyRow, scaledV, wide, dS, wide, true);
  }

  /** dV′, and from it E. */
  private void writes(DeltaRuleCall c) {
    long wide = b.valueRow;
    b.scaleRows(b.h, false, b.k, scaledK, b.keyWidth);
    Tiles.multiply(b.rows, b.valueWidth, c.keyDim, scaledK, b.keyRow, 4, dS, wide, e, wide, false);
    for (int j = 0; j < b.rows; j += 4) {
      Tiles.multiply(
          4,
          b.valueWidth,
          b.rows - j,
          b.p + j * b.squareRow + 4L * j,
          4,
          b.squareRow,
          dOut + j * wide,
          wide,
          e + j * wide,
          wide,
          true);
    }
    for (int j = b.rows - 4; j >= 0; j -= 4) {
      int below = b.rows - j - 4;
      if (below > 0) {
        Tiles.multiply(
            4,
            b.valueWidth,
            below,
            b.l + (j + 4) * b.squareRow + 4L * j,
            4,
            b.squareRow,
            e + (j + 4) * wide,
            wide,
            e + j * wide,
            wide,
            true);
      }
      corner(b.l + j * b.squareRow + 4L * j, b.squareRow, e + j * wide, wide);
    }
  }

  /** The 4 rows at x against each other from the last up, factors at l. */
  private static void corner(long l, long row, long x, long wide) {
    FloatVector l10 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + row));
    FloatVector l20 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 2 * row));
    FloatVector l21 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 2 * row + 4));
    FloatVector l30 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * row));
    FloatVector l31 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * row + 4));
    FloatVector l32 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * row + 8));
    for (long end = x + wide; x < end; x += BYTES) {
      FloatVector x3 = FloatVector.fromMemorySegment(S, ALL, x + 3 * wide, LE);
      FloatVector x2 = l32.fma(x3, FloatVector.fromMemorySegment(S, ALL, x + 2 * wide, LE));
      FloatVector x1 =
          l21.fma(x2, l31.fma(x3, FloatVector.fromMemorySegment(S, ALL, x + wide, LE)));
      FloatVector x0 =
          l10.fma(x1, l20.fma(x2, l30.fma(x3, FloatVector.fromMemorySegment(S, ALL, x, LE))));
      x0.intoMemorySegment(ALL, x, LE);
      x1.intoMemorySegment(ALL, x + wide, LE);
      x2.intoMemorySegment(ALL, x + 2 * wide, LE);
    }
  }

  /** D and N. */
  private void squares(DeltaRuleCall c) {
    long wide = b.valueRow;
    Lanes.transpose(b.rows, c.valueDim, 1f, v1, wide, v1T, b.squareRow);
    for (int i = 0; i < b.rows; i += 4) {
      int columns = Lanes.padded(i + 4);
      long at = i * b.squareRow;
      Tiles.multiply(
          4,
          columns,
          c.valueDim,
          dOut + i * wide,
          wide,
          4,
          v1T,
          b.squareRow,
          d + at,
          b.squareRow,
          false);
      Tiles.multiply(
          4,
          columns,
          c.valueDim,
          e + i * wide,
          wide,
          4,
          v1T,
          b.squareRow,
          nn + at,
          b.squareRow,
          false);
    }
    for (int i = 0; i < b.rows; i++) {
      FloatVector beta =
          FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, b.beta + 4L * i)).neg();
      for (int j = 0; j <= i; j += LANES) {
        long at = i * b.squareRow + 4L * j;
        FloatVector gamma = FloatVector.fromMemorySegment(S, ALL, b.gamma + at, LE);
        FloatVector.fromMemorySegment(S, ALL, d + at, LE)
            .mul(gamma)
            .intoMemorySegment(ALL, d + at, LE);
        FloatVector.fromMemorySegment(S, ALL, nn + at, LE)
            .mul(gamma)
            .mul(beta)
            .intoMemorySegment(ALL, nn + at, LE);
      }
      set(nn + i * b.squareRow + 4L * i, 0f);
    }
  }

  /** Zeros beyond column K in the rows of a transposed state. */
  private void clearColumns(DeltaRuleCall c, long x) {
    for (int i = 0; i < c.valueDim; i++) {
      for (int j = c.keyDim; j < b.keyWidth; j++) {
        set(x + i * b.keyRow + 4L * j, 0f);
      }
    }
  }

  /** dQ and dK; leaves dQ/r, Kr and Kw, and dO times e. Returns Σ_i k_i · h_i (V′ dS₁ᵀ)_i. */
  private double keys(DeltaRuleCall c, int index, int t) {
    long wide = b.valueRow;
    long row = b.keyRow;
    int width = b.keyWidth;
    b.scaleRows(b.h, false, v1, scaledV, b.valueWidth);
    Tiles.multiply(b.rows, width, c.valueDim, scaledV, wide, 4, dST, row, write, row, false);
    double ends = dot(b.k, write, (long) b.n * width);
    b.scaleRows(b.e, false, dOut, scaledV, b.valueWidth);
    Tiles.multiply(b.rows, width, c.valueDim, scaledV, wide, 4, s0T, row, dq, row, false);
    Tiles.multiply(b.rows, width, c.valueDim, dY, wide, 4, s0T, row, read, row, false);
    for (int i = 0; i < b.rows; i += 4) {
      long at = i * b.squareRow;
      long to = i * row;
      Tiles.multiply(4, width, i + 4, d + at, b.squareRow, 4, b.k, row, dq + to, row, true);
      Tiles.multiply(4, width, i + 4, nn + at, b.squareRow, 4, b.k, row, read + to, row, true);
      long down = at + 4L * i;
      int below = b.rows - i;
      Tiles.multiply(
          4, width, below, d + down, 4, b.squareRow, b.q + to, row, write + to, row, true);
      Tiles.multiply(
          4, width, below, nn + down, 4, b.squareRow, b.k + to, row, write + to, row, true);
    }
    long stride = 4L * c.heads * c.keyDim;
    long to = 4 * c.row(index, t) * c.keyDim;
    Lanes.unpack(b.n, c.keyDim, c.norm, dq, row, c.dq + to, stride);
    for (int i = 0; i < b.n; i++) {
      for (long x = i * row; x < (i + 1) * row; x += BYTES) {
        FloatVector.fromMemorySegment(S, ALL, read + x, LE)
            .add(FloatVector.fromMemorySegment(S, ALL, write + x, LE))
            .intoMemorySegment(ALL, scaledK + x, LE);
      }
    }
    Lanes.unpack(b.n, c.keyDim, 1f, scaledK, row, c.dk + to, stride);
    return ends;
  }

  /** dg and dβ. */
  private void gates(DeltaRuleCall c, int index, int t, double ends) {
    decayGradients();
    Lanes.sumLanes(b.n, lanes, lanes);
    double sum = ends;
    for (int i = b.n - 1; i >= 0; i--) {
      sum += get(lanes + 4L * i);
      set(c.dg + 4 * c.row(index, t + i), (float) sum);
    }
    for (int i = 0; i < b.n; i++) {
      laneSums(e + i * b.valueRow, w + i * b.valueRow, b.valueWidth, lanes + (long) i * BYTES);
    }
    Lanes.sumLanes(b.n, lanes, lanes);
    for (int i = 0; i < b.n; i++) {
      set(c.dBeta + 4 * c.row(index, t + i), get(lanes + 4L * i));
    }
  }

  /** dG of each token, without ⟨S₁, dS₁⟩, in the lanes of a vector. */
  private void decayGradients() {
    long row = b.keyRow;
    for (int i = 0; i < b.n; i++) {
      FloatVector dG = FloatVector.zero(S);
      for (long x = i * row; x < (i + 1) * row; x += BYTES) {
        FloatVector q = FloatVector.fromMemorySegment(S, ALL, b.q + x, LE);
        dG = q.fma(FloatVector.fromMemorySegment(S, ALL, dq + x, LE), dG);
        FloatVector k = FloatVector.fromMemorySegment(S, ALL, b.k + x, LE);
        FloatVector r = FloatVector.fromMemorySegment(S, ALL, read + x, LE);
        dG = k.fma(r.sub(FloatVector.fromMemorySegment(S, ALL, write + x, LE)), dG);
      }
      dG.intoMemorySegment(ALL, lanes + (long) i * BYTES, LE);
    }
  }

  private double dot(long x, long y, long floats) {
    laneSums(x, y, floats, lanes);
    Lanes.sumLanes(1, lanes, lanes);
    return get(lanes);
  }

  /** The vector at {@code to} becomes the products of x and y, summed lane by lane. */
  private static void laneSums(long x, long y, long floats, long to) {
    FloatVector sum = FloatVector.zero(S);
    for (long i = 0; i < 4 * floats; i += BYTES) {
      sum =
          FloatVector.fromMemorySegment(S, ALL, x + i, LE)
              .fma(FloatVector.fromMemorySegment(S, ALL, y + i, LE), sum);
    }
    sum.intoMemorySegment(ALL, to, LE);
  }
}
