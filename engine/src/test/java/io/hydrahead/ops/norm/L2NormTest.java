package io.hydrahead.ops.norm;

import static io.hydrahead.ops.OpsTesting.assertClose;
import static io.hydrahead.ops.OpsTesting.assertGradient;
import static io.hydrahead.ops.OpsTesting.assertSameBits;
import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.dot;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.OpsTesting.onEverySize;
import static io.hydrahead.ops.OpsTesting.onEveryTeam;
import static io.hydrahead.ops.OpsTesting.random;
import static io.hydrahead.ops.OpsTesting.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class L2NormTest {
  private static final float EPS = 1e-6f;
  private final Random random = new Random(2);
  private final L2Norm reference = new ReferenceL2Norm();

  @Test
  void handValue() {
    Tensor y = nan(1, 2);
    reference.forward(Tensor.of(new float[] {3, 4}, 1, 2), 0f, y, null);
    assertThat(y.toFloats()).containsExactly(0.6f, 0.8f);
  }

  @Test
  void referenceGradient() {
    Tensor x = random(random, 1, 3, 7);
    Tensor dy = random(random, 1, 3, 7);
    Tensor y = nan(3, 7);
    Tensor rnorm = nan(3);
    reference.forward(x, EPS, y, rnorm);
    Tensor dx = nan(3, 7);
    reference.backward(y, rnorm, dy, dx);
    Tensor out = nan(3, 7);
    assertGradient(
        "dx",
        x,
        dx,
        () -> {
          reference.forward(x, EPS, out, null);
          return dot(out, dy);
        },
        1e-3);
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReferenceInPlaceToo() {
    onEverySize((n, d) -> {
      Tensor x = random(random, 2, n, d);
      Tensor dy = random(random, 1, n, d);
      Tensor y = nan(n, d);
      Tensor rnorm = nan(n);
      reference.forward(x, EPS, y, rnorm);
      Tensor dx = nan(n, d);
      reference.backward(y, rnorm, dy, dx);
      Tensor[] first = {null, null};
      onEveryTeam(pool -> {
        String what = "n " + n + ", d " + d + ", threads " + pool.threads();
        L2Norm cpu = new CpuL2Norm(pool);
        Tensor yCpu = nan(n, d);
        Tensor rnormCpu = nan(n);
        cpu.forward(x, EPS, yCpu, rnormCpu);
        assertClose(what + " y", yCpu, y, 1e-6);
        assertClose(what + " rnorm", rnormCpu, rnorm, 1e-6);
        Tensor dxCpu = nan(n, d);
        cpu.backward(y, rnorm, dy, dxCpu);
        if (d > 1) { // at width 1, y is ±1 and dx all rounding
          assertClose(what + " dx", dxCpu, dx, 3e-6);
        }
        Tensor inPlace = copy(x);
        cpu.forward(inPlace, EPS, inPlace, null);
        assertSameBits(what + " in place", inPlace, yCpu);
        Tensor over = copy(dy);
        cpu.backward(y, rnorm, over, over);
        assertSameBits(what + " dx on dy", over, dxCpu);
        first[0] = first[0] == null ? yCpu : first[0];
        first[1] = first[1] == null ? dxCpu : first[1];
        assertSameBits(what, yCpu, first[0]);
        assertSameBits(what, dxCpu, first[1]);
      });
    });
  }

  @Test
  void gradientOfSharedRows() {
    Tensor x = random(random, 1, 3, 7);
    Tensor dy = random(random, 1, 9, 7);
    Tensor y = nan(9, 7);
    Tensor rnorm = nan(3);
    reference.forward(x, EPS, y, rnorm);
    assertThat(y.rows(3, 3).toFloats())
        .containsExactly(
            concatenate(y.rows(3, 1).toFloats(), y.rows(4, 1).toFloats(), y.rows(3, 1).toFloats()));
    Tensor dx = nan(3, 7);
    reference.backward(y, rnorm, dy, dx);
    Tensor out = nan(9, 7);
    assertGradient(
        "dx",
        x,
        dx,
        () -> {
          reference.forward(x, EPS, out, null);
          return dot(out, dy);
        },
        1e-3);
  }

  private static float[] concatenate(float[]... rows) {
    float[] all = new float[rows.length * rows[0].length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, all, i * rows[i].length, rows[i].length);
    }
    return all;
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReferenceWhereRowsAreShared() {
    for (int m : new int[] {2, 3}) {
      for (int d : new int[] {5, 16, 33, 128}) {
        for (int n : new int[] {1, 13, 207}) {
          Tensor x = random(random, 2, n, d);
          Tensor dy = random(random, 1, n * m, d);
          Tensor y = nan(n * m, d);
          Tensor rnorm = nan(n);
          reference.forward(x, EPS, y, rnorm);
          Tensor dx = nan(n, d);
          reference.backward(y, rnorm, dy, dx);
          onEveryTeam(pool -> {
            String what = "m " + m + ", n " + n + ", d " + d + ", threads " + pool.threads();
            L2Norm cpu = new CpuL2Norm(pool);
            Tensor yCpu = nan(n * m, d);
            Tensor rnormCpu = nan(n);
            cpu.forward(x, EPS, yCpu, rnormCpu);
            assertClose(what + " y", yCpu, y, 1e-6);
            assertClose(what + " rnorm", rnormCpu, rnorm, 1e-6);
            Tensor dxCpu = nan(n, d);
            cpu.backward(y, rnorm, dy, dxCpu);
            assertClose(what + " dx", dxCpu, dx, 3e-6);
          });
        }
      }
    }
  }

  @Test
  void misfitsAreNamed() {
    assertThatThrownBy(() -> reference.forward(zeros(2, 3), EPS, zeros(3, 3), null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("y must be 6");
    assertThatThrownBy(() -> reference.forward(zeros(2, 3), EPS, zeros(2, 6), null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("not as long");
  }

  @Test
  void zeroRowsStayZero() {
    try (ComputePool pool = new ComputePool(1)) {
      for (L2Norm op : new L2Norm[] {reference, new CpuL2Norm(pool)}) {
        Tensor y = nan(2, 33);
        Tensor rnorm = nan(2);
        op.forward(zeros(2, 33), EPS, y, rnorm);
        assertThat(y.toFloats()).containsOnly(0f);
        assertThat(rnorm.get(1)).isBetween(999f, 1001f);
      }
    }
  }
}
