package io.hydrahead.ops;

import io.hydrahead.tensor.Poison;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory that one operation keeps between calls; it grows and never shrinks. */
public final class Scratch {
  private MemorySegment memory = MemorySegment.NULL;

  /** Address of {@code count} floats with any content, 64-byte aligned; earlier ones are void. */
  public long floats(long count) {
    long bytes = Math.max(4, 4 * count);
    if (memory.byteSize() < bytes) {
      memory = Arena.ofAuto().allocate(bytes, Tensor.ALIGNMENT);
      Poison.fill(memory);
    }
    return memory.address();
  }

  /** Address of {@code count} zeros. */
  public long zeros(long count) {
    long address = floats(count);
    memory.asSlice(0, 4 * count).fill((byte) 0);
    return address;
  }
}
