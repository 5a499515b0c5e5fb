package io.hydrahead.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Where tensors live: the host's memory or a device's. Segments of a device have device addresses
 * and must only be touched through their memory; its operations are ordered with the kernels of the
 * device, so that a fill or copy happens after what was launched before it.
 */
public interface Memory {
  /** The memory of this process. */
  Memory HOST = new HostMemory();

  /** Whether the processor can read and write it. */
  boolean host();

  /**
   * A new owner. What it allocates has any content and is aligned to {@link Tensor#ALIGNMENT} bytes
   * or more; closing it frees everything.
   */
  Arena arena();

  /** Bytes that can still be had, or {@link Long#MAX_VALUE} where nobody knows. */
  default long freeBytes() {
    return Long.MAX_VALUE;
  }

  /** Bytes that owners of {@link #arena} hold, or 0 where nobody counts. */
  default long allocatedBytes() {
    return 0;
  }

  /** Sets every byte of {@code s}. */
  void fill(MemorySegment s, byte value);

  /** Copies within this memory; the segments are as long as each other and do not overlap. */
  void copy(MemorySegment from, MemorySegment to);

  /**
   * Copies {@code rows} runs of {@code width} bytes within this memory, the first from {@code
   * fromOffset} to {@code toOffset}, each {@code fromPitch} and {@code toPitch} bytes after the one
   * before.
   */
  default void copyRows(
      MemorySegment from,
      long fromOffset,
      long fromPitch,
      MemorySegment to,
      long toOffset,
      long toPitch,
      long width,
      long rows) {
    for (long r = 0; r < rows; r++) {
      copy(
          from.asSlice(fromOffset + r * fromPitch, width),
          to.asSlice(toOffset + r * toPitch, width));
    }
  }

  /**
   * to = from, rounded to the other's element type, where one of them or both lie here; false, and
   * nothing done, where the processor must do it.
   */
  default boolean convert(Tensor from, Tensor to) {
    return false;
  }

  /** Copies out, and waits until that is done. */
  void toHost(MemorySegment here, MemorySegment host);

  /** Copies in; {@code host} may be written again when this returns. */
  void fromHost(MemorySegment host, MemorySegment here);
}
