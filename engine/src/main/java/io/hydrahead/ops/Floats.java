package io.hydrahead.ops;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** Float32 elements by address, for kernels that have checked their tensors. */
public final class Floats {
  private Floats() {}

  /**
   * Address of a tensor's first element, which must be dense float32 in the host's memory; 0 for
   * null.
   */
  public static long address(Tensor t) {
    if (t == null) {
      return 0;
    }
    if (t.dtype() != DType.F32) {
      throw notFloats(t);
    }
    return t.hostAddress();
  }

  private static IllegalArgumentException notFloats(Tensor t) {
    return new IllegalArgumentException("operations of the processor take float32, not " + t);
  }

  public static float get(long address) {
    return ALL.get(JAVA_FLOAT_UNALIGNED, address);
  }

  public static void set(long address, float value) {
    ALL.set(JAVA_FLOAT_UNALIGNED, address, value);
  }

  public static void add(long address, float value) {
    set(address, get(address) + value);
  }

  /** Address of the float32 values of {@code w}: its own, or a copy in {@code scratch}. */
  public static long widened(Tensor w, Scratch scratch) {
    if (w.dtype() == DType.F32) {
      return address(w);
    }
    long to = scratch.floats(w.size());
    for (long i = 0; i < w.size(); i++) {
      set(to + 4 * i, w.get(i));
    }
    return to;
  }
}
