package io.hydrahead.cuda;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * One GPU, open: its context, the one stream on which all work is ordered, its memory and the
 * kernels compiled for it. Closing it frees everything that it handed out.
 */
public final class CudaDevice implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger(CudaDevice.class.getName());

  private static final int MULTIPROCESSORS = 16;
  private static final int L2_BYTES = 38;
  private static final int CAPABILITY_MAJOR = 75;
  private static final int CAPABILITY_MINOR = 76;
  private static final int MAX_SHARED_OPTIN = 97;

  private static final String NO_GPU =
      "the driver sees no GPU: check nvidia-smi, CUDA_VISIBLE_DEVICES, and in a container --gpus"
          + " all";

  /** Ampere: bf16 in the tensor cores, asynchronous copies. */
  private static final int OLDEST_MAJOR = 8;

  private final Driver driver;
  private final int ordinal;
  private final int handle;
  private final String name;
  private final int major;
  private final int minor;
  private final int multiprocessors;
  private final long l2Bytes;
  private final int maxSharedBytes;
  private final int driverVersion;
  private final KernelBuilder builder;
  private final Map<String, CudaModule> modules = new HashMap<>();
  private final Set<AutoCloseable> owned = new LinkedHashSet<>();
  private long context;
  private long stream;
  private CudaLanes lanes;
  private boolean capturing;
  private boolean overlapping;

  /** Whether the stream's last work may not be a kernel of its own. */
  private boolean fenced;

  private CublasLt blas;
  private CudaMemory memory;
  private final CudaConvert convert = new CudaConvert(this);

  private CudaDevice(
      Driver driver, CudaLibraries libraries, Map<String, String> environment, int ordinal) {
    this.driver = driver;
    this.ordinal = ordinal;
    driverVersion = driver.version();
    handle = driver.device(ordinal);
    name = driver.deviceName(handle);
    major = driver.attribute(handle, CAPABILITY_MAJOR);
    minor = driver.attribute(handle, CAPABILITY_MINOR);
    multiprocessors = driver.attribute(handle, MULTIPROCESSORS);
    l2Bytes = driver.attribute(handle, L2_BYTES);
    maxSharedBytes = driver.attribute(handle, MAX_SHARED_OPTIN);
    if (major < OLDEST_MAJOR) {
      throw new CudaUnavailableException(
          "cuda:%d, %s, has compute capability %d.%d; the kernels need 8.0 (Ampere) or newer: take"
                  .formatted(ordinal, name, major, minor)
              + " another device or --device cpu");
    }
    int newest = driverVersion / 1000;
    Nvrtc compiler = new Nvrtc(libraries.runtime(CudaLibraries.Kind.NVRTC, newest).library());
    NativeLibrary lt = libraries.runtime(CudaLibraries.Kind.CUBLASLT, newest).library();
    CubinCache cache =
        new CubinCache(CubinCache.folder(environment, System.getProperty("user.home", ".")));
    builder = new KernelBuilder(compiler, cache, KernelBuilder.architecture(major, minor));
    context = retain();
    boolean ready = false;
    try {
      makeCurrent();
      lanes = new CudaLanes(driver);
      stream = lanes.main();
      memory = new CudaMemory(this);
      blas = new CublasLt(this, lt);
      ready = true;
    } catch (CudaException e) {
      throw unavailable(e);
    } finally {
      if (!ready) {
        close();
      }
    }
    LOG.log(Level.DEBUG, "opened {0}, {1}, {2}", this, compiler.name(), lt.name());
  }

  /**
   * Opens GPU {@code ordinal} with the libraries of this machine.
   *
   * @throws CudaUnavailableException if that is impossible, with the reason and the fix
   */
  public static CudaDevice open(int ordinal) {
    return open(ordinal, System.getenv());
  }

  /** Opens GPU {@code ordinal} with the libraries to which {@code environment} leads. */
  static CudaDevice open(int ordinal, Map<String, String> environment) {
    CudaLibraries libraries = new CudaLibraries(environment);
    Driver driver = start(libraries);
    int count = count(driver);
    if (ordinal < 0 || ordinal >= count) {
      throw new CudaUnavailableException(
          "there is no cuda:%d: the driver shows %s, %d in all"
              .formatted(ordinal, names(driver, count), count));
    }
    try {
      return new CudaDevice(driver, libraries, environment, ordinal);
    } catch (CudaException e) {
      throw new CudaUnavailableException("cuda:" + ordinal + " cannot be used: " + e.getMessage());
    }
  }

  /**
   * How many GPUs the driver shows, fit for use or not; their numbers count from 0.
   *
   * @throws CudaUnavailableException if it shows none, with the reason and the fix
   */
  public static int count() {
    return count(start(new CudaLibraries(System.getenv())));
  }

  private static int count(Driver driver) {
    int count = driver.deviceCount();
    if (count == 0) {
      throw new CudaUnavailableException(NO_GPU);
    }
    return count;
  }

  /** Loads and starts the driver; the errors say what to do. */
  static Driver start(CudaLibraries libraries) {
    Driver driver = new Driver(libraries.driver().library());
    try {
      driver.init();
    } catch (CudaException e) {
      throw new CudaUnavailableException(
          switch (e.code()) {
            case Driver.NO_DEVICE -> NO_GPU;
            case Driver.DRIVER_MISMATCH ->
                "NVIDIA's kernel module and libcuda are of different versions: restart the machine"
                    + " or reinstall the driver";
            case Driver.COMPAT_NOT_SUPPORTED ->
                "a CUDA compatibility library stands before the driver's own: take it off"
                    + " LD_LIBRARY_PATH";
            default -> "the driver does not start: " + e.getMessage();
          });
    }
    return driver;
  }

  private static String names(Driver driver, int count) {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      names.add("cuda:" + i + " (" + driver.deviceName(driver.device(i)) + ")");
    }
    return String.join(", ", names);
  }

  private long retain() {
    try {
      return driver.retainPrimaryContext(handle);
    } catch (CudaException e) {
      throw unavailable(e);
    }
  }

  private CudaUnavailableException unavailable(CudaException e) {
    String which = "cuda:" + ordinal + ", " + name + ", ";
    return new CudaUnavailableException(
        switch (e.code()) {
          case Driver.OUT_OF_MEMORY ->
              which + "has no memory left: nvidia-smi shows which processes hold it";
          case Driver.DEVICE_UNAVAILABLE ->
              which + "is used exclusively by another process: nvidia-smi shows which";
          default -> which + "cannot be used: " + e.getMessage();
        });
  }

  // ------------------------------------------------------------------------------------ facts

  /** Product name, for example {@code NVIDIA H200}. */
  public String name() {
    return name;
  }

  /** Number that the driver gives the device. */
  public int ordinal() {
    return ordinal;
  }

  /** Compute capability, major · 10 + minor: 90 for Hopper. */
  public int capability() {
    return 10 * major + minor;
  }

  /** Whether it runs code for sm_90a, with TMA and wgmma, which no later chip does. */
  public boolean hopper() {
    return capability() == 90;
  }

  public int multiprocessors() {
    return multiprocessors;
  }

  /** Blocks of a grid: as many as there is work for, at most {@code each} a multiprocessor. */
  public int blocks(long work, int each) {
    return (int) Math.min(work, (long) each * multiprocessors);
  }

  /** Bytes of the second-level cache. */
  public long l2Bytes() {
    return l2Bytes;
  }

  /** Most shared memory that a block can have. */
  public int maxSharedBytes() {
    return maxSharedBytes;
  }

  /** The newest CUDA release that the driver understands, for example {@code 13.0}. */
  public String driverVersion() {
    return version(driverVersion);
  }

  static String version(int number) {
    return number / 1000 + "." + number % 1000 / 10;
  }

  /** Bytes free now, to whoever asks first. */
  public long freeBytes() {
    makeCurrent();
    return driver.memoryInfo().free();
  }

  /** Bytes of the device. */
  public long totalBytes() {
    makeCurrent();
    return driver.memoryInfo().total();
  }

  // ------------------------------------------------------------------------------------ work

  /**
   * The kernels of resource {@code file} beside {@code room}, compiled with the given macros (such
   * as {@code -DBF16=1}) on first use.
   *
   * @throws CudaUnavailableException if it does not compile
   */
  public CudaModule module(Class<?> room, String file, String... defines) {
    String key = room.getPackageName() + "/" + file + " " + String.join(" ", defines);
    CudaModule known = modules.get(key);
    if (known != null) {
      return known;
    }
    return load(key, builder.build(KernelSource.read(room, file), defines));
  }

  /** Like {@link #module}, from a text. */
  CudaModule module(KernelSource source, String... defines) {
    return load(
        "text " + source.name() + source.text().hashCode() + String.join(" ", defines),
        builder.build(source, defines));
  }

  private CudaModule load(String key, byte[] code) {
    makeCurrent();
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment image = arena.allocate(code.length, 64);
      MemorySegment.copy(code, 0, image, java.lang.foreign.ValueLayout.JAVA_BYTE, 0, code.length);
      CudaModule module = new CudaModule(this, driver.loadModule(image), key);
      modules.put(key, module);
      return module;
    }
  }

  /** Waits until all enqueued work is done. Errors of kernels come out here. */
  public void synchronize() {
    if (capturing) {
      throw new IllegalStateException("waiting for the device cannot be recorded in a graph");
    }
    makeCurrent();
    driver.synchronize(stream);
  }

  /** Where tensors on this device lie. */
  public CudaMemory memory() {
    return memory;
  }

  /** Matrix products on this device. */
  public CublasLt blas() {
    return blas;
  }

  /** Copies between element types on this device. */
  public CudaConvert convert() {
    return convert;
  }

  /** Enqueues both next to each other: after all that was enqueued, before all that will be. */
  public void sideBySide(Runnable first, Runnable second) {
    if (lane() > 0) {
      first.run();
      second.run();
      return;
    }
    makeCurrent();
    lanes.fork();
    stream = lanes.side();
    fenced = true;
    try {
      first.run();
    } finally {
      stream = lanes.main();
      makeCurrent();
      lanes.sideIsDone();
    }
    fenced = true;
    second.run();
    makeCurrent();
    lanes.join();
    fenced = true;
  }

  /** 1 within the first work of {@link #sideBySide}, otherwise 0: each has its own scratch. */
  public int lane() {
    return stream == lanes.main() ? 0 : 1;
  }

  /**
   * Runs {@code work}, whose kernels may each begin while the one before them ends, as far as they
   * are made for it ({@link LaunchArguments#overlapInSteps}).
   */
  public void overlapping(Runnable work) {
    overlapping = true;
    fenced = true;
    try {
      work.run();
    } finally {
      overlapping = false;
    }
  }

  /** Whether the next kernel may begin so: not behind a fork or a join. */
  boolean overlaps() {
    return overlapping && !fenced;
  }

  /** A kernel was launched. */
  void launched() {
    fenced = false;
  }

  /** Whether work is being recorded instead of run. */
  public boolean capturing() {
    return capturing;
  }

  void capturing(boolean on) {
    capturing = on;
  }

  /** Makes this device the calling thread's. Everything here does so by itself. */
  void makeCurrent() {
    if (context == 0) {
      throw new IllegalStateException(this + " is closed");
    }
    driver.setCurrent(context);
  }

  Driver driver() {
    return driver;
  }

  long stream() {
    return stream;
  }

  void own(AutoCloseable resource) {
    owned.add(resource);
  }

  void disown(AutoCloseable resource) {
    owned.remove(resource);
  }

  @Override
  public void close() {
    if (context == 0) {
      return;
    }
    quietly(this::makeCurrent); // another may be, where a process has several
    for (AutoCloseable resource : List.copyOf(owned).reversed()) {
      quietly(resource);
    }
    owned.clear();
    if (blas != null) {
      quietly(blas);
    }
    if (memory != null) {
      quietly(memory::close);
    }
    modules.values().forEach(m -> quietly(m::unload));
    modules.clear();
    if (lanes != null) {
      quietly(lanes);
      stream = 0;
    }
    quietly(() -> driver.releasePrimaryContext(handle));
    context = 0;
  }

  /** After a kernel has failed, so does freeing; that must not hide the first error. */
  private static void quietly(AutoCloseable resource) {
    try {
      resource.close();
    } catch (Exception e) {
      LOG.log(Level.DEBUG, "while closing: {0}", e.toString());
    }
  }

  @Override
  public String toString() {
    return "cuda:" + ordinal + ", " + name;
  }
}
