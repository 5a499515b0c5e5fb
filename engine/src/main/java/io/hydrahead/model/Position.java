package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;

/** Where a pass stands in the text: absolute position of its first token, and its rotary tables. */
final class Position {
  private final RotaryTable table;
  private final Tensor cos;
  private final Tensor sin;
  private int start = -1;

  Position(PassSpec spec, Buffers buffers) {
    int d = spec.config().headDim();
    table = new RotaryTable(spec.config().rotary(), d);
    cos = buffers.f32(spec.tokens(), d / 2);
    sin = buffers.f32(spec.tokens(), d / 2);
  }

  /** Moves to {@code newStart}; allocates nothing. */
  void moveTo(int newStart) {
    if (newStart != start) {
      table.fill(newStart, cos, sin);
      start = newStart;
    }
  }

  /** The tables' memory may have been used for something else: the next move fills them again. */
  void forget() {
    start = -1;
  }

  int start() {
    return start;
  }

  /** [T, d/2]. */
  Tensor cos() {
    return cos;
  }

  Tensor sin() {
    return sin;
  }
}
