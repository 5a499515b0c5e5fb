package io.hydrahead.cuda;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What of CUDA this machine has, and how to get the rest. */
public final class CudaReport {
  /**
   * One thing looked at.
   *
   * @param what its name
   * @param works whether it is fit for use
   * @param found what it is like here, or the words of whoever refused
   * @param fix what to do; empty if nothing
   */
  public record Finding(String what, boolean works, String found, String fix) {}

  private final Map<String, String> environment;
  private final CudaLibraries libraries;
  private final List<Finding> findings = new ArrayList<>();

  private CudaReport(Map<String, String> environment) {
    this.environment = environment;
    this.libraries = new CudaLibraries(environment);
  }

  /** Looks at everything, with the process's environment. */
  public static List<Finding> examine() {
    return examine(System.getenv());
  }

  static List<Finding> examine(Map<String, String> environment) {
    CudaReport report = new CudaReport(environment);
    Driver driver = report.driver();
    int newest = driver == null ? Integer.MAX_VALUE : driver.version() / 1000;
    boolean whole = report.compiler(newest);
    whole &= report.cublas(newest);
    if (driver != null) {
      report.devices(driver, whole);
    }
    report.cache();
    return List.copyOf(report.findings);
  }

  private void ok(String what, String found) {
    findings.add(new Finding(what, true, found, ""));
  }

  private void bad(String what, String found, String fix) {
    findings.add(new Finding(what, false, found, fix));
  }

  private Driver driver() {
    CudaLibraries.Kind kind = CudaLibraries.Kind.DRIVER;
    CudaLibraries.Search search = libraries.driver();
    if (!search.found()) {
      bad(kind.stem(), "not loaded: " + search.error(), search.fix());
      return null;
    }
    try {
      Driver driver = CudaDevice.start(libraries);
      String version = CudaDevice.version(driver.version());
      ok(kind.stem(), search.library().name() + ", for CUDA up to " + version);
      return driver;
    } catch (CudaUnavailableException | CudaException e) {
      bad(
          kind.stem(),
          search.library().name() + ": " + e.getMessage(),
          search.named() ? search.fix() : "nvidia-smi must work first");
      return null;
    }
  }

  private boolean compiler(int newest) {
    CudaLibraries.Kind kind = CudaLibraries.Kind.NVRTC;
    CudaLibraries.Search search = libraries.runtime(kind, newest);
    if (!search.found()) {
      bad(kind.stem(), "not loaded: " + search.error(), search.fix());
      return false;
    }
    try {
      Nvrtc nvrtc = new Nvrtc(search.library());
      KernelSource probe = new KernelSource("probe.cu", "__global__ void probe() {}", Map.of());
      nvrtc.compile(probe, List.of("--gpu-architecture=sm_80"));
      ok(kind.stem(), nvrtc.name() + ", " + nvrtc.version());
      return true;
    } catch (CudaUnavailableException | CudaException e) {
      bad(kind.stem(), search.library().name() + ": " + e.getMessage(), search.fix());
      return false;
    }
  }

  private boolean cublas(int newest) {
    CudaLibraries.Kind kind = CudaLibraries.Kind.CUBLASLT;
    CudaLibraries.Search search = libraries.runtime(kind, newest);
    if (!search.found()) {
      bad(kind.stem(), "not loaded: " + search.error(), search.fix());
      return false;
    }
    int version = NativeCalls.call(search.library().function("cublasLtGetVersion"));
    String release = version / 10_000 + "." + version / 100 % 100 + "." + version % 100;
    ok(kind.stem(), search.library().name() + ", " + release);
    return true;
  }

  private void devices(Driver driver, boolean whole) {
    int count = driver.deviceCount();
    if (count == 0) {
      bad("GPU", "none", "check nvidia-smi and CUDA_VISIBLE_DEVICES");
    }
    for (int i = 0; i < count; i++) {
      String what = "cuda:" + i;
      if (!whole) {
        bad(what, driver.deviceName(driver.device(i)), "needs the libraries above");
        continue;
      }
      try (CudaDevice device = CudaDevice.open(i, environment)) {
        ok(
            what,
            String.format(
                Locale.ROOT,
                "%s, compute capability %d.%d, %d multiprocessors, %.1f of %.1f GB free",
                device.name(),
                device.capability() / 10,
                device.capability() % 10,
                device.multiprocessors(),
                device.freeBytes() / 1e9,
                device.totalBytes() / 1e9));
      } catch (CudaUnavailableException e) {
        bad(what, e.getMessage(), "free it, or take another device or --device cpu");
      }
    }
  }

  private void cache() {
    Path folder = CubinCache.folder(environment, System.getProperty("user.home", "."));
    Path existing = folder;
    while (existing != null && !Files.exists(existing)) {
      existing = existing.getParent();
    }
    if (existing != null && Files.isDirectory(existing) && Files.isWritable(existing)) {
      ok("kernel cache", folder.toString());
    } else {
      bad(
          "kernel cache",
          folder + " cannot be written: kernels are compiled anew in every run",
          "set XDG_CACHE_HOME to a folder that can be");
    }
  }
}
