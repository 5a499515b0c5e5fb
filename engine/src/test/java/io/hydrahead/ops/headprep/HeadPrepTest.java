package io.hydrahead.ops.headprep;

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
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.ops.headprep.HeadPrep.Shape;
import io.hydrahead.ops.headprep.HeadPrep.Tables;
import io.hydrahead.ops.norm.ReferenceL2Norm;
import io.hydrahead.ops.norm.ReferenceRmsNorm;
import io.hydrahead.ops.rotary.ReferenceRotary;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class HeadPrepTest {
  private final Random random = new Random(21);
  private final HeadPrep reference = new ReferenceHeadPrep();

  /** Angles of rotary tables with a scaling of 1.1, and scales by position. */
  static Tables tables(Random random, Shape s, boolean rotary, boolean scale) {
    Tensor cos = null;
    Tensor sin = null;
    if (rotary) {
      cos = zeros(s.tokens(), s.headDim() / 2);
      sin = zeros(s.tokens(), s.headDim() / 2);
      for (long i = 0; i < cos.size(); i++) {
        double angle = 6 * random.nextDouble();
        cos.set(i, (float) (1.1 * Math.cos(angle)));
        sin.set(i, (float) (1.1 * Math.sin(angle)));
      }
    }
    return new Tables(cos, sin, scale ? random(random, 1, s.tokens()) : null);
  }

  @Test
  void isTheOperationsOneAfterTheOther() {
    Shape s = new Shape(5, 3, 6, 1e-6f, 1e-6f);
    Tables t = tables(random, s, true, true);
    Tensor x = random(random, 2, 10, 18);
    Tensor w = random(random, 1, 6);
    Tensor y = nan(10, 18);
    reference.forward(s, x, w, t, y, null, null);
    Tensor heads = nan(30, 6);
    new ReferenceRmsNorm().forward(x.view(30, 6), w, 1e-6f, heads, null);
    new ReferenceRotary().apply(heads.view(10, 18), 5, 3, 6, t.cos(), t.sin(), false);
    new ReferenceL2Norm().forward(heads, 1e-6f, heads, null);
    for (int i = 0; i < heads.size(); i++) {
      heads.set(i, heads.get(i) * t.scale().get(i / 18 % 5));
    }
    assertClose("y", y, heads.view(10, 18), 1e-6);
  }

  @Test
  void referenceGradients() {
    for (boolean rotary : new boolean[] {false, true}) {
      for (float l2Eps : new float[] {0f, 1e-6f}) {
        Shape s = new Shape(4, 2, 6, 1e-6f, l2Eps);
        Tables t = tables(random, s, rotary, false);
        Tensor x = random(random, 1, 8, 12);
        Tensor w = random(random, 1, 6);
        Tensor dy = random(random, 1, 8, 12);
        Tensor y = nan(8, 12);
        Tensor rstd = nan(16);
        Tensor rnorm = l2Eps > 0 ? nan(16) : null;
        reference.forward(s, x, w, t, y, rstd, rnorm);
        Tensor dx = nan(8, 12);
        Tensor dw = zeros(6);
        reference.backward(s, x, w, t, y, rstd, rnorm, copy(dy), dx, dw);
        Tensor out = nan(8, 12);
        String what = "rotary " + rotary + ", L2 eps " + l2Eps;
        java.util.function.DoubleSupplier loss =
            () -> {
              reference.forward(s, x, w, t, out, null, null);
              return dot(out, dy);
            };
        assertGradient(what + " dx", x, dx, loss, 2e-3);
        assertGradient(what + " dw", w, dw, loss, 2e-3);
      }
    }
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReference() {
    for (int d : new int[] {2, 16, 34, 128}) {
      for (int heads : new int[] {1, 5}) {
        for (int mode = 0; mode < 8; mode++) {
          cpuEqualsReference(
              new Shape(7, heads, d, 1e-6f, (mode & 1) != 0 ? 1e-6f : 0f),
              (mode & 2) != 0,
              (mode & 4) != 0);
        }
      }
    }
  }

  private void cpuEqualsReference(Shape s, boolean rotary, boolean scale) {
    int n = 21;
    int width = s.heads() * s.headDim();
    Tables t = tables(random, s, rotary, scale);
    Tensor x = random(random, 2, n, width);
    Tensor w = random(random, 1, s.headDim());
    Tensor dy = random(random, 1, n, width);
    Tensor y = nan(n, width);
    Tensor rstd = nan(n * s.heads());
    Tensor rnorm = nan(n * s.heads());
    Tensor dx = nan(n, width);
    Tensor dw = random(random, 1, s.headDim());
    Tensor dwCpuFrom = copy(dw);
    reference.forward(s, x, w, t, y, rstd, rnorm);
    if (!scale) {
      reference.backward(s, x, w, t, y, rstd, rnorm, copy(dy), dx, dw);
    }
    Tensor[] first = {null, null};
    onEveryTeam(pool -> {
      String what = s + ", rotary " + rotary + ", threads " + pool.threads();
      HeadPrep cpu = new CpuHeadPrep(pool);
      Tensor yCpu = nan(n, width);
      Tensor rstdCpu = nan(n * s.heads());
      Tensor rnormCpu = nan(n * s.heads());
      cpu.forward(s, x, w, t, yCpu, rstdCpu, rnormCpu);
      assertClose(what + " y", yCpu, y, 1e-6);
      assertClose(what + " rstd", rstdCpu, rstd, 1e-6);
      if (s.l2()) {
        assertClose(what + " rnorm", rnormCpu, rnorm, 1e-6);
      }
      Tensor inPlace = copy(x);
      cpu.forward(s, inPlace, w, t, inPlace, null, null);
      assertSameBits(what + " in place", inPlace, yCpu);
      if (scale) {
        return;
      }
      Tensor dxCpu = copy(dy);
      Tensor dwCpu = copy(dwCpuFrom);
      cpu.backward(s, x, w, t, yCpu, rstdCpu, rnormCpu, dxCpu, dxCpu, dwCpu);
      assertClose(what + " dx", dxCpu, dx, 1e-5);
      assertClose(what + " dw", dwCpu, dw, 1e-5);
      if (first[0] == null) {
        first[0] = dxCpu;
        first[1] = dwCpu;
      }
      assertSameBits(what + " dx", dxCpu, first[0]);
      assertSameBits(what + " dw", dwCpu, first[1]);
    });
  }

  @Test
  void columnSlicesAreReadAndWritten() {
    Shape s = new Shape(3, 2, 4, 1e-6f, 1e-6f);
    Tables t = tables(random, s, true, false);
    Tensor x = random(random, 1, 6, 8);
    Tensor w = random(random, 1, 4);
    Tensor y = nan(6, 8);
    reference.forward(s, x, w, t, y, null, null);
    Tensor wide = zeros(6, 20);
    wide.columns(3, 8).copyFrom(x);
    Tensor out = zeros(6, 20);
    reference.forward(s, wide.columns(3, 8), w, t, out.columns(12, 8), null, null);
    assertThat(out.columns(12, 8).toFloats()).containsExactly(y.toFloats());
    assertThat(out.columns(0, 12).toFloats()).containsOnly(0f);
  }

  @Test
  void misfitsAreNamed() {
    Shape s = new Shape(2, 2, 3, 1e-6f, 0f);
    Tables t = new Tables(zeros(2, 1), zeros(2, 1), null);
    assertThatThrownBy(
            () -> reference.forward(s, zeros(2, 6), zeros(3), t, zeros(2, 6), null, null))
        .hasMessageContaining("even head dim");
    assertThatThrownBy(
            () -> reference.forward(s, zeros(3, 6), zeros(3), Tables.NONE, zeros(3, 6), null, null))
        .hasMessageContaining("whole sequences");
  }
}
