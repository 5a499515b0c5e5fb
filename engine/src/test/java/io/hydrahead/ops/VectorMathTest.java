package io.hydrahead.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.function.DoubleUnaryOperator;
import java.util.function.UnaryOperator;
import jdk.incubator.vector.FloatVector;
import org.junit.jupiter.api.Test;

/** Each function against float64, densely over its range and at the edges. */
class VectorMathTest {
  private static final int LANES = VectorMath.S.length();
  private static final double TOLERANCE = 2e-7;

  @Test
  void exp() {
    assertClose(VectorMath::exp, Math::exp, -86.98, 88.7, 20_000);
    assertClose(VectorMath::exp, Math::exp, -1e-3, 1e-3, 2_000);
    assertThat(at(VectorMath::exp, 0f)).isEqualTo(1f);
    assertThat(at(VectorMath::exp, -1000f)).isZero();
    assertThat(at(VectorMath::exp, Float.NEGATIVE_INFINITY)).isZero();
    assertThat(at(VectorMath::exp, 89f)).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(at(VectorMath::exp, Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(at(VectorMath::exp, Float.NaN)).isNaN();
  }

  @Test
  void sigmoid() {
    assertClose(VectorMath::sigmoid, x -> 1 / (1 + Math.exp(-x)), -87, 87, 20_000);
    assertThat(at(VectorMath::sigmoid, 1000f)).isEqualTo(1f);
    assertThat(at(VectorMath::sigmoid, -1000f)).isZero();
    assertThat(at(VectorMath::sigmoid, Float.NaN)).isNaN();
  }

  @Test
  void softplus() {
    DoubleUnaryOperator exact = x -> Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
    assertClose(VectorMath::softplus, exact, -86, 100, 20_000);
    assertClose(VectorMath::softplus, exact, -20, -10, 5_000);
    assertThat(at(VectorMath::softplus, -1000f)).isZero();
    assertThat(at(VectorMath::softplus, 1e30f)).isEqualTo(1e30f);
    assertThat(at(VectorMath::softplus, Float.NaN)).isNaN();
  }

  @Test
  void log() {
    assertClose(VectorMath::log, Math::log, 1e-3, 4, 20_000);
    assertClose(VectorMath::log, Math::log, 0.999, 1.001, 5_000);
    assertClose(VectorMath::log, Math::log, 4, 1e30, 5_000);
    assertClose(VectorMath::log, Math::log, Float.MIN_NORMAL, 1e-30, 5_000);
    assertThat(at(VectorMath::log, 1f)).isZero();
    assertThat(at(VectorMath::log, 0f)).isEqualTo(Float.NEGATIVE_INFINITY);
    assertThat(at(VectorMath::log, Float.POSITIVE_INFINITY)).isEqualTo(Float.POSITIVE_INFINITY);
    assertThat(at(VectorMath::log, -1f)).isNaN();
    assertThat(at(VectorMath::log, Float.NaN)).isNaN();
  }

  @Test
  void log1p() {
    assertClose(VectorMath::log1p, Math::log1p, 0, 1, 20_000);
    assertClose(VectorMath::log1p, Math::log1p, 0, 1e-6, 5_000);
  }

  @Test
  void sumIsTheSumOfTheLanes() {
    float[] lanes = new float[LANES];
    double expected = 0;
    for (int i = 0; i < LANES; i++) {
      lanes[i] = (float) Math.sin(i + 1);
      expected += lanes[i];
    }
    float sum = VectorMath.sum(FloatVector.fromArray(VectorMath.S, lanes, 0));
    assertThat((double) sum).isCloseTo(expected, within(1e-6));
  }

  private static float at(UnaryOperator<FloatVector> f, float x) {
    return f.apply(FloatVector.broadcast(VectorMath.S, x)).lane(LANES - 1);
  }

  private static void assertClose(
      UnaryOperator<FloatVector> f, DoubleUnaryOperator exact, double from, double to, int points) {
    float[] x = new float[LANES];
    for (int i = 0; i < points; i += LANES) {
      for (int j = 0; j < LANES; j++) {
        x[j] = (float) (from + (to - from) * (i + j) / (points + LANES));
      }
      FloatVector y = f.apply(FloatVector.fromArray(VectorMath.S, x, 0));
      for (int j = 0; j < LANES; j++) {
        double expected = exact.applyAsDouble(x[j]);
        double error = Math.abs(y.lane(j) - expected);
        assertThat(error)
            .as("at %s: %s", x[j], y.lane(j))
            .isLessThanOrEqualTo(TOLERANCE * Math.abs(expected));
      }
    }
  }
}
