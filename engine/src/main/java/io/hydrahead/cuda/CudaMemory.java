package io.hydrahead.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Locale;

/**
 * The memory of a device. Fills and copies within it are ordered on the device's stream; copies
 * from and to the host go through page-locked memory in two halves, so that one is filled while the
 * other is on its way.
 */
public final class CudaMemory implements Memory {
  /** What {@code cuMemAlloc} aligns to. */
  private static final long ALIGNMENT = 256;

  /** Bytes of an allocation from which on free memory is looked at first. */
  private static final long LARGE = 64L << 20;

  private static final long HALF = 4L << 20;
  private static final int DEVICE_TYPE = 2;

  private final CudaDevice device;

  /** A CUDA_MEMCPY2D, reused. */
  private final MemorySegment pitched;

  private final MemorySegment staging;
  private final long stagingAddress;
  private final long[] events = new long[2];
  private long passing;
  private int half;
  private long allocated;

  CudaMemory(CudaDevice device) {
    this.device = device;
    pitched = Arena.ofAuto().allocate(128, 8);
    pitched.set(JAVA_INT, 16, DEVICE_TYPE);
    pitched.set(JAVA_INT, 72, DEVICE_TYPE);
    Driver driver = device.driver();
    stagingAddress = driver.allocateHost(2 * HALF);
    staging = MemorySegment.ofAddress(stagingAddress).reinterpret(2 * HALF);
    events[0] = driver.createEvent(false);
    events[1] = driver.createEvent(false);
  }

  @Override
  public boolean host() {
    return false;
  }

  @Override
  public Arena arena() {
    return new DeviceArena();
  }

  public CudaDevice device() {
    return device;
  }

  @Override
  public long freeBytes() {
    return device.freeBytes();
  }

  @Override
  public long allocatedBytes() {
    return allocated;
  }

  @Override
  public void fill(MemorySegment s, byte value) {
    if (s.byteSize() > 0) {
      device.makeCurrent();
      device.driver().fillBytes(address(s), value, s.byteSize(), device.stream());
    }
  }

  @Override
  public void copy(MemorySegment from, MemorySegment to) {
    sameSize(from, to);
    if (from.byteSize() > 0) {
      device.makeCurrent();
      device.driver().copyDevice(address(to), address(from), from.byteSize(), device.stream());
    }
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
    if (width <= 0 || rows <= 0) {
      return;
    }
    long fromEnd = fromOffset + (rows - 1) * fromPitch + width;
    long toEnd = toOffset + (rows - 1) * toPitch + width;
    boolean inside = fromOffset >= 0 && toOffset >= 0;
    inside &= fromEnd <= from.byteSize() && toEnd <= to.byteSize();
    if (!inside || fromPitch < width || toPitch < width) {
      throw new IndexOutOfBoundsException(
          "%d rows of %d bytes, from %d every %d in %d bytes to %d every %d in %d bytes"
              .formatted(
                  rows,
                  width,
                  fromOffset,
                  fromPitch,
                  from.byteSize(),
                  toOffset,
                  toPitch,
                  to.byteSize()));
    }
    device.makeCurrent();
    pitched.set(JAVA_LONG, 32, address(from) + fromOffset);
    pitched.set(JAVA_LONG, 48, fromPitch);
    pitched.set(JAVA_LONG, 88, address(to) + toOffset);
    pitched.set(JAVA_LONG, 104, toPitch);
    pitched.set(JAVA_LONG, 112, width);
    pitched.set(JAVA_LONG, 120, rows);
    device.driver().copy2d(pitched, device.stream());
  }

  @Override
  public void toHost(MemorySegment here, MemorySegment host) {
    sameSize(here, host);
    notCapturing();
    device.makeCurrent();
    Driver driver = device.driver();
    long from = address(here);
    long bytes = here.byteSize();
    enqueueToHost(driver, from, 0, bytes);
    for (long at = 0; at < bytes; at += HALF) {
      int h = half;
      half ^= 1;
      enqueueToHost(driver, from, at + HALF, bytes);
      driver.synchronizeEvent(events[h]);
      long part = Math.min(HALF, bytes - at);
      MemorySegment.copy(staging, h * HALF, host, at, part);
    }
    if (bytes == 0) {
      driver.synchronize(device.stream());
    }
  }

  /** Starts the copy of the part at {@code at}, if there is one, into the current half. */
  private void enqueueToHost(Driver driver, long from, long at, long bytes) {
    if (at < bytes) {
      long part = Math.min(HALF, bytes - at);
      driver.copyToHost(stagingAddress + half * HALF, from + at, part, device.stream());
      driver.record(events[half], device.stream());
    }
  }

  @Override
  public void fromHost(MemorySegment host, MemorySegment here) {
    sameSize(host, here);
    notCapturing();
    device.makeCurrent();
    Driver driver = device.driver();
    long to = address(here);
    long bytes = here.byteSize();
    for (long at = 0; at < bytes; at += HALF) {
      long part = Math.min(HALF, bytes - at);
      driver.synchronizeEvent(events[half]); // of its last use
      MemorySegment.copy(host, at, staging, half * HALF, part);
      driver.copyToDevice(to + at, stagingAddress + half * HALF, part, device.stream());
      driver.record(events[half], device.stream());
      half ^= 1;
    }
  }

  /** On the device; what lies on the host passes through in pieces, in its own type. */
  @Override
  public boolean convert(Tensor from, Tensor to) {
    if (!CudaConvert.knows(from.dtype(), to.dtype())) {
      return false;
    }
    if (from.memory() == this && to.memory() == this) {
      device.convert().copy(from, to);
      return true;
    }
    boolean dense = from.contiguous() && to.contiguous();
    boolean inbound = to.memory() == this && from.memory().host();
    boolean outbound = from.memory() == this && to.memory().host();
    if (!dense || !(inbound || outbound)) {
      return false;
    }
    Tensor source = from.view(from.size());
    Tensor target = to.view(to.size());
    long most = HALF / 4;
    for (long at = 0; at < source.size(); at += most) {
      long count = Math.min(most, source.size() - at);
      Tensor s = source.rows(at, count);
      Tensor t = target.rows(at, count);
      Tensor p = passing(inbound ? s.dtype() : t.dtype(), count);
      if (inbound) {
        fromHost(s.segment(), p.segment());
        device.convert().copy(p, t);
      } else {
        device.convert().copy(s, p);
        toHost(p.segment(), t.segment());
      }
    }
    return true;
  }

  /** Device memory for elements that are on their way. */
  private Tensor passing(DType type, long count) {
    if (passing == 0) {
      passing = device.driver().allocate(HALF);
    }
    MemorySegment s = MemorySegment.ofAddress(passing).reinterpret(count * type.bytes());
    return Tensor.of(this, s, type, count);
  }

  private void notCapturing() {
    if (device.capturing()) {
      throw new IllegalStateException(
          "copies between host and device cannot be recorded in a graph");
    }
  }

  private static void sameSize(MemorySegment from, MemorySegment to) {
    if (from.byteSize() != to.byteSize()) {
      throw new IllegalArgumentException(
          "cannot copy " + from.byteSize() + " bytes into " + to.byteSize());
    }
  }

  private static long address(MemorySegment s) {
    if (!s.scope().isAlive()) {
      throw new IllegalStateException("the owner of this memory is closed");
    }
    return s.address();
  }

  void close() {
    Driver driver = device.driver();
    for (long event : events) {
      driver.destroyEvent(event);
    }
    driver.freeHost(stagingAddress);
    if (passing != 0) {
      driver.free(passing);
    }
  }

  /**
   * Checks that {@code bytes} more can be had.
   *
   * @param what for whom, for the message; for example {@code "the weights"}
   * @throws CudaUnavailableException with the sizes and the fix if not
   */
  public void require(long bytes, String what) {
    long free = device.freeBytes();
    if (bytes > free) {
      throw tooLittle(bytes, what, free);
    }
  }

  private CudaUnavailableException tooLittle(long bytes, String what, long free) {
    return new CudaUnavailableException(
        "%s has %s free of %s, %s more are needed for %s: end what holds the rest (nvidia-smi shows it), or take a shorter context, a smaller batch, --dtype bf16 or a larger GPU"
            .formatted(device, size(free), size(device.totalBytes()), size(bytes), what));
  }

  private static String size(long bytes) {
    return bytes < 1e9
        ? String.format(Locale.ROOT, "%.1f MB", bytes / 1e6)
        : String.format(Locale.ROOT, "%.2f GB", bytes / 1e9);
  }

  @Override
  public String toString() {
    return "the memory of " + device;
  }

  /** An owner of device memory; its segments' addresses are the device's. */
  private final class DeviceArena implements Arena {
    private final Arena life = Arena.ofShared();
    private long[] addresses = new long[4];
    private int count;
    private long bytes;

    DeviceArena() {
      device.own(this);
    }

    @Override
    public synchronized MemorySegment allocate(long byteSize, long byteAlignment) {
      if (byteSize < 0 || byteAlignment > ALIGNMENT) {
        throw new IllegalArgumentException(
            byteSize + " bytes aligned to " + byteAlignment + " on " + device);
      }
      if (!life.scope().isAlive()) {
        throw new IllegalStateException("the owner of this memory is closed");
      }
      device.makeCurrent();
      if (byteSize >= LARGE) {
        require(byteSize, "this buffer");
      }
      long address;
      try {
        address = device.driver().allocate(Math.max(byteSize, 1));
      } catch (CudaException e) {
        if (e.code() == Driver.OUT_OF_MEMORY) {
          throw tooLittle(byteSize, "this buffer", device.freeBytes());
        }
        throw e;
      }
      if (count == addresses.length) {
        addresses = java.util.Arrays.copyOf(addresses, 2 * count);
      }
      addresses[count++] = address;
      bytes += byteSize;
      allocated += byteSize;
      return MemorySegment.ofAddress(address).reinterpret(byteSize, life, null);
    }

    @Override
    public MemorySegment.Scope scope() {
      return life.scope();
    }

    @Override
    public synchronized void close() {
      life.close();
      device.disown(this);
      device.makeCurrent();
      for (int i = 0; i < count; i++) {
        device.driver().free(addresses[i]);
      }
      count = 0;
      allocated -= bytes;
    }
  }
}
