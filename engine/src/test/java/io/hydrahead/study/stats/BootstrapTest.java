package io.hydrahead.study.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Bootstrap.Part;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class BootstrapTest {
  private static Map<Integer, List<Part>> of(double[]... seeds) {
    Map<Integer, List<Part>> out = new java.util.TreeMap<>();
    for (int s = 0; s < seeds.length; s++) {
      out.put(s, List.of(new Part(1, seeds[s])));
    }
    return out;
  }

  private static double[] coin(Random random, int n, double p) {
    double[] out = new double[n];
    Arrays.setAll(out, i -> random.nextDouble() < p ? 1 : 0);
    return out;
  }

  @Test
  void intervalsCoverTheTrueMeanAboutAsOftenAsTheySay() {
    Random random = new Random(7);
    int covered = 0;
    int rounds = 400;
    for (int r = 0; r < rounds; r++) {
      Estimate e =
          new Bootstrap(400, r)
              .mean(of(coin(random, 50, 0.7), coin(random, 50, 0.9), coin(random, 50, 0.8)));
      covered += e.low() <= 0.8 && 0.8 <= e.high() ? 1 : 0;
    }
    assertThat(covered / (double) rounds).isBetween(0.91, 0.98);
  }

  @Test
  void intervalOfAMeanIsThatOfTheNormalDistribution() {
    Random random = new Random(3);
    double[] x = random.doubles(400, 0, 1).toArray();
    double mean = Arrays.stream(x).average().orElseThrow();
    double sd = Math.sqrt(Arrays.stream(x).map(v -> (v - mean) * (v - mean)).sum() / 400);
    Estimate e = new Bootstrap(20_000, 1).mean(of(x));
    assertThat(e.value()).isCloseTo(mean, within(1e-12));
    assertThat(e.low()).isCloseTo(mean - 1.96 * sd / 20, within(0.001));
    assertThat(e.high()).isCloseTo(mean + 1.96 * sd / 20, within(0.001));
    assertThat(e.haystacks()).isEqualTo(400);
    assertThat(e.pAtMost(mean)).isCloseTo(0.5, within(0.02));
    assertThat(e.pAtMost(mean - 1.645 * sd / 20)).isCloseTo(0.05, within(0.01));
  }

  @Test
  void pIsUniformWhereThereIsNoDifference() {
    Random random = new Random(11);
    int rejected = 0;
    for (int r = 0; r < 400; r++) {
      double[] d = new double[60];
      Arrays.setAll(d, i -> random.nextInt(3) - 1);
      rejected += new Bootstrap(500, r).mean(of(d)).pAtMost(0) <= 0.1 ? 1 : 0;
    }
    assertThat(rejected / 400.0).isBetween(0.06, 0.15);
  }

  @Test
  void pairsSeeWhatUnpairedCellsDoNot() {
    Random random = new Random(5);
    double[] hard = random.doubles(50, 0, 1).toArray();
    double[] better = Arrays.stream(hard).map(v -> Math.min(1, v + 0.05)).toArray();
    double[] difference = new double[50];
    Arrays.setAll(difference, i -> better[i] - hard[i]);
    Bootstrap b = new Bootstrap(2000, 1);
    Estimate paired = b.mean(of(difference));
    Estimate unpaired = b.mean(Map.of(0, List.of(new Part(1, better), new Part(-1, hard))));
    assertThat(paired.value()).isCloseTo(unpaired.value(), within(1e-12));
    assertThat(paired.low()).isPositive();
    assertThat(unpaired.low()).isNegative();
    assertThat(unpaired.haystacks()).isEqualTo(50);
  }

  @Test
  void ratiosAndTheirSeeds() {
    double[] ones = new double[40];
    Arrays.fill(ones, 1);
    double[] most = ones.clone();
    most[0] = 0;
    most[1] = 0;
    Estimate e = new Bootstrap(2000, 1).ratio(of(most, ones), of(ones, ones));
    assertThat(e.value()).isCloseTo(0.975, within(1e-12));
    assertThat(e.bySeed()).containsEntry(0, 0.95).containsEntry(1, 1.0);
    assertThat(e.low()).isBetween(0.93, 0.97);
    assertThat(e.high()).isEqualTo(1);
    Estimate nothing = new Bootstrap(100, 1).ratio(of(most), of(new double[40]));
    assertThat(nothing.low() >= 0.95 && nothing.low() < 1).isFalse();
  }

  @Test
  void sameSeedSameInterval() {
    double[] x = new Random(1).doubles(30).toArray();
    Estimate a = new Bootstrap(500, 9).mean(of(x));
    assertThat(new Bootstrap(500, 9).mean(of(x)).draws()).isEqualTo(a.draws());
    assertThat(new Bootstrap(500, 10).mean(of(x)).low()).isNotEqualTo(a.low());
    assertThatThrownBy(() -> new Bootstrap(10, 1).mean(Map.of()))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void holmsExample() {
    // Four tests, as worked through in textbooks: 4·0.005, 3·0.01, 2·0.03, then 0.04 raised to it.
    assertThat(Holm.adjust(new double[] {0.01, 0.04, 0.03, 0.005}))
        .containsExactly(new double[] {0.03, 0.06, 0.06, 0.02}, within(1e-12));
    assertThat(Holm.adjust(new double[] {0.6, 0.9})).containsExactly(1, 1);
    assertThat(Holm.adjust(new double[0])).isEmpty();
  }
}
