package io.hydrahead.ops.rotary;

import static io.hydrahead.ops.OpsTesting.assertClose;
import static io.hydrahead.ops.OpsTesting.assertSameBits;
import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.dot;
import static io.hydrahead.ops.OpsTesting.onEveryTeam;
import static io.hydrahead.ops.OpsTesting.random;
import static io.hydrahead.ops.OpsTesting.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class RotaryTest {
  private final Random random = new Random(3);
  private final Rotary reference = new ReferenceRotary();

  @Test
  void quarterTurn() {
    Tensor x = Tensor.of(new float[] {1, 2, 3, 4}, 1, 4);
    Tensor cos = Tensor.of(new float[] {0, 1}, 1, 2);
    Tensor sin = Tensor.of(new float[] {1, 0}, 1, 2);
    reference.apply(x, 1, 1, 4, cos, sin, false);
    assertThat(x.toFloats()).containsExactly(-3, 2, 1, 4);
  }

  /** A rotation scaled by s: its transpose is the inverse times s². */
  @Test
  void inverseIsTheBackwardPass() {
    Tensor[] angles = angles(4, 6);
    Tensor x = random(random, 1, 8, 12);
    Tensor dy = random(random, 1, 8, 12);
    Tensor y = copy(x);
    reference.apply(y, 4, 2, 6, angles[0], angles[1], false);
    Tensor dx = copy(dy);
    reference.apply(dx, 4, 2, 6, angles[0], angles[1], true);
    assertThat(dot(y, dy)).isCloseTo(dot(x, dx), within(1e-5));
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReference() {
    for (int batch : new int[] {1, 3}) {
      for (int tokens : new int[] {1, 13, 207}) {
        for (int[] head : new int[][] {{1, 2}, {3, 10}, {5, 32}, {2, 66}, {7, 64}, {1, 128}}) {
          int h = head[0];
          int d = head[1];
          Tensor[] angles = angles(tokens, d);
          Tensor x = random(random, 1, (long) batch * tokens, (long) h * d);
          for (boolean inverse : new boolean[] {false, true}) {
            Tensor expected = copy(x);
            reference.apply(expected, tokens, h, d, angles[0], angles[1], inverse);
            Tensor[] first = {null};
            onEveryTeam(pool -> {
              Tensor y = copy(x);
              new CpuRotary(pool).apply(y, tokens, h, d, angles[0], angles[1], inverse);
              String what = "tokens " + tokens + ", heads " + h + "·" + d;
              assertClose(what, y, expected, 3e-7);
              first[0] = first[0] == null ? y : first[0];
              assertSameBits(what, y, first[0]);
            });
          }
        }
      }
    }
  }

  @Test
  void misfitsAreNamed() {
    assertThatThrownBy(() -> reference.apply(zeros(2, 3), 2, 1, 3, zeros(2), zeros(2), false))
        .hasMessageContaining("even head dim");
    assertThatThrownBy(() -> reference.apply(zeros(3, 4), 2, 1, 4, zeros(4), zeros(4), false))
        .hasMessageContaining("whole sequences");
  }

  private Tensor[] angles(int tokens, int d) {
    Tensor cos = zeros(tokens, d / 2);
    Tensor sin = zeros(tokens, d / 2);
    for (int i = 0; i < cos.size(); i++) {
      double angle = 10 * random.nextDouble();
      cos.set(i, (float) (1.1 * Math.cos(angle)));
      sin.set(i, (float) (1.1 * Math.sin(angle)));
    }
    return new Tensor[] {cos, sin};
  }
}
