package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.ops.loss.LikelyTokens;
import io.hydrahead.ops.loss.ReferenceTokenLoss;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Sampling from the likeliest tokens against sampling from all. */
class LikelySamplingTest {
  private static final int V = 3000;
  private static final int DRAWS = 40_000;

  private static Tensor logits(double deviation) {
    Random random = new Random(7);
    Tensor t = Tensor.allocate(Arena.ofAuto(), 1, V);
    for (int i = 0; i < V; i++) {
      t.set(i, (float) (deviation * random.nextGaussian()));
    }
    t.set(5, Float.NaN);
    t.set(6, Float.NEGATIVE_INFINITY);
    t.set(10, t.get(20)); // equals
    return t;
  }

  private static Likely likely(Tensor logits, double temperature) {
    Arena arena = Arena.ofAuto();
    LikelyTokens room =
        new LikelyTokens(
            Tensor.allocate(logits.memory(), arena, DType.I32, 1),
            Tensor.allocate(arena, 1, 2),
            Tensor.allocate(logits.memory(), arena, DType.I32, 1, LikelyTokens.MOST),
            Tensor.allocate(arena, 1, LikelyTokens.MOST));
    Tensor t = Tensor.of(new float[] {(float) temperature}, 1);
    new ReferenceTokenLoss().likely(logits, t, room);
    return Likely.of(room, 0);
  }

  @ParameterizedTest(name = "deviation {0}, temperature {1}, k {2}, p {3}, min {4}")
  @CsvSource({
    "3, 1, 0, 1, 0, true",
    "1, 1.5, 0, 1, 0, true",
    "3, 0.7, 40, 1, 0, false",
    "3, 1, 0, 0.9, 0, false",
    "3, 1, 50, 0.8, 0.05, false",
    "3, 1, 0, 1, 0.1, false",
    "0.3, 1, 0, 0.95, 0, true",
    "3, 1, 1000, 1, 0, true"
  })
  void sameDistribution(
      double deviation, double temperature, int k, double p, double minP, boolean asksForAll) {
    Tensor logits = logits(deviation);
    Tensor row = logits.view(V);
    Likely likely = likely(logits, temperature);
    Sampler one = new Sampler(new Sampler.Settings(temperature, k, p, minP, 1));
    Sampler other = new Sampler(new Sampler.Settings(temperature, k, p, minP, 2));
    double[] wanted = new double[V];
    double[] got = new double[V];
    int[] asked = {0};
    for (int i = 0; i < DRAWS; i++) {
      wanted[one.next(row)]++;
      got[
          other.next(
              likely,
              () -> {
                asked[0]++;
                return row;
              })]++;
    }
    double distance = 0; // χ² of two samples of one distribution: about the number of outcomes
    int outcomes = 0;
    for (int i = 0; i < V; i++) {
      if (wanted[i] + got[i] > 0) {
        distance += Math.pow(wanted[i] - got[i], 2) / (wanted[i] + got[i]);
        outcomes++;
      }
    }
    assertThat(distance).isLessThan(outcomes + 5 * Math.sqrt(2.0 * outcomes) + 5);
    assertThat(asked[0] > 0).as("asked for all logits %d times", asked[0]).isEqualTo(asksForAll);
  }

  @Test
  void theLikeliestComeFirst() {
    Tensor logits = logits(3);
    Likely likely = likely(logits, 1);
    assertThat(likely.count).isBetween(256, 512);
    double sum = 0;
    for (int i = 0; i < V; i++) {
      float x = logits.get(i);
      sum += x > Float.NEGATIVE_INFINITY ? Math.exp((double) x - likely.max) : 0;
    }
    assertThat(likely.total).isCloseTo(sum, within(1e-5 * sum));
    for (int i = 0; i < likely.count; i++) {
      float x = logits.get(likely.id(i));
      assertThat(likely.weight(i, 1)).isCloseTo(Math.exp((double) x - likely.max), within(1e-9));
      assertThat(likely.has(logits.view(V), likely.id(i))).isTrue();
      int above = 0;
      for (int j = 0; j < V; j++) {
        above += logits.get(j) > x ? 1 : 0;
      }
      assertThat(above).isLessThanOrEqualTo(i);
    }
    assertThat(likely.has(logits.view(V), 5)).isFalse();
  }

  @Test
  void equalLogitsAreTooMany() {
    Tensor same = Tensor.allocate(Arena.ofAuto(), 1, V);
    same.fill(2f);
    assertThat(likely(same, 1)).isNull();
    Sampler s = new Sampler(new Sampler.Settings(1, 0, 1, 1));
    assertThat(s.next(null, () -> same.view(V))).isBetween(0, V - 1);
    same.fill(Float.NaN);
    assertThat(likely(same, 1)).isNull();
  }
}
