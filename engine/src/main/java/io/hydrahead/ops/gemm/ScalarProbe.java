package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

/** Inner loops of {@link Ceilings} without the Vector API. */
final class ScalarProbe implements Ceilings.Probe {
  @Override
  public double flopsPerStep() {
    return 16;
  }

  @Override
  public double fma(int steps) {
    float x = 0.999f;
    float a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8;
    for (int i = 0; i < steps; i++) {
      a = a * x + x;
      b = b * x + x;
      c = c * x + x;
      d = d * x + x;
      e = e * x + x;
      f = f * x + x;
      g = g * x + x;
      h = h * x + x;
    }
    return a + b + c + d + e + f + g + h;
  }

  @Override
  public int sequential(long address, long bytes) {
    return read(address, bytes, 32, 8);
  }

  @Override
  public int fourStreams(long address, long bytes) {
    return read(address, bytes / 4, 8, bytes / 4);
  }

  private static int read(long address, long bytes, long step, long apart) {
    long a = 0, b = 0, c = 0, d = 0;
    for (long at = address; at < address + bytes; at += step) {
      a ^= ALL.get(JAVA_LONG_UNALIGNED, at);
      b ^= ALL.get(JAVA_LONG_UNALIGNED, at + apart);
      c ^= ALL.get(JAVA_LONG_UNALIGNED, at + 2 * apart);
      d ^= ALL.get(JAVA_LONG_UNALIGNED, at + 3 * apart);
    }
    return Long.hashCode(a ^ b ^ c ^ d);
  }
}
