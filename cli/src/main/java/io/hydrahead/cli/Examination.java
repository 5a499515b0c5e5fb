package io.hydrahead.cli;

import io.hydrahead.cuda.CudaReport;
import io.hydrahead.tensor.Simd;
import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** The checks behind {@code doctor}. Each looks at the machine as it is, in this very process. */
final class Examination {
  private static final Runtime.Version OLDEST = Runtime.Version.parse("25.0.3");

  private Examination() {}

  static List<Diagnosis> all(int threads) {
    List<Diagnosis> out = new ArrayList<>();
    out.add(jdk(Runtime.version()));
    out.add(collector());
    out.add(vectors());
    out.add(nativeAccess());
    out.add(processors(threads));
    out.addAll(memory());
    out.addAll(BlasExamination.all());
    CudaReport.examine().forEach(f -> out.add(gpu(f)));
    out.add(trainingText());
    return out;
  }

  static Diagnosis jdk(Runtime.Version v) {
    String found = v + ", " + System.getProperty("java.home");
    return v.compareToIgnoreOptional(OLDEST) >= 0
        ? Diagnosis.ok("JDK", found)
        : Diagnosis.warn(
            "JDK",
            found,
            "install JDK 25.0.3 or newer: older ones have a G1 bug that moves pinned arrays");
  }

  private static Diagnosis collector() {
    String names =
        ManagementFactory.getGarbageCollectorMXBeans().stream()
            .map(GarbageCollectorMXBean::getName)
            .collect(Collectors.joining(", "));
    return Diagnosis.ok("GC", names + "; tensors live outside the heap");
  }

  private static Diagnosis vectors() {
    if (!Simd.available()) {
      return Diagnosis.warn(
          "Vector API",
          "off: scalar kernels, many times slower",
          "start java with --add-modules jdk.incubator.vector, as ./hydrahead does");
    }
    int bits = Simd.floatLanes() * Float.SIZE;
    String found = bits + " bits, " + Simd.floatLanes() + " float lanes" + cpuModel();
    return bits >= 256
        ? Diagnosis.ok("Vector API", found)
        : Diagnosis.warn(
            "Vector API", found, "nothing to set: the processor has no wider vectors for Java");
  }

  private static String cpuModel() {
    try {
      return Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
          .filter(l -> l.startsWith("model name"))
          .findFirst()
          .map(l -> ", " + l.substring(l.indexOf(':') + 1).strip())
          .orElse("");
    } catch (IOException e) {
      return "";
    }
  }

  private static Diagnosis nativeAccess() {
    if (Examination.class.getModule().isNativeAccessEnabled()) {
      return Diagnosis.ok("native access", "enabled");
    }
    return Diagnosis.warn(
        "native access",
        "not enabled: native BLAS and GPU give warnings or fail",
        "start java with --enable-native-access=ALL-UNNAMED, as ./hydrahead does");
  }

  private static Diagnosis processors(int threads) {
    int available = Runtime.getRuntime().availableProcessors();
    String found = threads + " threads, " + available + " processors available";
    return threads <= available
        ? Diagnosis.ok("threads", found)
        : Diagnosis.warn("threads", found, "take --threads " + available + " or fewer");
  }

  private static List<Diagnosis> memory() {
    long heap = Runtime.getRuntime().maxMemory();
    List<Diagnosis> out = new ArrayList<>();
    long total = -1;
    long free = -1;
    if (ManagementFactory.getOperatingSystemMXBean()
        instanceof com.sun.management.OperatingSystemMXBean os) {
      total = os.getTotalMemorySize();
      free = availableMemory().orElse(os.getFreeMemorySize());
    }
    String found =
        Table.bytes(free)
            + " available of "
            + Table.bytes(total)
            + ", heap up to "
            + Table.bytes(heap);
    out.add(
        free >= 2L << 30
            ? Diagnosis.ok("memory", found)
            : Diagnosis.warn(
                "memory", found, "close other programs or raise the container's limit to 2 GiB"));
    return out;
  }

  /** What Linux reckons can be had without swapping: free memory plus what caches give back. */
  private static Optional<Long> availableMemory() {
    try {
      return Files.readAllLines(Path.of("/proc/meminfo")).stream()
          .filter(l -> l.startsWith("MemAvailable:"))
          .findFirst()
          .map(l -> Long.parseLong(l.replaceAll("\\D", "")) * 1024);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static Diagnosis trainingText() {
    Path src = Path.of(System.getProperty("java.home"), "lib", "src.zip");
    return Files.isRegularFile(src)
        ? Diagnosis.ok("training text", src.toString())
        : Diagnosis.warn(
            "training text",
            "this JDK has no lib/src.zip; recipes that ask for it use generated text",
            "install the JDK's sources, for example apt install openjdk-25-source");
  }

  private static Diagnosis gpu(CudaReport.Finding f) {
    return f.works()
        ? Diagnosis.ok(f.what(), f.found())
        : Diagnosis.warn(f.what(), f.found() + "; on the CPU all works", f.fix());
  }
}
