package io.hydrahead.ops.attention;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Lists of heads as {@code struct Heads} of the backward kernels, which take it by value. Made once
 * a list, then found without allocating.
 */
final class CudaBackwardHeads {
  /** Most query heads, and most KV heads, of one call. */
  static final int MOST = 128;

  private final List<Known> known = new ArrayList<>();

  private record Known(int[] kvOf, int kvHeads, MemorySegment struct) {}

  /**
   * @throws IllegalArgumentException if there are too many, or one reads a KV head that there is
   *     not
   */
  MemorySegment of(int[] kvOf, int kvHeads) {
    for (int i = 0; i < known.size(); i++) {
      Known k = known.get(i);
      if (k.kvHeads == kvHeads && Arrays.equals(k.kvOf, kvOf)) {
        return k.struct;
      }
    }
    if (kvOf.length > MOST || kvHeads > MOST) {
      throw new IllegalArgumentException(
          kvOf.length + " query and " + kvHeads + " KV heads, attention takes " + MOST);
    }
    Known made = new Known(kvOf.clone(), kvHeads, struct(kvOf, kvHeads));
    known.add(made);
    return made.struct;
  }

  private static MemorySegment struct(int[] kvOf, int kvHeads) {
    MemorySegment s = Arena.ofAuto().allocate(JAVA_SHORT, 3 * MOST + 1);
    int n = 0;
    for (int g = 0; g < kvHeads; g++) {
      s.setAtIndex(JAVA_SHORT, g, (short) n);
      for (int h = 0; h < kvOf.length; h++) {
        if (kvOf[h] == g) {
          s.setAtIndex(JAVA_SHORT, MOST + 1 + n++, (short) h);
          s.setAtIndex(JAVA_SHORT, 2 * MOST + 1 + h, (short) g);
        }
      }
    }
    s.setAtIndex(JAVA_SHORT, kvHeads, (short) n);
    if (n != kvOf.length) {
      throw new IllegalArgumentException(
          Arrays.toString(kvOf) + " names KV heads beyond the " + kvHeads + " there are");
    }
    return s;
  }
}
