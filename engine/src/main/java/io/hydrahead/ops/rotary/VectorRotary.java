package io.hydrahead.ops.rotary;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;

import io.hydrahead.ops.VectorMath;
import jdk.incubator.vector.FloatVector;

/** The whole vectors of one head in {@link CpuRotary}. */
final class VectorRotary {
  private VectorRotary() {}

  static void rotate(long head, long cos, long sin, int half, float sign) {
    long whole = 4L * (half & -L);
    long other = head + 4L * half;
    FloatVector direction = FloatVector.broadcast(VectorMath.S, sign);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector c = load(cos + i);
      FloatVector s = load(sin + i).mul(direction);
      FloatVector first = load(head + i);
      FloatVector second = load(other + i);
      store(first.mul(c).sub(second.mul(s)), head + i);
      store(second.mul(c).add(first.mul(s)), other + i);
    }
  }
}
