package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.ops.rotary.ReferenceRotary;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class RotaryTableTest {
  @Test
  void plainAnglesAreExactAtGreatPositions() {
    int position = 524_287;
    Tensor[] t = at(RotaryConfig.plain(1e6), 32, position);
    for (int i = 0; i < 16; i++) {
      double angle = position * Math.pow(1e6, -2.0 * i / 32);
      assertThat(t[0].get(i)).isEqualTo((float) Math.cos(angle));
      assertThat(t[1].get(i)).isEqualTo((float) Math.sin(angle));
    }
  }

  /** Frequencies as transformers' _compute_yarn_parameters gives them for d 16, θ 1e4, 4 × 512. */
  @Test
  void yarnMatchesTransformersFormula() {
    double[] frequencies = {
      1.0,
      0.2569350598886808,
      0.0625,
      0.01383496476323666,
      0.0025,
      0.0007905694150420947,
      0.00025,
      7.905694150420948e-05
    };
    double scaling = 1.1386294361119891;
    RotaryConfig.Yarn yarn = new RotaryConfig.Yarn(4, 512, 32, 1, 0, true);
    Tensor[] t = at(new RotaryConfig(1e4, yarn), 16, 3);
    for (int i = 0; i < 8; i++) {
      assertThat(t[0].get(i))
          .isCloseTo((float) (Math.cos(3 * frequencies[i]) * scaling), within(1e-6f));
      assertThat(t[1].get(i))
          .isCloseTo((float) (Math.sin(3 * frequencies[i]) * scaling), within(1e-6f));
    }
  }

  @Test
  void attentionFactorReplacesTheDefault() {
    RotaryConfig.Yarn yarn = new RotaryConfig.Yarn(4, 512, 32, 1, 1.5, true);
    assertThat(at(new RotaryConfig(1e4, yarn), 16, 0)[0].get(0)).isEqualTo(1.5f);
  }

  private static Tensor[] at(RotaryConfig config, int d, int position) {
    Tensor cos = Tensor.of(new float[d / 2], 1, d / 2);
    Tensor sin = Tensor.of(new float[d / 2], 1, d / 2);
    RotaryTable table = new RotaryTable(config, d);
    Tensor frequencies = Tensor.allocate(Arena.ofAuto(), DType.F64, d / 2);
    for (int i = 0; i < d / 2; i++) {
      frequencies.setDouble(i, table.frequency(i));
    }
    Tensor start = Tensor.allocate(Arena.ofAuto(), DType.I32, 1);
    start.setInt(0, position);
    new ReferenceRotary().angles(start, frequencies, table.scaling(), cos, sin);
    return new Tensor[] {cos, sin};
  }
}
