package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.NativeMemory;
import java.lang.foreign.MemorySegment;

/** Argument checks that every backend of {@link Gemm} shares. */
final class GemmShape {
  private GemmShape() {}

  /**
   * Address of a row-major float32 matrix after checking its segment.
   *
   * @throws IllegalArgumentException for a stride below the row length or a segment too small
   */
  static long address(String name, MemorySegment s, long rows, long columns, long stride) {
    if (rows < 0 || columns < 0) {
      throw new IllegalArgumentException(name + " is " + rows + "×" + columns);
    }
    if (stride < columns) {
      throw new IllegalArgumentException(
          name + " has rows of " + columns + " elements and a row stride of only " + stride);
    }
    if (rows == 0 || columns == 0) {
      return 0;
    }
    long elements = Math.addExact(Math.multiplyExact(rows - 1, stride), columns);
    return NativeMemory.address(s, Math.multiplyExact(elements, Float.BYTES));
  }
}
