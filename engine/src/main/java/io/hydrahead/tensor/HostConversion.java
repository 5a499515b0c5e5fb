package io.hydrahead.tensor;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;

import java.lang.foreign.MemorySegment;

/**
 * Converts dense stretches of float types on the processor, in loops that know both types: widening
 * a billion parameters takes less than a second, and took five one by one.
 */
final class HostConversion {
  /** Elements a loop: an int counts them, as loops over longs are compiled for less. */
  private static final int PIECE = 1 << 20;

  private HostConversion() {}

  /** False, and nothing done, where one by one is all there is: other types, strided tensors. */
  static boolean convert(Tensor from, Tensor to) {
    if (!from.contiguous() || !to.contiguous()) {
      return false;
    }
    boolean widens = to.dtype() == DType.F32 && half(from.dtype());
    boolean narrows = from.dtype() == DType.F32 && half(to.dtype());
    if (!widens && !narrows) {
      return false;
    }
    for (long at = 0; at < to.size(); at += PIECE) {
      int n = (int) Math.min(PIECE, to.size() - at);
      MemorySegment source = piece(from, at, n);
      MemorySegment target = piece(to, at, n);
      if (from.dtype() == DType.BF16) {
        widenBf16(source, target, n);
      } else if (from.dtype() == DType.F16) {
        widenF16(source, target, n);
      } else if (to.dtype() == DType.BF16) {
        narrowBf16(source, target, n);
      } else {
        narrowF16(source, target, n);
      }
    }
    return true;
  }

  private static boolean half(DType t) {
    return t == DType.BF16 || t == DType.F16;
  }

  private static MemorySegment piece(Tensor t, long at, int n) {
    int bytes = t.dtype().bytes();
    return t.segment().asSlice(at * bytes, (long) n * bytes);
  }

  private static void widenBf16(MemorySegment from, MemorySegment to, int n) {
    for (int i = 0; i < n; i++) {
      float v = Float.intBitsToFloat(from.get(JAVA_SHORT_UNALIGNED, 2L * i) << 16);
      to.set(JAVA_FLOAT_UNALIGNED, 4L * i, v);
    }
  }

  private static void widenF16(MemorySegment from, MemorySegment to, int n) {
    for (int i = 0; i < n; i++) {
      float v = Float.float16ToFloat(from.get(JAVA_SHORT_UNALIGNED, 2L * i));
      to.set(JAVA_FLOAT_UNALIGNED, 4L * i, v);
    }
  }

  private static void narrowBf16(MemorySegment from, MemorySegment to, int n) {
    for (int i = 0; i < n; i++) {
      short v = DType.BF16.narrow(from.get(JAVA_FLOAT_UNALIGNED, 4L * i));
      to.set(JAVA_SHORT_UNALIGNED, 2L * i, v);
    }
  }

  private static void narrowF16(MemorySegment from, MemorySegment to, int n) {
    for (int i = 0; i < n; i++) {
      short v = Float.floatToFloat16(from.get(JAVA_FLOAT_UNALIGNED, 4L * i));
      to.set(JAVA_SHORT_UNALIGNED, 2L * i, v);
    }
  }
}
