package io.hydrahead.ops;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.management.ManagementFactory;
import java.util.Random;
import java.util.function.DoubleSupplier;

/** Random tensors and distances between tensors, for contract tests. */
public final class Samples {
  private Samples() {}

  public static Tensor normal(Random random, long... shape) {
    return filled(random::nextGaussian, shape);
  }

  public static Tensor filled(DoubleSupplier values, long... shape) {
    Tensor t = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), shape);
    for (long i = 0; i < t.size(); i++) {
      t.set(i, (float) values.getAsDouble());
    }
    return t;
  }

  /** Memory full of NaN: what nobody writes is found. */
  public static Tensor unwritten(long... shape) {
    return filled(() -> Double.NaN, shape);
  }

  public static Tensor copy(Tensor t) {
    Tensor c = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), t.dtype(), t.shape());
    c.copyFrom(t);
    return c;
  }

  /** {@code t} rounded to {@code type} and back: what a kernel of that type is given. */
  public static Tensor rounded(Tensor t, DType type) {
    if (type == DType.F32) {
      return t;
    }
    float[] values = t.toFloats();
    for (int i = 0; i < values.length; i++) {
      values[i] = type.widen(type.narrow(values[i]));
    }
    return Tensor.of(values, t.shape());
  }

  /** ‖a − b‖ / ‖b‖; NaN if either has one. The norm of b counts as at least 1e-6 an element. */
  public static double relativeL2(Tensor a, Tensor b) {
    if (a.size() != b.size()) {
      throw new IllegalArgumentException(a + " against " + b);
    }
    double error = 0;
    double norm = 0;
    for (long i = 0; i < a.size(); i++) {
      double y = b.get(i);
      error += (a.get(i) - y) * (a.get(i) - y);
      norm += y * y;
    }
    double relative = Math.sqrt(error) / Math.max(Math.sqrt(norm), 1e-6 * Math.sqrt(a.size()));
    return Double.isNaN(error) || Double.isNaN(norm) ? Double.NaN : relative;
  }

  public static double dot(Tensor a, Tensor b) {
    double sum = 0;
    for (long i = 0; i < a.size(); i++) {
      sum += (double) a.get(i) * b.get(i);
    }
    return sum;
  }

  /** Waits, while compilers are at work, for 100 calls in a row without a byte on the heap. */
  public static void assertAllocatesNothing(Runnable call) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long deadline = System.nanoTime() + 180_000_000_000L;
    int quiet = 0;
    while (quiet < 100 && System.nanoTime() < deadline) {
      long before = threads.getCurrentThreadAllocatedBytes();
      call.run();
      quiet = threads.getCurrentThreadAllocatedBytes() == before ? quiet + 1 : 0;
    }
    assertThat(quiet).as("calls in a row that allocate nothing").isEqualTo(100);
  }
}
