package io.hydrahead.ops.attention;

import io.hydrahead.cuda.CudaDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Device memory that an operation keeps between calls; it grows by at least half, so that what was
 * outgrown, and stays for the sake of recorded graphs, is at most twice as much in all.
 */
final class CudaScratch implements AutoCloseable {
  private final CudaDevice device;
  private Arena arena;
  private MemorySegment memory = MemorySegment.NULL;

  CudaScratch(CudaDevice device) {
    this.device = device;
  }

  /** At least {@code bytes}: any content, or zeros where no earlier call has written. */
  MemorySegment get(long bytes) {
    if (memory.byteSize() < bytes) {
      if (arena == null) {
        arena = device.memory().arena();
      }
      memory = arena.allocate(Math.max(bytes, memory.byteSize() * 3 / 2), 256);
      device.memory().fill(memory, (byte) 0);
    }
    return memory;
  }

  @Override
  public void close() {
    if (arena != null) {
      arena.close();
      arena = null;
      memory = MemorySegment.NULL;
    }
  }
}
