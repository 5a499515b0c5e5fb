package io.hydrahead.model;

import io.hydrahead.tensor.Memory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** Memory that is only counted: segments lie nowhere, what is written to them is lost. */
final class DryMemory implements Memory {
  /** What a device's allocator rounds requests up to: large ones to whole pages. */
  private static final long PAGE = 2L << 20;

  private static final long SMALL = 512;

  private final Arena nobody = Arena.ofAuto();
  private long bytes;

  /** Bytes of all that was ever asked for, rounded up as an allocator does. */
  long bytes() {
    return bytes;
  }

  @Override
  public boolean host() {
    return false;
  }

  @Override
  public Arena arena() {
    return new Arena() {
      @Override
      public MemorySegment allocate(long byteSize, long byteAlignment) {
        long unit = byteSize >= PAGE ? PAGE : SMALL;
        bytes += Math.ceilDiv(Math.max(byteSize, 1), unit) * unit;
        return MemorySegment.ofAddress(PAGE).reinterpret(byteSize);
      }

      @Override
      public MemorySegment.Scope scope() {
        return nobody.scope();
      }

      @Override
      public void close() {}
    };
  }

  @Override
  public void fill(MemorySegment s, byte value) {}

  @Override
  public void copy(MemorySegment from, MemorySegment to) {}

  @Override
  public void copyRows(
      MemorySegment from,
      long fromOffset,
      long fromPitch,
      MemorySegment to,
      long toOffset,
      long toPitch,
      long width,
      long rows) {}

  @Override
  public void toHost(MemorySegment here, MemorySegment host) {}

  @Override
  public void fromHost(MemorySegment host, MemorySegment here) {}
}
