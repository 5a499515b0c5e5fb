package io.hydrahead.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.train.Schedule.Kind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ScheduleTest {
  private static Schedule of(Kind kind, int warmup) {
    return new Schedule(kind, 1e-3, 1e-5, warmup, 0.2);
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void warmsUpInAStraightLine(Kind kind) {
    Schedule s = of(kind, 10);
    for (int step = 1; step <= 10; step++) {
      assertThat(s.at(step, 100)).isCloseTo(1e-3 * step / 10, within(1e-12));
    }
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void neverRisesAgainAndEndsWhereItSays(Kind kind) {
    Schedule s = of(kind, 5);
    for (int step = 6; step < 100; step++) {
      assertThat(s.at(step + 1, 100)).isLessThanOrEqualTo(s.at(step, 100));
    }
    assertThat(s.at(100, 100)).isCloseTo(kind == Kind.CONSTANT ? 1e-3 : 1e-5, within(1e-12));
  }

  @Test
  void cosineIsHalfwayInTheMiddle() {
    assertThat(of(Kind.COSINE, 0).at(50, 100)).isCloseTo((1e-3 + 1e-5) / 2, within(1e-12));
  }

  @Test
  void wsdStaysAtThePeakUntilTheDecay() {
    assertThat(of(Kind.WSD, 5).at(80, 100)).isEqualTo(1e-3);
    assertThat(of(Kind.WSD, 5).at(90, 100)).isCloseTo((1e-3 + 1e-5) / 2, within(1e-12));
  }

  @ParameterizedTest
  @EnumSource(Kind.class)
  void isFiniteInRunsShorterThanTheWarmUp(Kind kind) {
    for (int steps = 1; steps < 5; steps++) {
      for (int step = 1; step <= steps; step++) {
        assertThat(of(kind, 4).at(step, steps)).isBetween(1e-9, 1e-3);
        assertThat(of(kind, 0).at(step, steps)).isBetween(1e-9, 1e-3);
      }
    }
  }
}
