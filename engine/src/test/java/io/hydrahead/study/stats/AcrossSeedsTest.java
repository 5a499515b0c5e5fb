package io.hydrahead.study.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class AcrossSeedsTest {
  @Test
  void quantilesAreThoseOfTheTables() {
    assertThat(AcrossSeeds.quantile(1)).isCloseTo(12.706, within(5e-4));
    assertThat(AcrossSeeds.quantile(2)).isCloseTo(4.303, within(5e-4));
    assertThat(AcrossSeeds.quantile(8)).isCloseTo(2.306, within(5e-4));
    assertThat(AcrossSeeds.quantile(20)).isCloseTo(2.086, within(5e-4));
    assertThat(AcrossSeeds.quantile(21)).isCloseTo(2.0796, within(1e-4));
    assertThat(AcrossSeeds.quantile(60)).isCloseTo(2.0003, within(1e-4));
    assertThat(AcrossSeeds.quantile(1_000_000)).isCloseTo(1.960, within(5e-4));
    for (int f = 2; f < 50; f++) {
      assertThat(AcrossSeeds.quantile(f)).isLessThan(AcrossSeeds.quantile(f - 1));
    }
    assertThatThrownBy(() -> AcrossSeeds.quantile(0)).hasMessageContaining("at least 1");
  }

  @Test
  void theIntervalIsTheMeanAndSoManyStandardErrorsAboutIt() {
    // Deviations -2, 0, 2: s = 2, standard error 2/√3.
    AcrossSeeds three = AcrossSeeds.of(List.of(3.0, 5.0, 7.0)).orElseThrow();
    assertThat(three.mean()).isEqualTo(5);
    assertThat(three.seeds()).isEqualTo(3);
    assertThat(three.high() - three.mean()).isCloseTo(4.303 * 2 / Math.sqrt(3), within(1e-3));
    assertThat(three.mean() - three.low()).isCloseTo(4.303 * 2 / Math.sqrt(3), within(1e-3));
    assertThat(three.holds(0.1)).isTrue();
    assertThat(three.holds(0)).isFalse();
    AcrossSeeds two = AcrossSeeds.of(List.of(0.0, 2.0)).orElseThrow();
    assertThat(two.low()).isCloseTo(1 - 12.706, within(1e-3));
    assertThat(AcrossSeeds.of(List.of(1.0))).isEmpty();
  }
}
