package io.hydrahead.ops.deltarule;

import static io.hydrahead.ops.deltarule.Block.SQUARE_ROW;
import static io.hydrahead.ops.deltarule.DeltaRuleCall.BLOCK;
import static io.hydrahead.ops.lanes.Lanes.BYTES;
import static io.hydrahead.ops.lanes.Lanes.LE;
import static io.hydrahead.ops.lanes.Lanes.S;
import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.hydrahead.ops.lanes.Lanes;
import io.hydrahead.ops.lanes.Scratch;
import io.hydrahead.ops.lanes.Tiles;
import jdk.incubator.vector.FloatVector;

/**
 * The forward pass of one head, block by block. With V′ = β ⊙ W the block's own writes solve
 *
 * <pre>  W_i = v_i − e_i S₀ᵀk_i − Σ_{j&lt;i} Γ_ij (k_i·k_j) β_j W_j</pre>
 *
 * by forward substitution, 4 rows at a time; then O = (e ⊙ Q S₀ + (Γ ⊙ QKᵀ) V′)/√K and S₁ = e^{G_n}
 * S₀ + Kᵀ(h ⊙ V′).
 */
final class BlockForward {
  private static final ThreadLocal<BlockForward> OF_THREAD =
      ThreadLocal.withInitial(BlockForward::new);

  private final Block b = new Block();
  private long state;
  private long scaled;
  private long w;
  private long u;
  private long out;

  static BlockForward ofThread() {
    return OF_THREAD.get();
  }

  void run(DeltaRuleCall c, int index) {
    int width = Lanes.padded(c.valueDim);
    int stateRows = DeltaRuleCall.stateRows(c.keyDim);
    long stateFloats = (long) stateRows * width;
    Scratch s =
        Scratch.ofThread()
            .begin(
                Block.floats(c) + stateFloats + BLOCK * (Lanes.padded(c.keyDim) + 3L * width),
                Block.PARTS + 5);
    b.take(c, s);
    state = s.take(stateFloats);
    scaled = s.take((long) BLOCK * b.keyWidth);
    w = s.take((long) BLOCK * width);
    u = s.take((long) BLOCK * width);
    out = s.take((long) BLOCK * width);

    long row = 4L * c.valueDim;
    Lanes.pack(c.keyDim, c.valueDim, 1f, c.state(index), row, state, b.valueRow);
    Lanes.zero(state + c.keyDim * b.valueRow, (long) (stateRows - c.keyDim) * width);
    int t = 0;
    for (int block = 0; t < c.tokens; block++) {
      int n = Math.min(c.tokens - t, BLOCK - (c.start + t) % BLOCK);
      b.load(c, index, t, n, true);
      if (c.saved != 0) {
        Lanes.unpack(
            stateRows, width, 1f, state, b.valueRow, c.savedState(index, block), b.valueRow);
      }
      block(c, index, t);
      if (c.saved != 0) {
        Lanes.unpack(b.rows, width, 1f, w, b.valueRow, c.savedRows(index, block), b.valueRow);
      }
      t += n;
    }
    Lanes.unpack(c.keyDim, c.valueDim, 1f, state, b.valueRow, c.state(index), row);
  }

  private void block(DeltaRuleCall c, int index, int t) {
    int width = b.valueWidth;
    long wide = b.valueRow;
    long stride = 4L * c.heads * c.valueDim;
    long from = 4 * c.row(index, t) * c.valueDim;
    Lanes.pack(b.n, c.valueDim, 1f, c.v + from, stride, w, wide);
    Lanes.zero(w + b.n * wide, (long) (b.rows - b.n) * width);
    b.scaleRows(b.e, true, b.k, scaled, b.keyWidth);
    Tiles.multiply(b.rows, width, c.keyDim, scaled, b.keyRow, 4, state, wide, w, wide, true);
    solve();
    b.scaleRows(b.beta, false, w, u, width);

    b.scaleRows(b.e, false, b.q, scaled, b.keyWidth);
    Tiles.multiply(b.rows, width, c.keyDim, scaled, b.keyRow, 4, state, wide, out, wide, false);
    for (int i = 0; i < b.rows; i += 4) {
      Tiles.rows(
          4,
          width,
          i + 4,
          b.p + i * SQUARE_ROW,
          SQUARE_ROW,
          4,
          u,
          wide,
          out + i * wide,
          wide,
          true);
    }
    Lanes.unpack(b.n, c.valueDim, 1f, out, wide, c.out + from, stride);

    b.scaleRows(b.h, false, u, u, width);
    Block.scale(state, (long) DeltaRuleCall.stateRows(c.keyDim) * width, b.decay);
    Tiles.multiply(c.keyDim, width, b.n, b.k, 4, b.keyRow, u, wide, state, wide, true);
  }

  /** W ← (I + L)⁻¹ W, where {@code b.l} holds −L. */
  private void solve() {
    long wide = b.valueRow;
    for (int i = 0; i < b.rows; i += 4) {
      long l = b.l + i * SQUARE_ROW;
      long x = w + i * wide;
      if (i > 0) {
        Tiles.rows(4, b.valueWidth, i, l, SQUARE_ROW, 4, w, wide, x, wide, true);
      }
      corner(l + 4L * i, x, wide);
    }
  }

  /** The 4 rows at x against each other, factors at l. */
  private static void corner(long l, long x, long wide) {
    FloatVector l10 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + SQUARE_ROW));
    FloatVector l20 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 2 * SQUARE_ROW));
    FloatVector l21 =
        FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 2 * SQUARE_ROW + 4));
    FloatVector l30 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * SQUARE_ROW));
    FloatVector l31 =
        FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * SQUARE_ROW + 4));
    FloatVector l32 =
        FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * SQUARE_ROW + 8));
    for (long end = x + wide; x < end; x += BYTES) {
      FloatVector x0 = FloatVector.fromMemorySegment(S, ALL, x, LE);
      FloatVector x1 = l10.fma(x0, FloatVector.fromMemorySegment(S, ALL, x + wide, LE));
      FloatVector x2 =
          l21.fma(x1, l20.fma(x0, FloatVector.fromMemorySegment(S, ALL, x + 2 * wide, LE)));
      FloatVector x3 =
          l32.fma(
              x2,
              l31.fma(x1, l30.fma(x0, FloatVector.fromMemorySegment(S, ALL, x + 3 * wide, LE))));
      x1.intoMemorySegment(ALL, x + wide, LE);
      x2.intoMemorySegment(ALL, x + 2 * wide, LE);
      x3.intoMemorySegment(ALL, x + 3 * wide, LE);
    }
  }
}
