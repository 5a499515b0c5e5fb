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

import io.hydrahead.ops.OpsTesting;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class RmsNormTest {
  private static final float EPS = 1e-6f;
  private final Random random = new Random(1);
  private final RmsNorm reference = new ReferenceRmsNorm();

  @Test
  void handValue() {
    Tensor y = nan(1, 2);
    Tensor rstd = nan(1);
    reference.forward(
        Tensor.of(new float[] {3, 4}, 1, 2), Tensor.of(new float[] {1, 2}, 2), 0f, y, rstd);
    float r = (float) (1 / Math.sqrt(12.5));
    assertThat(y.toFloats()).containsExactly(3 * r, 8 * r);
    assertThat(rstd.get(0)).isEqualTo(r);
  }

  @Test
  void referenceGradients() {
    Tensor x = random(random, 1, 3, 7);
    Tensor w = random(random, 1, 7);
    Tensor dy = random(random, 1, 3, 7);
    Tensor y = nan(3, 7);
    Tensor rstd = nan(3);
    reference.forward(x, w, EPS, y, rstd);
    Tensor dx = nan(3, 7);
    Tensor dw = zeros(7);
    reference.backward(x, w, rstd, dy, dx, false, dw);
    Tensor out = nan(3, 7);
    java.util.function.DoubleSupplier loss =
        () -> {
          reference.forward(x, w, EPS, out, null);
          return dot(out, dy);
        };
    assertGradient("dx", x, dx, loss, 1e-3);
    assertGradient("dw", w, dw, loss, 1e-3);
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReference() {
    onEverySize((n, c) -> {
      Tensor x = random(random, 2, n, c);
      Tensor w = random(random, 1, c);
      Tensor dy = random(random, 1, n, c);
      Tensor old = random(random, 1, n, c);
      Tensor oldDw = random(random, 1, c);
      Results expected = run(reference, x, w, dy, old, oldDw);
      Results[] first = {null};
      onEveryTeam(pool -> {
        String what = "n " + n + ", c " + c + ", threads " + pool.threads();
        Results r = run(new CpuRmsNorm(pool), x, w, dy, old, oldDw);
        assertClose(what + " y", r.y, expected.y, 1e-6);
        assertClose(what + " rstd", r.rstd, expected.rstd, 1e-6);
        if (c > 1) { // at width 1, dx alone is all rounding
          assertClose(what + " dx", r.dx, expected.dx, 3e-6);
        }
        assertClose(what + " dx added", r.added, expected.added, 3e-6);
        assertClose(what + " dw", r.dw, expected.dw, 3e-6);
        first[0] = first[0] == null ? r : first[0];
        assertSameBits(what + " y", r.y, first[0].y);
        assertSameBits(what + " dx", r.dx, first[0].dx);
        assertSameBits(what + " dw", r.dw, first[0].dw);
      });
    });
  }

  private record Results(Tensor y, Tensor rstd, Tensor dx, Tensor added, Tensor dw) {}

  private static Results run(RmsNorm op, Tensor x, Tensor w, Tensor dy, Tensor old, Tensor oldDw) {
    Tensor y = nan(x.shape());
    Tensor rstd = nan(x.dim(0));
    op.forward(x, w, EPS, y, rstd);
    Tensor dx = nan(x.shape());
    Tensor dw = copy(oldDw);
    op.backward(x, w, rstd, dy, dx, false, dw);
    Tensor added = copy(old);
    op.backward(x, w, rstd, dy, added, true, copy(oldDw));
    return new Results(y, rstd, dx, added, dw);
  }

  @Test
  void sixteenBitWeightsAndInPlace() {
    try (ComputePool pool = new ComputePool(2)) {
      RmsNorm cpu = new CpuRmsNorm(pool);
      for (DType type : new DType[] {DType.BF16, DType.F16}) {
        Tensor w = Tensor.allocate(Arena.ofAuto(), type, 33);
        w.copyFrom(random(random, 1, 33));
        Tensor x = random(random, 1, 13, 33);
        Tensor expected = nan(13, 33);
        reference.forward(x, w, EPS, expected, null);
        Tensor y = copy(x);
        cpu.forward(y, w, EPS, y, null);
        assertClose(type + " in place", y, expected, 1e-6);
      }
    }
  }

  @Test
  void gradientMayOverwriteItsUpstream() {
    Tensor x = random(random, 1, 13, 33);
    Tensor w = random(random, 1, 33);
    Tensor dy = random(random, 1, 13, 33);
    Results expected = run(reference, x, w, dy, dy, zeros(33));
    try (ComputePool pool = new ComputePool(2)) {
      for (RmsNorm op : new RmsNorm[] {reference, new CpuRmsNorm(pool)}) {
        Tensor dx = copy(dy);
        op.backward(x, w, expected.rstd, dx, dx, false, zeros(33));
        assertClose("dx on dy", dx, expected.dx, 3e-6);
      }
    }
  }

  @Test
  void zeroRowsStayZero() {
    try (ComputePool pool = new ComputePool(1)) {
      Tensor y = nan(2, 16);
      new CpuRmsNorm(pool).forward(zeros(2, 16), random(random, 1, 16), EPS, y, nan(2));
      assertThat(y.toFloats()).containsOnly(0f, -0f);
    }
  }

  @Test
  void misfitsAreNamed() {
    assertThatThrownBy(() -> reference.forward(zeros(2, 3), zeros(4), EPS, zeros(2, 3), null))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("w must be 3");
    assertThatThrownBy(() ->
            OpsTesting.onEveryTeam(
                pool -> new CpuRmsNorm(pool).forward(zeros(2, 3), zeros(3), EPS, zeros(3), null)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("y must be 6");
  }
}
