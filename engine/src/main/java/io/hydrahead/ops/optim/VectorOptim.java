package io.hydrahead.ops.optim;

import static io.hydrahead.ops.VectorRows.L;
import static io.hydrahead.ops.VectorRows.load;
import static io.hydrahead.ops.VectorRows.store;
import static io.hydrahead.tensor.NativeMemory.ALL;

import io.hydrahead.ops.VectorMath;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The whole vectors of {@link CpuOptim}. */
final class VectorOptim {
  private static final VectorSpecies<Double> D =
      VectorSpecies.of(double.class, VectorMath.S.vectorShape());
  private static final VectorSpecies<Float> HALF =
      VectorSpecies.of(float.class, VectorShape.forBitSize(VectorMath.S.vectorBitSize() / 2));

  private VectorOptim() {}

  static void adamW(
      long param, long grad, long mean, long square, CpuOptim.AdamStep s, long count) {
    long whole = 4 * (count & -L);
    FloatVector gradScale = FloatVector.broadcast(VectorMath.S, s.gradScale);
    FloatVector beta1 = FloatVector.broadcast(VectorMath.S, s.beta1);
    FloatVector beta2 = FloatVector.broadcast(VectorMath.S, s.beta2);
    FloatVector rest1 = FloatVector.broadcast(VectorMath.S, s.rest1);
    FloatVector rest2 = FloatVector.broadcast(VectorMath.S, s.rest2);
    FloatVector decay = FloatVector.broadcast(VectorMath.S, s.decay);
    FloatVector rate = FloatVector.broadcast(VectorMath.S, -s.rate);
    FloatVector root = FloatVector.broadcast(VectorMath.S, s.root);
    FloatVector eps = FloatVector.broadcast(VectorMath.S, s.eps);
    for (long i = 0; i < whole; i += 4 * L) {
      FloatVector g = load(grad + i).mul(gradScale);
      FloatVector first = g.fma(rest1, load(mean + i).mul(beta1));
      FloatVector second = g.mul(rest2).fma(g, load(square + i).mul(beta2));
      FloatVector update = first.div(second.sqrt().fma(root, eps));
      store(first, mean + i);
      store(second, square + i);
      store(update.fma(rate, load(param + i).mul(decay)), param + i);
    }
  }

  static double sumOfSquares(long x, long count) {
    long whole = 4 * (count & -L);
    DoubleVector s0 = DoubleVector.zero(D);
    DoubleVector s1 = s0;
    for (long i = 0; i < whole; i += 4 * L) {
      DoubleVector low = doubles(x + i);
      DoubleVector high = doubles(x + i + 2 * L);
      s0 = low.fma(low, s0);
      s1 = high.fma(high, s1);
    }
    DoubleVector s = s0.add(s1);
    double sum = 0;
    for (int lane = 0; lane < D.length(); lane++) {
      sum += s.lane(lane);
    }
    return sum;
  }

  private static DoubleVector doubles(long address) {
    FloatVector v = FloatVector.fromMemorySegment(HALF, ALL, address, ByteOrder.LITTLE_ENDIAN);
    return (DoubleVector) v.convertShape(VectorOperators.F2D, D, 0);
  }
}
