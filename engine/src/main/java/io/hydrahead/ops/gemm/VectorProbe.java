package io.hydrahead.ops.gemm;

import static io.hydrahead.tensor.NativeMemory.ALL;

import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/** Inner loops of {@link Ceilings} with the Vector API. */
final class VectorProbe implements Ceilings.Probe {
  private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Integer> I = IntVector.SPECIES_PREFERRED;
  private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
  private static final int RUN = 4096;
  private static final int W = I.vectorByteSize();

  @Override
  public double flopsPerStep() {
    return 10.0 * 2 * S.length();
  }

  @Override
  public double fma(int steps) {
    FloatVector x = FloatVector.broadcast(S, 0.999f);
    FloatVector a = x;
    FloatVector b = x;
    FloatVector c = x;
    FloatVector d = x;
    FloatVector e = x;
    FloatVector f = x;
    FloatVector g = x;
    FloatVector h = x;
    FloatVector p = x;
    FloatVector q = x;
    for (int i = 0; i < steps; i++) {
      a = a.fma(x, x);
      b = b.fma(x, x);
      c = c.fma(x, x);
      d = d.fma(x, x);
      e = e.fma(x, x);
      f = f.fma(x, x);
      g = g.fma(x, x);
      h = h.fma(x, x);
      p = p.fma(x, x);
      q = q.fma(x, x);
    }
    return a.add(b).add(c).add(d).add(e).add(f).add(g).add(h).add(p).add(q).lane(0);
  }

  @Override
  public int sequential(long address, long bytes) {
    IntVector a = IntVector.zero(I);
    IntVector b = a;
    IntVector c = a;
    IntVector d = a;
    for (long at = address; at < address + bytes; at += RUN) {
      for (int i = 0; i < RUN; i += 4 * W) { // an int: loops over longs are not unrolled
        a = a.or(IntVector.fromMemorySegment(I, ALL, at + i, LE));
        b = b.or(IntVector.fromMemorySegment(I, ALL, at + i + W, LE));
        c = c.or(IntVector.fromMemorySegment(I, ALL, at + i + 2 * W, LE));
        d = d.or(IntVector.fromMemorySegment(I, ALL, at + i + 3 * W, LE));
      }
    }
    return a.or(b).or(c.or(d)).lane(0);
  }

  @Override
  public int fourStreams(long address, long bytes) {
    IntVector a = IntVector.zero(I);
    IntVector b = a;
    IntVector c = a;
    IntVector d = a;
    long quarter = bytes / 4;
    for (long at = address; at < address + quarter; at += RUN) {
      for (int i = 0; i < RUN; i += W) { // an int: loops over longs are not unrolled
        a = a.or(IntVector.fromMemorySegment(I, ALL, at + i, LE));
        b = b.or(IntVector.fromMemorySegment(I, ALL, at + i + quarter, LE));
        c = c.or(IntVector.fromMemorySegment(I, ALL, at + i + 2 * quarter, LE));
        d = d.or(IntVector.fromMemorySegment(I, ALL, at + i + 3 * quarter, LE));
      }
    }
    return a.or(b).or(c.or(d)).lane(0);
  }
}
