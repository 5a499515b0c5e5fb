package io.hydrahead.cli;

import com.sun.management.UnixOperatingSystemMXBean;
import io.hydrahead.server.engine.Scheduler;
import io.hydrahead.tensor.Memory;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryMXBean;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.ToDoubleFunction;

/**
 * What a process that serves holds at a moment.
 *
 * @param seconds since the start
 * @param heap bytes of the Java heap that collections left
 * @param committed bytes of the Java heap, used or not
 * @param machine bytes of the JVM's own: compiled code and classes
 * @param resident bytes of the process in the machine's memory, −1 where the system does not say
 * @param buffers bytes that owners of native memory hold, weights, pools and buffers of steps; of a
 *     device's, too
 * @param caches bytes of blocks and slots of the pools that are in use, by requests or for later
 *     ones
 * @param threads of the platform
 * @param files descriptors that are open, connections among them; −1 where the system does not say
 * @param waiting requests
 * @param running requests
 */
record SoakSample(
    double seconds,
    long heap,
    long committed,
    long machine,
    long resident,
    long buffers,
    long caches,
    int threads,
    long files,
    int waiting,
    int running) {
  private static final Path STATUS = Path.of("/proc/self/status");

  /** The serial collector compacts every fourth time only, and else leaves some of the dead. */
  private static final int COLLECTIONS = 4;

  /** A quantity that must not grow. */
  enum Quantity {
    HEAP("live heap", true, SoakSample::heap),
    MACHINE("code and classes", true, SoakSample::machine),
    RESIDENT("resident memory", true, SoakSample::resident),
    BUFFERS("native buffers", true, SoakSample::buffers),
    CACHES("caches in use", true, SoakSample::caches),
    THREADS("threads", false, SoakSample::threads),
    FILES("open files and connections", false, SoakSample::files);

    final String title;
    final boolean bytes;
    private final ToDoubleFunction<SoakSample> value;

    Quantity(String title, boolean bytes, ToDoubleFunction<SoakSample> value) {
      this.title = title;
      this.bytes = bytes;
      this.value = value;
    }

    double of(SoakSample s) {
      return value.applyAsDouble(s);
    }
  }

  /**
   * Looks now, after collections.
   *
   * @param device where the model's memory is
   */
  static SoakSample now(double seconds, Scheduler scheduler, Memory device) {
    MemoryMXBean memory = ManagementFactory.getMemoryMXBean();
    long heap = Long.MAX_VALUE;
    for (int i = 0; i < COLLECTIONS; i++) {
      memory.gc();
      heap = Math.min(heap, left());
    }
    long buffers = Memory.HOST.allocatedBytes();
    buffers += device.host() ? 0 : device.allocatedBytes();
    Scheduler.Status s = scheduler.status();
    return new SoakSample(
        seconds,
        heap,
        memory.getHeapMemoryUsage().getCommitted(),
        memory.getNonHeapMemoryUsage().getUsed(),
        residentBytes(),
        buffers,
        s.caches().kvBytes() + s.caches().stateBytes(),
        ManagementFactory.getThreadMXBean().getThreadCount(),
        openFiles(),
        s.waiting(),
        s.running());
  }

  /** Not what is used now: the others go on allocating. */
  private static long left() {
    long sum = 0;
    for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans()) {
      if (pool.getType() == MemoryType.HEAP && pool.getCollectionUsage() != null) {
        sum += pool.getCollectionUsage().getUsed();
      }
    }
    return sum;
  }

  private static long openFiles() {
    return ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean u
        ? u.getOpenFileDescriptorCount()
        : -1;
  }

  /** Linux tells in {@code VmRSS}, in units of 1024 bytes. */
  private static long residentBytes() {
    if (!Files.isReadable(STATUS)) {
      return -1;
    }
    try {
      for (String line : Files.readAllLines(STATUS)) {
        if (line.startsWith("VmRSS:")) {
          return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
        }
      }
    } catch (IOException | NumberFormatException unknown) {
      return -1;
    }
    return -1;
  }
}
