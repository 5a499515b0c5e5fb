package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.ops.headprep.HeadPrep.Tables;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/**
 * Where a pass stands in the text: absolute position of its first token, and what depends on it:
 * rotary tables, and the length scale of full heads' queries when reading from a cache.
 */
final class Position {
  private final Ops ops;
  private final Style style;
  private final double scaling;
  private final Tensor frequencies;
  private final Tensor position;
  private final Tensor cos;
  private final Tensor sin;
  private final Tensor lengthScale;
  private final Tables fullQueries;
  private final Tables fullKeys;
  private final Tables linear;
  private int start = -1;

  /**
   * @param tables where the tables lie, which may be overwritten between passes (see {@link
   *     #forget})
   * @param constants owns the rest
   */
  Position(PassSpec spec, Buffers tables, Workspace constants) {
    this(spec, tables, frequencies(spec.config(), constants), constants.allocate(DType.I32, 1));
  }

  /**
   * Of rows that each have a position of their own.
   *
   * @param frequencies of {@link #frequencies}
   * @param position the first row's, or every row's: what {@link #update} reads
   */
  Position(PassSpec spec, Buffers tables, Tensor frequencies, Tensor position) {
    ops = spec.ops();
    style = spec.style();
    int d = spec.config().headDim();
    scaling = new RotaryTable(spec.config().rotary(), d).scaling();
    this.frequencies = frequencies;
    this.position = position;
    cos = tables.f32(spec.tokens(), d / 2);
    sin = tables.f32(spec.tokens(), d / 2);
    boolean scaled = spec.cached() && style.lengthScale() == Style.LengthScale.LOG;
    lengthScale = scaled ? tables.f32(spec.tokens()) : null;
    Tables rotary = new Tables(cos, sin, null);
    fullKeys = style.fullRotary() ? rotary : Tables.NONE;
    fullQueries = new Tables(fullKeys.cos(), fullKeys.sin(), lengthScale);
    linear = style.linearRotary() ? rotary : Tables.NONE;
  }

  /** Of the rotary angles, [d/2] F64. */
  static Tensor frequencies(ModelConfig config, Workspace owner) {
    int half = config.headDim() / 2;
    RotaryTable table = new RotaryTable(config.rotary(), config.headDim());
    Tensor f = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), DType.F64, half);
    for (int i = 0; i < half; i++) {
      f.setDouble(i, table.frequency(i));
    }
    Tensor there = owner.allocate(DType.F64, half);
    there.copyFrom(f);
    return there;
  }

  /** Moves to {@code newStart}; allocates nothing in the host's memory. */
  void moveTo(int newStart) {
    if (newStart != start) {
      position.setInt(0, newStart);
      update();
      start = newStart;
    }
  }

  /** Fills the tables for the positions that now stand in the tensor of positions. */
  void update() {
    ops.rotary().angles(position, frequencies, scaling, cos, sin);
    if (lengthScale != null) {
      ops.headPrep().lengthScale(position, style.logScaleBase(), lengthScale);
    }
  }

  /** The tables' memory may have been used for something else: the next move fills them again. */
  void forget() {
    start = -1;
  }

  int start() {
    return start;
  }

  /** What full heads' queries go through. */
  Tables fullQueries() {
    return fullQueries;
  }

  /** What full heads' keys go through. */
  Tables fullKeys() {
    return fullKeys;
  }

  /** What linear heads' queries and keys go through. */
  Tables linear() {
    return linear;
  }
}
