package io.hydrahead.ops.attention;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Lists of heads in the form in which kernels take them by value: query heads sorted by the KV head
 * they read, so that those side by side share loads. Made once a list, then found without
 * allocating.
 */
final class CudaHeadLists {
  /** Most query heads of one call: {@code MAX_HEADS} of the kernels. */
  static final int MOST = 128;

  private final List<HeadList> known = new ArrayList<>();

  /** One list of heads. */
  static final class HeadList {
    private final int[] kvOf;

    /** Query heads sorted by KV head. */
    private final int[] order;

    /** {@code struct Heads}. */
    final MemorySegment heads;

    /** By the most heads of a group. */
    private final Groups[] groups = new Groups[MOST + 1];

    private HeadList(int[] kvOf) {
      this.kvOf = kvOf.clone();
      order =
          IntStream.range(0, kvOf.length)
              .boxed()
              .sorted((a, b) -> Integer.compare(kvOf[a], kvOf[b]))
              .mapToInt(i -> i)
              .toArray();
      heads = Arena.ofAuto().allocate(JAVA_SHORT, 2 * MOST);
      for (int i = 0; i < order.length; i++) {
        heads.setAtIndex(JAVA_SHORT, i, (short) order[i]);
        heads.setAtIndex(JAVA_SHORT, MOST + i, (short) kvOf[order[i]]);
      }
    }

    /** Groups of up to {@code most} heads that share a KV head. */
    Groups groups(int most) {
      int m = Math.min(most, MOST);
      if (groups[m] == null) {
        groups[m] = new Groups(this, m);
      }
      return groups[m];
    }

    /** KV heads that are read. */
    int distinct() {
      return groups(MOST).count;
    }
  }

  /** Query heads by KV head. */
  static final class Groups {
    /** Number of groups. */
    final int count;

    /** Heads of the largest. */
    final int largest;

    /** {@code struct Groups}. */
    final MemorySegment struct;

    private Groups(HeadList list, int most) {
      struct = Arena.ofAuto().allocate(JAVA_SHORT, 3 * MOST + 1);
      int n = 0;
      int widest = 0;
      int[] order = list.order;
      for (int from = 0; from < order.length; n++) {
        int kv = list.kvOf[order[from]];
        int to = from;
        while (to < order.length && to - from < most && list.kvOf[order[to]] == kv) {
          to++;
        }
        struct.setAtIndex(JAVA_SHORT, n, (short) kv);
        struct.setAtIndex(JAVA_SHORT, MOST + n, (short) from);
        struct.setAtIndex(JAVA_SHORT, MOST + n + 1, (short) to);
        widest = Math.max(widest, to - from);
        from = to;
      }
      for (int i = 0; i < order.length; i++) {
        struct.setAtIndex(JAVA_SHORT, 2 * MOST + 1 + i, (short) order[i]);
      }
      count = n;
      largest = widest;
    }
  }

  /**
   * @throws IllegalArgumentException if the list is longer than {@value #MOST}
   */
  HeadList of(int[] kvOf) {
    for (int i = 0; i < known.size(); i++) {
      if (Arrays.equals(known.get(i).kvOf, kvOf)) {
        return known.get(i);
      }
    }
    if (kvOf.length > MOST) {
      throw new IllegalArgumentException(
          kvOf.length + " heads in one call, the kernels of attention take " + MOST);
    }
    HeadList list = new HeadList(kvOf);
    known.add(list);
    return list;
  }
}
