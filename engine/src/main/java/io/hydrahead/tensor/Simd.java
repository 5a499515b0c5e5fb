package io.hydrahead.tensor;

import java.lang.System.Logger.Level;

/**
 * Whether kernels may use the Vector API. Classes that mention {@code jdk.incubator.vector} are to
 * be loaded only when {@link #available} says so; every kernel has a scalar fallback.
 */
public final class Simd {
  private static final boolean AVAILABLE = detect();

  private Simd() {}

  /** True if the module is in the boot layer and {@code -Dhydrahead.simd=off} was not given. */
  public static boolean available() {
    return AVAILABLE;
  }

  /** Float lanes of the preferred vector shape: 16 with AVX-512, 8 with AVX2; 1 without SIMD. */
  public static int floatLanes() {
    return AVAILABLE ? Lanes.FLOAT : 1;
  }

  private static boolean detect() {
    System.Logger log = System.getLogger(Simd.class.getName());
    if (System.getProperty("hydrahead.simd", "on").equals("off")) {
      log.log(Level.INFO, "scalar kernels: -Dhydrahead.simd=off was given");
      return false;
    }
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      log.log(
          Level.WARNING,
          "scalar kernels, many times slower: start java with --add-modules jdk.incubator.vector");
      return false;
    }
    return true;
  }

  /** Loaded only when the module is there. */
  private static final class Lanes {
    static final int FLOAT = jdk.incubator.vector.FloatVector.SPECIES_PREFERRED.length();
  }
}
