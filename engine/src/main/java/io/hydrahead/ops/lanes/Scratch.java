package io.hydrahead.ops.lanes;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * One thread's working memory, which grows to the largest request and is then reused: {@link
 * #begin} with the total, then {@link #take} the parts. Contents are whatever was there before.
 */
public final class Scratch {
  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);
  private static final long LINE = 64;

  private Arena arena;
  private long bytes;
  private long from;
  private long to;

  /** The calling thread's. Two kernels must not use it at the same time. */
  public static Scratch ofThread() {
    return OF_THREAD.get();
  }

  /** Makes room for {@code floats} floats in at most {@code parts} parts and frees all parts. */
  public Scratch begin(long floats, int parts) {
    long needed = Math.multiplyExact(floats, 4L) + (parts + 1) * 2 * LINE;
    if (needed > bytes) {
      Arena fresh = Arena.ofAuto();
      MemorySegment memory = fresh.allocate(needed, LINE);
      arena = fresh; // keeps the memory alive as long as this object
      bytes = needed;
      from = memory.address();
    }
    to = from;
    return this;
  }

  /** Address of {@code floats} floats, aligned to a cache line. */
  public long take(long floats) {
    long at = to;
    to = (to + 4 * floats + LINE - 1) & -LINE;
    if (to > from + bytes) {
      throw new IllegalStateException("scratch of " + bytes + " bytes is too small");
    }
    return at;
  }
}
