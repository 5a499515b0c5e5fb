package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TrendTest {
  private static double[] times(int n) {
    return IntStream.range(0, n).mapToDouble(i -> 10.0 * i).toArray();
  }

  @Test
  void aLineIsFoundWhateverSomePointsDo() {
    double[] t = times(90);
    double[] v = Arrays.stream(t).map(x -> 5 + 0.25 * x).toArray();
    for (int i = 0; i < 90; i += 9) {
      v[i] = 1e6;
    }
    Trend trend = Trend.of(t, v);
    assertThat(trend.slope()).isCloseTo(0.25, within(1e-9));
    assertThat(trend.low()).isLessThanOrEqualTo(trend.slope()).isPositive();
    assertThat(trend.high()).isGreaterThanOrEqualTo(trend.slope());
  }

  /** Of series without a trend about one in 40 seems to rise, of those with one all do. */
  @Test
  void theIntervalHoldsWhatItPromises() {
    Random random = new Random(3);
    int rising = 0;
    int covered = 0;
    for (int round = 0; round < 400; round++) {
      double[] t = times(60);
      double[] noise = Arrays.stream(t).map(x -> 100 + random.nextGaussian()).toArray();
      rising += Trend.of(t, noise).low() > 0 ? 1 : 0;
      double[] grows = new double[60];
      Arrays.setAll(grows, i -> noise[i] + 0.02 * t[i]);
      Trend trend = Trend.of(t, grows);
      assertThat(trend.low()).isPositive();
      covered += trend.low() <= 0.02 && 0.02 <= trend.high() ? 1 : 0;
    }
    assertThat(rising).isBetween(1, 24);
    assertThat(covered).isBetween(365, 396);
  }

  @Test
  void equalValuesAndManyPoints() {
    double[] t = times(5000);
    Trend flat = Trend.of(t, new double[5000]);
    assertThat(flat).isEqualTo(new Trend(0, 0, 0, 0));
    assertThat(flat.relative()).isZero();
    Trend line = Trend.of(t, t);
    assertThat(line.slope()).isCloseTo(1, within(1e-12));
    assertThat(Trend.of(new double[] {0, 1}, new double[] {3, 5}).slope()).isEqualTo(2);
    assertThatThrownBy(() -> Trend.of(new double[] {1}, new double[] {1}))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
