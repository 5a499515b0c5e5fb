package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.model.Sampler.Settings;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.api.Test;

class SamplerTest {
  private static final Tensor LOGITS =
      Tensor.of(new float[] {0f, 3f, (float) Math.log(2), 3f, -50f, Float.NaN}, 6);

  private static int[] histogram(Settings s, Tensor logits, int draws) {
    Sampler sampler = new Sampler(s);
    int[] count = new int[logits.size(0)];
    for (int i = 0; i < draws; i++) {
      count[sampler.next(logits)]++;
    }
    return count;
  }

  @Test
  void greedyTakesTheLargestAndTheSmallerIdOfEquals() {
    assertThat(new Sampler(Settings.GREEDY).next(LOGITS)).isEqualTo(1);
  }

  @Test
  void drawsInProportionToTheSoftmax() {
    Tensor t = Tensor.of(new float[] {0f, (float) Math.log(2), (float) Math.log(5)}, 3);
    int[] count = histogram(new Settings(1, 0, 1, 42), t, 80_000);
    assertThat(count[0]).isBetween(9_600, 10_400);
    assertThat(count[1]).isBetween(19_500, 20_500);
    assertThat(count[2]).isBetween(49_400, 50_600);
    int[] hot = histogram(new Settings(2, 0, 1, 42), t, 80_000); // √1 : √2 : √5
    assertThat(hot[0]).isBetween(16_600, 17_900);
  }

  @Test
  void topKAndTopPCutTheTail() {
    int[] two = histogram(new Settings(5, 2, 1, 1), LOGITS, 2_000);
    assertThat(two[1] + two[3]).isEqualTo(2_000);
    assertThat(two[1]).isGreaterThan(800);
    Tensor t = Tensor.of(new float[] {0f, (float) Math.log(2), (float) Math.log(5)}, 3);
    int[] nucleus = histogram(new Settings(1, 0, 0.6, 1), t, 2_000); // 5/8 alone is enough
    assertThat(nucleus[2]).isEqualTo(2_000);
    int[] wider = histogram(new Settings(1, 0, 0.7, 1), t, 2_000);
    assertThat(wider[0]).isZero();
    assertThat(wider[1]).isGreaterThan(400);
  }

  @Test
  void neverDrawsNaNAndRepeatsWithItsSeed() {
    assertThat(histogram(new Settings(10, 0, 1, 3), LOGITS, 3_000)[5]).isZero();
    assertThat(histogram(new Settings(1, 3, 0.9, 9), LOGITS, 500))
        .isEqualTo(histogram(new Settings(1, 3, 0.9, 9), LOGITS, 500));
  }

  @Test
  void refusesWhatMakesNoSense() {
    assertThatThrownBy(() -> new Settings(-1, 0, 1, 0)).isInstanceOf(InputException.class);
    assertThatThrownBy(() -> new Settings(1, 0, 0, 0)).isInstanceOf(InputException.class);
    assertThatThrownBy(() -> new Settings(Double.NaN, 0, 1, 0)).isInstanceOf(InputException.class);
    Tensor nothing = Tensor.of(new float[] {Float.NaN, Float.NEGATIVE_INFINITY}, 2);
    assertThatThrownBy(() -> new Sampler(Settings.GREEDY).next(nothing))
        .isInstanceOf(IllegalStateException.class);
  }
}
