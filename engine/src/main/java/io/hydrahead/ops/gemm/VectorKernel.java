package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** What the vector kernels share: copying rows and adding a finished tile to C. */
abstract class VectorKernel implements MicroKernel {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

  @Override
  public void copy(long from, long fromStride, int count, long to) {
    int columns = columns();
    for (int p = 0; p < count; p++) {
      for (int j = 0; j < columns; j += S.length()) {
        FloatVector.fromMemorySegment(S, ALL, from + 4L * j, LE)
            .intoMemorySegment(ALL, to + 4L * j, LE);
      }
      from += fromStride;
      to += 4L * columns;
    }
  }

  @Override
  public void merge(long tile, int rows, int columns, float alpha, float beta, long c, long cRow) {
    int whole = columns / S.length() * S.length();
    for (int i = 0; i < rows; i++) {
      if (beta == 0f) {
        for (int j = 0; j < whole; j += S.length()) {
          FloatVector.fromMemorySegment(S, ALL, tile + 4L * j, LE)
              .mul(alpha)
              .intoMemorySegment(ALL, c + 4L * j, LE);
        }
      } else {
        for (int j = 0; j < whole; j += S.length()) {
          FloatVector sum = FloatVector.fromMemorySegment(S, ALL, tile + 4L * j, LE).mul(alpha);
          FloatVector.fromMemorySegment(S, ALL, c + 4L * j, LE)
              .fma(FloatVector.broadcast(S, beta), sum)
              .intoMemorySegment(ALL, c + 4L * j, LE);
        }
      }
      for (int j = whole; j < columns; j++) {
        float value = alpha * ALL.get(JAVA_FLOAT_UNALIGNED, tile + 4L * j);
        if (beta != 0f) {
          value = Math.fma(ALL.get(JAVA_FLOAT_UNALIGNED, c + 4L * j), beta, value);
        }
        ALL.set(JAVA_FLOAT_UNALIGNED, c + 4L * j, value);
      }
      tile += 4L * columns();
      c += cRow;
    }
  }
}
