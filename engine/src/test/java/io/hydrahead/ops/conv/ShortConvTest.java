package io.hydrahead.ops.conv;

import static io.hydrahead.ops.OpsTesting.assertClose;
import static io.hydrahead.ops.OpsTesting.assertGradient;
import static io.hydrahead.ops.OpsTesting.assertSameBits;
import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.dot;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.OpsTesting.onEveryTeam;
import static io.hydrahead.ops.OpsTesting.random;
import static io.hydrahead.ops.OpsTesting.zeros;
import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.conv.ShortConv.Activation;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ShortConvTest {
  private final Random random = new Random(6);
  private final ShortConv reference = new ReferenceShortConv();

  @Test
  void handValue() {
    Tensor y = nan(3, 1);
    Tensor state = Tensor.of(new float[] {10, 20}, 1, 2, 1);
    Tensor w = Tensor.of(new float[] {100, 10, 1}, 1, 3);
    reference.forward(1, 3, Tensor.of(new float[] {1, 2, 3}, 3, 1), w, state, y);
    assertThat(y.toFloats()).containsExactly(1201, 2012, 123);
    assertThat(state.toFloats()).containsExactly(2, 3);
  }

  @Test
  void siluIsBehindTheSum() {
    Tensor y = nan(2, 1);
    Tensor w = Tensor.of(new float[] {2, 1}, 1, 2);
    Tensor x = Tensor.of(new float[] {1, -3}, 2, 1);
    reference.forward(1, 2, x, w, Activation.SILU, zeros(1, 1, 1), y);
    assertThat(y.get(0)).isEqualTo((float) (1 / (1 + Math.exp(-1))));
    assertThat(y.get(1)).isEqualTo((float) (-1 / (1 + Math.exp(1))));
  }

  @ParameterizedTest
  @EnumSource
  void referenceGradients(Activation f) {
    Tensor x = random(random, 1, 10, 3);
    Tensor w = random(random, 1, 3, 4);
    Tensor dy = random(random, 1, 10, 3);
    Tensor dx = nan(10, 3);
    Tensor dw = zeros(3, 4);
    reference.backward(2, 5, x, w, f, copy(dy), dx, dw);
    Tensor y = nan(10, 3);
    DoubleSupplier loss =
        () -> {
          reference.forward(2, 5, x, w, f, zeros(2, 3, 3), y);
          return dot(y, dy);
        };
    assertGradient("dx", x, dx, loss, 1e-3);
    assertGradient("dw", w, dw, loss, 1e-3);
  }

  @ParameterizedTest
  @EnumSource
  @Tag("scalar")
  void cpuEqualsReference(Activation f) {
    for (int batch : new int[] {1, 3}) {
      for (int tokens : new int[] {1, 2, 13, 207}) {
        for (int channels : new int[] {1, 16, 33, 96}) {
          for (int k : new int[] {1, 2, 4}) {
            compare(f, batch, tokens, channels, k);
          }
        }
      }
    }
  }

  private void compare(Activation f, int batch, int tokens, int channels, int k) {
    long rows = (long) batch * tokens;
    Tensor x = random(random, 1, rows, channels);
    Tensor w = random(random, 1, channels, k);
    Tensor dy = random(random, 1, rows, channels);
    Tensor oldDw = random(random, 1, channels, k);
    Tensor state = random(random, 1, batch, k - 1, channels);
    Tensor expectedState = copy(state);
    Tensor y = nan(rows, channels);
    Tensor dx = nan(rows, channels);
    Tensor dw = copy(oldDw);
    reference.forward(batch, tokens, x, w, f, expectedState, y);
    reference.backward(batch, tokens, x, w, f, copy(dy), dx, dw);
    Tensor[] first = {null};
    onEveryTeam(pool -> {
      String what =
          f + ", batch " + batch + ", tokens " + tokens + ", channels " + channels + ", k " + k;
      ShortConv cpu = new CpuShortConv(pool);
      Tensor yCpu = nan(rows, channels);
      Tensor stateCpu = copy(state);
      cpu.forward(batch, tokens, x, w, f, stateCpu, yCpu);
      assertClose(what + " y", yCpu, y, 1e-6);
      assertSameBits(what + " state", stateCpu, expectedState);
      Tensor dxCpu = nan(rows, channels);
      Tensor dwCpu = copy(oldDw);
      cpu.backward(batch, tokens, x, w, f, copy(dy), dxCpu, dwCpu);
      assertClose(what + " dx", dxCpu, dx, 1e-6);
      assertClose(what + " dw", dwCpu, dw, 2e-6);
      first[0] = first[0] == null ? dwCpu : first[0];
      assertSameBits(what + " dw", dwCpu, first[0]);
    });
  }

  @Test
  void piecesEqualTheWhole() {
    try (ComputePool pool = new ComputePool(2)) {
      ShortConv cpu = new CpuShortConv(pool);
      Tensor x = random(random, 1, 9, 5);
      Tensor w = random(random, 1, 5, 4);
      Tensor whole = nan(9, 5);
      cpu.forward(1, 9, x, w, Activation.SILU, zeros(1, 3, 5), whole);
      Tensor state = zeros(1, 3, 5);
      Tensor pieces = nan(9, 5);
      int at = 0;
      for (int count : new int[] {1, 1, 2, 4, 1}) {
        cpu.forward(1, count, x.rows(at, count), w, Activation.SILU, state, pieces.rows(at, count));
        at += count;
      }
      assertSameBits("pieces", pieces, whole);
    }
  }
}
