package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.model.LogitEdits.Settings;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Penalties, bias and log-probabilities. */
class LogitEditsTest {
  private static Tensor logits(float... values) {
    return Tensor.of(values, values.length);
  }

  @Test
  void nothingToDoGivesTheSameTensor() {
    Tensor l = logits(1, 2, 3);
    LogitEdits none = new LogitEdits(Settings.NONE, 3);
    none.prompt(new int[] {0, 1});
    none.generated(2);
    assertThat(none.apply(l)).isSameAs(l);
  }

  @Test
  void penaltiesCountWhatWasGenerated() {
    Tensor l = logits(1, 2, 3, 4);
    LogitEdits edits = new LogitEdits(new Settings(0.5, 0.25, 1, Map.of()), 4);
    edits.prompt(new int[] {0, 0});
    edits.generated(1);
    edits.generated(1);
    edits.generated(3);
    assertThat(edits.apply(l).toFloats()).containsExactly(1f, 1f, 3f, 3.25f);
    assertThat(edits.apply(l).toFloats()).containsExactly(1f, 1f, 3f, 3.25f);
    assertThat(l.toFloats()).containsExactly(1f, 2f, 3f, 4f);
  }

  @Test
  void repetitionCountsThePromptToo() {
    LogitEdits edits = new LogitEdits(new Settings(0, 0, 2, Map.of()), 4);
    edits.prompt(new int[] {0, 1, 1});
    edits.generated(3);
    assertThat(edits.apply(logits(-1, 4, 5, 6)).toFloats()).containsExactly(-2f, 2f, 5f, 3f);
  }

  @Test
  void biasIsAddedAfterThePenalties() {
    LogitEdits edits = new LogitEdits(new Settings(1, 0, 2, Map.of(0, 10f, 2, -100f)), 3);
    edits.generated(0);
    assertThat(edits.apply(logits(4, 1, 1)).toFloats()).containsExactly(11f, 1f, -99f);
  }

  @Test
  void refusesWhatMakesNoSense() {
    assertThatThrownBy(() -> new Settings(2.1, 0, 1, Map.of())).isInstanceOf(InputException.class);
    assertThatThrownBy(() -> new Settings(0, Double.NaN, 1, Map.of()))
        .isInstanceOf(InputException.class);
    assertThatThrownBy(() -> new Settings(0, 0, 0, Map.of())).isInstanceOf(InputException.class);
    assertThatThrownBy(() -> new LogitEdits(new Settings(0, 0, 1, Map.of(5, 1f)), 5))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("token 5");
  }

  @Test
  void logprobsAreThoseOfTheSoftmax() {
    Tensor l = logits((float) Math.log(1), (float) Math.log(5), Float.NaN, (float) Math.log(4));
    TokenLogprobs t = TokenLogprobs.of(l, 0, 2);
    assertThat(t.id()).isZero();
    assertThat(t.logprob()).isCloseTo((float) Math.log(0.1), within(1e-6f));
    assertThat(t.topIds()).containsExactly(1, 3);
    assertThat(t.topLogprobs()[0]).isCloseTo((float) Math.log(0.5), within(1e-6f));
    assertThat(t.topLogprobs()[1]).isCloseTo((float) Math.log(0.4), within(1e-6f));
    assertThat(TokenLogprobs.of(l, 1, 0).topIds()).isEmpty();
    assertThat(TokenLogprobs.of(l, 1, 9).topIds()).containsExactly(1, 3, 0);
  }

  @Test
  void ofEqualsTheSmallerIdComesFirst() {
    assertThat(TokenLogprobs.of(logits(1, 2, 2, 1, 2), 0, 3).topIds()).containsExactly(1, 2, 4);
    float[] many = new float[500];
    java.util.Random random = new java.util.Random(3);
    java.util.Arrays.setAll(new Float[500], i -> many[i] = random.nextInt(20));
    Integer[] order = new Integer[500];
    java.util.Arrays.setAll(order, i -> i);
    java.util.Arrays.sort(order, (a, b) -> Float.compare(many[b], many[a])); // stable
    int[] best = TokenLogprobs.of(logits(many), 0, 40).topIds();
    for (int i = 0; i < 40; i++) {
      assertThat(best[i]).isEqualTo(order[i]);
    }
  }
}
