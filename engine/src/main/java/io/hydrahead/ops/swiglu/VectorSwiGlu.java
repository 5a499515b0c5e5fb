package io.hydrahead.ops.swiglu;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of {@link CpuSwiGlu}. */
final class VectorSwiGlu {
  private VectorSwiGlu() {}

  static void forward(long gate, long up, long out, long count) {
    long whole = 4 * (count & -L);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector x = load(gate + i);
      store(x.mul(VectorMath.sigmoid(x)).mul(load(up + i)), out + i);
    }
  }

  static void backward(long gate, long up, long dOut, long dGate, long dUp, long count) {
    long whole = 4 * (count & -L);
    FloatVector one = FloatVector.broadcast(VectorMath.S, 1f);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector x = load(gate + i);
      FloatVector u = load(up + i);
      FloatVector d = load(dOut + i);
      FloatVector s = VectorMath.sigmoid(x);
      FloatVector activated = x.mul(s);
      FloatVector slope = activated.fma(one.sub(s), s);
      store(d.mul(u).mul(slope), dGate + i);
      store(d.mul(activated), dUp + i);
    }
  }
}
