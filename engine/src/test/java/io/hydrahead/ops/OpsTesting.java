package io.hydrahead.ops;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;

/** What the contract tests of the rooms share: seeded tensors, comparisons, finite differences. */
public final class OpsTesting {
  private static final int[] ROWS = {1, 13, 207};
  private static final int[] WIDTHS = {1, 5, 16, 33, 384, 4098};

  private OpsTesting() {}

  /** A check of one matrix size. */
  @FunctionalInterface
  public interface MatrixCheck {
    void check(int rows, int width);
  }

  /** Awkward numbers of rows times awkward row lengths, without the largest product. */
  public static void onEverySize(MatrixCheck check) {
    for (int rows : ROWS) {
      for (int width : WIDTHS) {
        if (rows * width <= 100_000) {
          check.check(rows, width);
        }
      }
    }
  }

  /** A normally distributed tensor. */
  public static Tensor random(Random random, double scale, long... shape) {
    float[] values = new float[Math.toIntExact(count(shape))];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (scale * random.nextGaussian());
    }
    return Tensor.of(values, shape);
  }

  /** Fresh memory as the tests' poison leaves it. */
  public static Tensor nan(long... shape) {
    Tensor t = Tensor.of(new float[Math.toIntExact(count(shape))], shape);
    t.fill(Float.NaN);
    return t;
  }

  public static Tensor zeros(long... shape) {
    return Tensor.of(new float[Math.toIntExact(count(shape))], shape);
  }

  /** An I32 tensor. */
  public static Tensor integers(int... values) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.I32, values.length);
    t.copyFrom(values, 0, values.length);
    return t;
  }

  public static Tensor copy(Tensor t) {
    return Tensor.of(t.toFloats(), t.shape());
  }

  private static long count(long... shape) {
    long n = 1;
    for (long s : shape) {
      n *= s;
    }
    return n;
  }

  /** Runs the same check on teams of one, two and three threads. */
  public static void onEveryTeam(Consumer<ComputePool> check) {
    for (int threads = 1; threads <= 3; threads++) {
      try (ComputePool pool = new ComputePool(threads)) {
        check.accept(pool);
      }
    }
  }

  /** ‖actual − expected‖ ≤ tolerance · ‖expected‖, and no NaN. */
  public static void assertClose(String what, Tensor actual, Tensor expected, double tolerance) {
    double difference = 0;
    double norm = 0;
    for (long i = 0; i < expected.size(); i++) {
      double d = (double) actual.get(i) - expected.get(i);
      difference += d * d;
      norm += (double) expected.get(i) * expected.get(i);
    }
    assertThat(Math.sqrt(difference))
        .as("%s: distance of %s from %s", what, actual, Math.sqrt(norm))
        .isLessThanOrEqualTo(tolerance * Math.sqrt(norm) + 1e-30);
  }

  public static void assertSameBits(String what, Tensor actual, Tensor expected) {
    assertThat(actual.segment().mismatch(expected.segment()))
        .as("%s: first byte that differs", what)
        .isEqualTo(-1);
  }

  /**
   * Compares {@code gradient} with central differences of {@code loss}, which reads {@code x}, at
   * up to 40 elements.
   */
  public static void assertGradient(
      String what, Tensor x, Tensor gradient, DoubleSupplier loss, double tolerance) {
    long step = Math.max(1, x.size() / 40);
    for (long i = 0; i < x.size(); i += step) {
      float old = x.get(i);
      x.set(i, old + 0.01f);
      double above = loss.getAsDouble();
      double width = x.get(i);
      x.set(i, old - 0.01f);
      double below = loss.getAsDouble();
      width -= x.get(i);
      x.set(i, old);
      double expected = (above - below) / width;
      assertThat(Math.abs(gradient.get(i) - expected))
          .as("%s[%s]: %s, by differences %s", what, i, gradient.get(i), expected)
          .isLessThanOrEqualTo(tolerance * (1 + Math.abs(expected)));
    }
  }

  /** Σ x y in float64: the scalar loss of a gradient check with upstream gradient y. */
  public static double dot(Tensor x, Tensor y) {
    double sum = 0;
    for (long i = 0; i < x.size(); i++) {
      sum += (double) x.get(i) * y.get(i);
    }
    return sum;
  }
}
