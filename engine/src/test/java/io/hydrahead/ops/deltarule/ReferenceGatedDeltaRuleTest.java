package io.hydrahead.ops.deltarule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.ops.Samples;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The reference against the formula written another way and against finite differences. */
class ReferenceGatedDeltaRuleTest {
  private static final GatedDeltaRule OP = new ReferenceGatedDeltaRule();

  @Test
  void oneHeadOfOneDimensionByHand() {
    // S0 = 2; token 1: e^g = 1/2, k = 1, v = 3, β = 1/4: S1 = ½(1 − ¼)2 + ¼·3 = 1.5, o = 1.5·q.
    Inputs in =
        new Inputs(
            Tensor.of(new float[] {-1, 1}, 1, 2, 1, 1),
            Tensor.of(new float[] {1, -1}, 1, 2, 1, 1),
            Tensor.of(new float[] {3, 5}, 1, 2, 1, 1),
            Tensor.of(new float[] {(float) Math.log(0.5), 0}, 1, 2, 1),
            Tensor.of(new float[] {0.25f, 2}, 1, 2, 1));
    Tensor state = Tensor.of(new float[] {2}, 1, 1, 1, 1);
    Tensor out = Samples.unwritten(1, 2, 1, 1);
    OP.forward(new Shape(1, 2, 1, 1, 1), in, 0, state, out, null);
    // Token 2: no decay, k = −1, v = 5, β = 2: S2 = (1 − 2)·1.5 − 2·5 = −11.5.
    assertThat(out.toFloats()).containsExactly(new float[] {-1.5f, -11.5f}, within(1e-6f));
    assertThat(state.get(0)).isCloseTo(-11.5f, within(1e-5f));
  }

  @Test
  void gradientsAreThoseOfFiniteDifferences() {
    DeltaRuleCase c = DeltaRuleCase.random(11, new Shape(2, 70, 2, 3, 5), 0.3, 1.9);
    DeltaRuleCase.Result grads = c.run(OP);
    List<Tensor> inputs = c.inputs();
    for (int i = 0; i < inputs.size(); i++) {
      Tensor x = inputs.get(i);
      Tensor dx = grads.gradients().get(i);
      for (long at : new long[] {0, x.size() / 3, x.size() - 1}) {
        float value = x.get(at);
        float step = 5e-3f;
        x.set(at, value + step);
        double above = c.loss(OP);
        x.set(at, value - step);
        double below = c.loss(OP);
        x.set(at, value);
        double slope = (above - below) / (2 * (double) step);
        assertThat((double) dx.get(at))
            .as("%s[%d]", DeltaRuleCase.NAMES.get(i), at)
            .isCloseTo(slope, within(2e-3 * Math.max(1, Math.abs(slope))));
      }
    }
  }
}
