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
  private static final long W = I.vectorByteSize();

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
  public int read(long address, long bytes) {
    IntVector a = IntVector.zero(I);
    IntVector b = a;
    IntVector c = a;
    IntVector d = a;
    for (long at = address; at < address + bytes; at += 4 * W) {
      a = a.or(IntVector.fromMemorySegment(I, ALL, at, LE));
      b = b.or(IntVector.fromMemorySegment(I, ALL, at + W, LE));
      c = c.or(IntVector.fromMemorySegment(I, ALL, at + 2 * W, LE));
      d = d.or(IntVector.fromMemorySegment(I, ALL, at + 3 * W, LE));
    }
    return a.or(b).or(c.or(d)).lane(0);
  }
}
