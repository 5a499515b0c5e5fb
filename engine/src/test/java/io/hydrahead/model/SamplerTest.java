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
  void topPCountsWhatTopKHasLeft() {
    // 8 : 4 : 2 : 1, of which top-k leaves 8 : 4; three quarters of that are not reached by 8/12.
    float[] logits = {0f, (float) Math.log(2), (float) Math.log(8), (float) Math.log(4)};
    int[] both = histogram(new Settings(1, 2, 0.75, 4), Tensor.of(logits, 4), 3_000);
    assertThat(both[0] + both[1]).isZero();
    assertThat(both[3]).isBetween(900, 1_100);
    int[] one = histogram(new Settings(1, 2, 0.66, 4), Tensor.of(logits, 4), 3_000);
    assertThat(one[2]).isEqualTo(3_000);
  }

  @Test
  void minPCutsWhatIsUnlikelyBesideTheBest() {
    float[] logits = {0f, (float) Math.log(2), (float) Math.log(8), (float) Math.log(4)};
    Tensor t = Tensor.of(logits, 4);
    int[] alone = histogram(new Settings(1, 0, 1, 0.24, 5), t, 7_000);
    assertThat(alone[0]).isZero();
    assertThat(alone[1]).isBetween(880, 1_120);
    int[] afterTopK = histogram(new Settings(1, 3, 1, 0.4, 5), t, 3_000);
    assertThat(afterTopK[0] + afterTopK[1]).isZero();
    assertThat(afterTopK[3]).isBetween(900, 1_100);
    assertThat(histogram(new Settings(1, 0, 0.99, 1, 5), t, 500)[2]).isEqualTo(500);
  }

  /** Against sorting everything, on logits with many ties. */
  @Test
  void keepsTheSameSetAsASort() {
    java.util.Random random = new java.util.Random(12);
    float[] logits = new float[257];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = random.nextInt(40) / 8f - 2;
    }
    Integer[] order = new Integer[logits.length];
    java.util.Arrays.setAll(order, i -> i);
    java.util.Arrays.sort(order, (x, y) -> Float.compare(logits[y], logits[x])); // stable
    for (int k : new int[] {1, 2, 7, 31, 256}) {
      int[] count = histogram(new Settings(3, k, 1, k), Tensor.of(logits, 257), 60 * k);
      for (int i = k; i < order.length; i++) {
        assertThat(count[order[i]]).as("k %s, rank %s", k, i).isZero();
      }
      assertThat(count[order[k - 1]]).as("k %s, the last one kept", k).isPositive();
    }
  }

  @Test
  void allocatesNothingAfterTheFirstCall() {
    com.sun.management.ThreadMXBean threads =
        (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
    Sampler sampler = new Sampler(new Settings(0.8, 20, 0.95, 0.01, 7));
    long quiet = 0;
    long deadline = System.nanoTime() + 120_000_000_000L;
    while (quiet < 100 && System.nanoTime() < deadline) {
      long before = threads.getCurrentThreadAllocatedBytes();
      sampler.next(LOGITS);
      quiet = threads.getCurrentThreadAllocatedBytes() == before ? quiet + 1 : 0;
    }
    assertThat(quiet).isEqualTo(100);
  }

  @Test
  void infinityWins() {
    Tensor t = Tensor.of(new float[] {1f, Float.POSITIVE_INFINITY, 2f}, 3);
    assertThat(new Sampler(new Settings(1, 0, 1, 0)).next(t)).isEqualTo(1);
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
    assertThatThrownBy(() -> new Settings(1, 0, 1, 1.5, 0)).isInstanceOf(InputException.class);
    assertThatThrownBy(() -> new Settings(Double.NaN, 0, 1, 0)).isInstanceOf(InputException.class);
    Tensor nothing = Tensor.of(new float[] {Float.NaN, Float.NEGATIVE_INFINITY}, 2);
    assertThatThrownBy(() -> new Sampler(Settings.GREEDY).next(nothing))
        .isInstanceOf(IllegalStateException.class);
  }
}
