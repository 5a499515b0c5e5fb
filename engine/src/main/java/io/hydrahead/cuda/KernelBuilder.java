package io.hydrahead.cuda;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/** Compiles sources for one architecture, or finds what it compiled before. */
final class KernelBuilder {
  private static final System.Logger LOG = System.getLogger(KernelBuilder.class.getName());

  /** Of several devices opened by one process, one compiles a source and the others find it. */
  private static final Map<String, ReentrantLock> TURNS = new ConcurrentHashMap<>();

  private final KernelCompiler compiler;
  private final CubinCache cache;
  private final String architecture;

  /**
   * @param architecture for example {@code sm_90a}
   */
  KernelBuilder(KernelCompiler compiler, CubinCache cache, String architecture) {
    this.compiler = compiler;
    this.cache = cache;
    this.architecture = architecture;
  }

  /** Name for the compiler; from 9.0 on with the features that only that architecture has. */
  static String architecture(int major, int minor) {
    return "sm_" + (10 * major + minor) + (major >= 9 ? "a" : "");
  }

  /** Machine code of {@code source} with the given macros, such as {@code -DBF16=1}. */
  byte[] build(KernelSource source, String... defines) {
    List<String> options = new ArrayList<>();
    options.add("--gpu-architecture=" + architecture);
    options.add("--std=c++17");
    if (Boolean.getBoolean("hydrahead.kernels.lines")) {
      options.add("--generate-line-info"); // for compute-sanitizer and profilers
    }
    options.addAll(List.of(defines));
    String key = source.key(options, compiler.version());
    ReentrantLock turn = TURNS.computeIfAbsent(key, _ -> new ReentrantLock());
    turn.lock();
    try {
      return cache.read(key).orElseGet(() -> compile(key, source, options, defines));
    } finally {
      turn.unlock();
    }
  }

  private byte[] compile(String key, KernelSource source, List<String> options, String[] defines) {
    long from = System.nanoTime();
    byte[] code = compiler.compile(source, options);
    LOG.log(
        Level.DEBUG,
        "compiled {0} {1} in {2} ms",
        source.name(),
        String.join(" ", defines),
        (System.nanoTime() - from) / 1_000_000);
    cache.write(key, code);
    return code;
  }
}
