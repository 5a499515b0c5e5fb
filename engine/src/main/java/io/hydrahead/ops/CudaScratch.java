package io.hydrahead.ops;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.tensor.Poison;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * Device memory for what lives during one call; the operations of a device share it, because the
 * stream runs one after the other. It grows and never shrinks, and outgrown blocks stay: a recorded
 * graph may still use them.
 */
public final class CudaScratch implements AutoCloseable {
  private static final long ALIGNMENT = 256;
  private static final long SMALLEST = 1 << 20;

  private final CudaDevice device;
  private final List<Arena> arenas = new ArrayList<>();
  private MemorySegment block = MemorySegment.NULL;

  public CudaScratch(CudaDevice device) {
    this.device = device;
  }

  /**
   * Address of {@code bytes} bytes of any content, 256-byte aligned; earlier ones are void.
   *
   * @throws IllegalStateException if it would have to grow while work is recorded
   */
  public long bytes(long bytes) {
    if (block.byteSize() < bytes) {
      grow(bytes);
    }
    return block.address();
  }

  private void grow(long bytes) {
    if (device.capturing()) {
      throw new IllegalStateException(
          "scratch memory must have its size before work is recorded: run the work once first");
    }
    Arena arena = device.memory().arena();
    arenas.add(arena);
    block = arena.allocate(Math.max(bytes, Math.max(SMALLEST, 2 * block.byteSize())), ALIGNMENT);
    if (Poison.on()) {
      device.memory().fill(block, (byte) 0xFF);
    }
  }

  /** {@code bytes} rounded up to the alignment: where the next part of a block may start. */
  public static long padded(long bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  @Override
  public void close() {
    block = MemorySegment.NULL;
    arenas.forEach(Arena::close);
    arenas.clear();
  }
}
