package io.hydrahead.ops.attention;

import io.hydrahead.cuda.CudaDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Zeros in device memory that kernels count in and leave as zeros. They are taken anew where more
 * are needed; outgrown ones stay, since a recorded graph may still use them.
 */
final class CudaCounters implements AutoCloseable {
  private static final long SMALLEST = 1 << 16;

  private final CudaDevice device;
  private Arena arena;
  private MemorySegment zeros = MemorySegment.NULL;

  CudaCounters(CudaDevice device) {
    this.device = device;
  }

  /**
   * Address of {@code bytes} bytes.
   *
   * @throws IllegalStateException if there would have to be more while work is recorded
   */
  long address(long bytes) {
    if (zeros.byteSize() < bytes) {
      if (device.capturing()) {
        throw new IllegalStateException(
            "counters of attention must be there before work is recorded: run the work once first");
      }
      if (arena == null) {
        arena = device.memory().arena();
      }
      zeros = arena.allocate(Math.max(bytes, Math.max(SMALLEST, 2 * zeros.byteSize())), 256);
      device.memory().fill(zeros, (byte) 0);
    }
    return zeros.address();
  }

  @Override
  public void close() {
    if (arena != null) {
      arena.close();
      arena = null;
      zeros = MemorySegment.NULL;
    }
  }
}
