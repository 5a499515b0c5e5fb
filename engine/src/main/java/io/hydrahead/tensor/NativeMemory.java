package io.hydrahead.tensor;

import java.lang.foreign.MemorySegment;

/**
 * All native memory as one segment, addressed by {@link MemorySegment#address()}. Inner loops use
 * it because its bounds and liveness checks fold to constants; whoever does so must first have
 * checked its ranges against the real segments, as {@link #address} does, and must keep those
 * segments reachable until it is done ({@link java.lang.ref.Reference#reachabilityFence}): memory
 * of an automatic arena may otherwise be freed under the loop.
 */
public final class NativeMemory {
  /** Offsets into this segment are addresses. */
  public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

  private NativeMemory() {}

  /**
   * Address of {@code segment} after checking that it is alive, native, and holds at least {@code
   * bytes} bytes.
   *
   * @throws IllegalArgumentException if it does not
   */
  public static long address(MemorySegment segment, long bytes) {
    if (!segment.isNative()) {
      throw new IllegalArgumentException("kernels take native segments, not heap arrays");
    }
    if (segment.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "the segment has " + segment.byteSize() + " bytes, the operation needs " + bytes);
    }
    if (!segment.scope().isAlive()) {
      throw new IllegalStateException("the owner of this memory is closed");
    }
    return segment.address();
  }
}
