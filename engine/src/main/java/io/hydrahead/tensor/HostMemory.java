package io.hydrahead.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/** The memory of this process, zero when fresh. Copies allocate nothing. */
final class HostMemory implements Memory {
  @Override
  public boolean host() {
    return true;
  }

  @Override
  public Arena arena() {
    return new LargePages();
  }

  @Override
  public long allocatedBytes() {
    return LargePages.allocatedBytes();
  }

  @Override
  public void fill(MemorySegment s, byte value) {
    s.fill(value);
  }

  @Override
  public void copy(MemorySegment from, MemorySegment to) {
    MemorySegment.copy(from, 0, to, 0, from.byteSize());
  }

  @Override
  public void copyRows(
      MemorySegment from,
      long fromOffset,
      long fromPitch,
      MemorySegment to,
      long toOffset,
      long toPitch,
      long width,
      long rows) {
    for (long r = 0; r < rows; r++) {
      MemorySegment.copy(from, fromOffset + r * fromPitch, to, toOffset + r * toPitch, width);
    }
  }

  @Override
  public boolean convert(Tensor from, Tensor to) {
    return from.memory().host() && to.memory().host() && HostConversion.convert(from, to);
  }

  @Override
  public void toHost(MemorySegment here, MemorySegment host) {
    copy(here, host);
  }

  @Override
  public void fromHost(MemorySegment host, MemorySegment here) {
    copy(host, here);
  }

  @Override
  public String toString() {
    return "host memory";
  }
}
