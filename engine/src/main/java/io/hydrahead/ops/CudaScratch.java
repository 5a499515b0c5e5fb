package io.hydrahead.ops;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.tensor.Poison;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Device memory for what lives during one call; the operations of a device share it, because a
 * stream runs one after the other; each of its two lanes has a block. It grows and never shrinks,
 * and outgrown blocks stay: a recorded graph may still use them.
 */
public final class CudaScratch implements AutoCloseable {
  private static final long ALIGNMENT = 256;

  private final CudaDevice device;
  private final long smallest;
  private final boolean zeros;
  private final List<Arena> arenas = new ArrayList<>();
  private final MemorySegment[] blocks = {MemorySegment.NULL, MemorySegment.NULL};

  public CudaScratch(CudaDevice device) {
    this(device, 1 << 20, false);
  }

  private CudaScratch(CudaDevice device, long smallest, boolean zeros) {
    this.device = device;
    this.smallest = smallest;
    this.zeros = zeros;
  }

  /**
   * Memory of one room for what its kernels count in: zeros, which every call must leave as zeros.
   */
  public static CudaScratch counters(CudaDevice device) {
    return new CudaScratch(device, 1 << 16, true);
  }

  /**
   * Address of {@code bytes} bytes, of any content unless they are {@link #counters}, 256-byte
   * aligned; earlier ones are void.
   *
   * @throws IllegalStateException if it would have to grow while work is recorded
   */
  public long bytes(long bytes) {
    int lane = device.lane();
    if (blocks[lane].byteSize() < bytes) {
      blocks[lane] = grow(bytes, blocks[lane].byteSize());
    }
    return blocks[lane].address();
  }

  private MemorySegment grow(long bytes, long before) {
    if (device.capturing()) {
      throw new IllegalStateException(
          "scratch memory must have its size before work is recorded: run the work once first");
    }
    Arena arena = device.memory().arena();
    arenas.add(arena);
    MemorySegment block =
        arena.allocate(Math.max(bytes, Math.max(smallest, 2 * before)), ALIGNMENT);
    if (zeros) {
      device.memory().fill(block, (byte) 0);
    } else if (Poison.on()) {
      device.memory().fill(block, (byte) 0xFF);
    }
    return block;
  }

  /** {@code bytes} rounded up to the alignment: where the next part of a block may start. */
  public static long padded(long bytes) {
    return Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
  }

  @Override
  public void close() {
    Arrays.fill(blocks, MemorySegment.NULL);
    arenas.forEach(Arena::close);
    arenas.clear();
  }
}
