package io.hydrahead.ops.deltarule;

import static io.hydrahead.ops.lanes.Lanes.BYTES;
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
 * The forward pass of some heads, block by block. With V′ = β ⊙ W the block's own writes solve
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

  /** K S₀, then W. */
  private long w;

  /** Q S₀, then O. */
  private long out;

  private long u;
  private long v;

  /** β ⊙ h. */
  private long ends;

  static BlockForward ofThread() {
    return OF_THREAD.get();
  }

  /** Heads first … first + count − 1, block by block: their rows lie next to each other. */
  void run(DeltaRuleCall c, int first, int count) {
    int width = Lanes.padded(c.valueDim);
    int stateRows = DeltaRuleCall.stateRows(c.keyDim);
    long stateFloats = (long) stateRows * width;
    long floats = count * stateFloats + 4L * c.block * width + Lanes.padded(c.block);
    Scratch s = Scratch.ofThread().begin(Block.floats(c) + floats, Block.PARTS + 6);
    b.take(c, s);
    w = s.take((long) c.block * width);
    out = s.take((long) c.block * width);
    u = s.take((long) c.block * width);
    v = s.take((long) c.block * width);
    ends = s.take(Lanes.padded(c.block));
    long states = s.take(count * stateFloats);

    long row = 4L * c.valueDim;
    for (int i = 0; i < count; i++) {
      state = states + 4 * i * stateFloats;
      Lanes.pack(c.keyDim, c.valueDim, 1f, c.state(first + i), row, state, b.valueRow);
      Lanes.zero(state + c.keyDim * b.valueRow, (long) (stateRows - c.keyDim) * width);
    }
    int t = 0;
    while (t < c.tokens) {
      int n = Math.min(c.tokens - t, c.block - (c.start + t) % c.block);
      for (int i = 0; i < count; i++) {
        int index = first + i;
        state = states + 4 * i * stateFloats;
        b.load(c, index, t, n, true);
        if (c.savesState(t)) {
          Lanes.unpack(stateRows, width, 1f, state, b.valueRow, c.savedState(index, t), b.valueRow);
        }
        block(c, index, t);
        if (c.saved != 0) {
          Lanes.unpack(b.rows, width, 1f, w, b.valueRow, c.savedRows(index, t), b.valueRow);
        }
      }
      t += n;
    }
    for (int i = 0; i < count; i++) {
      state = states + 4 * i * stateFloats;
      Lanes.unpack(c.keyDim, c.valueDim, 1f, state, b.valueRow, c.state(first + i), row);
    }
  }

  private void block(DeltaRuleCall c, int index, int t) {
    int width = b.valueWidth;
    long wide = b.valueRow;
    long stride = 4L * c.heads * c.valueDim;
    long from = 4 * c.row(index, t) * c.valueDim;
    long row = b.squareRow;
    Tiles.multiply(b.rows, width, c.keyDim, b.kT, 4, row, state, wide, w, wide, false);
    Tiles.multiply(b.rows, width, c.keyDim, b.qT, 4, row, state, wide, out, wide, false);
    Lanes.pack(b.n, c.valueDim, 1f, c.v + from, stride, v, wide);
    b.subtract(v, w);
    solve();
    for (int i = 0; i < b.rows; i += 4) {
      long p = b.p + i * b.squareRow;
      long o = out + i * wide;
      Tiles.multiplyOnto(4, width, i + 4, p, b.squareRow, 4, w, wide, b.e + 4L * i, 4, o, wide);
    }
    Lanes.unpack(b.n, c.valueDim, 1f, out, wide, c.out + from, stride);

    for (int i = 0; i < b.rows; i++) {
      set(ends + 4L * i, get(b.beta + 4L * i) * get(b.h + 4L * i));
    }
    b.scaleRows(ends, false, w, u, width);
    Tiles.multiplyOnto(c.keyDim, width, b.n, b.k, 4, b.keyRow, u, wide, b.decayAt, 0, state, wide);
  }

  /** W ← (I + L)⁻¹ W, where {@code b.l} holds −L. */
  private void solve() {
    long wide = b.valueRow;
    for (int i = 0; i < b.rows; i += 4) {
      long l = b.l + i * b.squareRow;
      long x = w + i * wide;
      if (i > 0) {
        Tiles.multiply(4, b.valueWidth, i, l, b.squareRow, 4, w, wide, x, wide, true);
      }
      corner(l + 4L * i, b.squareRow, x, wide);
    }
  }

  /** The 4 rows at x against each other, factors at l. */
  private static void corner(long l, long row, long x, long wide) {
    FloatVector l10 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + row));
    FloatVector l20 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 2 * row));
    FloatVector l21 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 2 * row + 4));
    FloatVector l30 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * row));
    FloatVector l31 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * row + 4));
    FloatVector l32 = FloatVector.broadcast(S, ALL.get(JAVA_FLOAT_UNALIGNED, l + 3 * row + 8));
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
