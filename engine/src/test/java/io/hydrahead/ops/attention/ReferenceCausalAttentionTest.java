package io.hydrahead.ops.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.ops.Samples;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.ops.attention.CausalAttention.Window;
import io.hydrahead.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The reference against values by hand and against finite differences. */
class ReferenceCausalAttentionTest {
  private static final CausalAttention OP = new ReferenceCausalAttention();

  @Test
  void twoTokensByHand() {
    // Row 0 sees key 0 only; row 1 has scores ln 1 and ln 3: weights ¼ and ¾.
    Shape s = new Shape(1, 2, 1, 1, 1, 0.5f);
    Tensor q = Tensor.of(new float[] {7, 2}, 2, 1);
    Tensor k = Tensor.of(new float[] {0, (float) Math.log(3)}, 2, 1);
    Tensor v = Tensor.of(new float[] {4, 8}, 2, 1);
    Tensor o = Samples.unwritten(2, 1);
    Tensor lse = Samples.unwritten(1, 1, 2);
    OP.forward(s, new int[] {0}, 0, q, k, v, o, lse);
    assertThat(o.toFloats()).containsExactly(new float[] {4, 7}, within(1e-6f));
    assertThat(lse.toFloats()).containsExactly(new float[] {0, (float) Math.log(4)}, within(1e-6f));
  }

  @Test
  void windowsByHand() {
    // Equal scores: a row is the mean of the values that it sees.
    Tensor q = Samples.filled(() -> 0, 5, 1);
    Tensor v = Tensor.of(new float[] {1, 10, 100, 1000, 10000}, 5, 1);
    assertThat(mean(new Window(2, 0), q, v)).containsExactly(1f, 5.5f, 55f, 550f, 5500f);
    assertThat(mean(new Window(1, 0), q, v)).containsExactly(1f, 10f, 100f, 1000f, 10000f);
    assertThat(mean(new Window(2, 1), q, v)).containsExactly(1f, 5.5f, 37f, 367f, 11001 / 3f);
    assertThat(mean(new Window(1, 2), q, v)).containsExactly(1f, 5.5f, 37f, 337f, 10011 / 3f);
    assertThat(mean(new Window(3, 1), q, v)).containsExactly(1f, 5.5f, 37f, 277.75f, 11101 / 4f);
    assertThat(mean(new Window(2, 3), q, v)).containsExactly(mean(Window.ALL, q, v));
  }

  private static float[] mean(Window window, Tensor q, Tensor v) {
    Tensor o = Samples.unwritten(5, 1);
    Shape s = new Shape(1, 5, 1, 1, 1, 1f, window);
    OP.forward(s, new int[] {0}, 0, q, q, v, o, null);
    return o.toFloats();
  }

  @ParameterizedTest
  @CsvSource({"13, 0", "4, 0", "5, 2", "1, 1"})
  void gradientsAreThoseOfFiniteDifferences(int window, int sinks) {
    AttentionCase c = AttentionCase.random(5, 2, 13, 3, 6, 1.0, 0, 2, 2).seeing(window, sinks);
    AttentionCase.Result r = c.run(OP);
    List<Tensor> inputs = List.of(c.q(), c.k(), c.v());
    for (int i = 0; i < 3; i++) {
      Tensor x = inputs.get(i);
      for (long at = i; at < x.size(); at += 41) {
        float value = x.get(at);
        float step = 5e-3f;
        x.set(at, value + step);
        double above = c.loss(OP);
        x.set(at, value - step);
        double below = c.loss(OP);
        x.set(at, value);
        double slope = (above - below) / (2 * (double) step);
        assertThat((double) r.gradients().get(i).get(at))
            .as("input %d at %d", i, at)
            .isCloseTo(slope, within(1e-3 * Math.max(1, Math.abs(slope))));
      }
    }
  }
}
