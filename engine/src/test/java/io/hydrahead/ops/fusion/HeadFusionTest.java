package io.hydrahead.ops.fusion;

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

import io.hydrahead.ops.fusion.HeadFusion.Switches;
import io.hydrahead.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class HeadFusionTest {
  private static final float EPS = 1e-6f;
  private static final int ALL = 7;
  private static final int[] HEADS = {5, 0, 2};
  private final Random random = new Random(5);
  private final HeadFusion reference = new ReferenceHeadFusion();

  /** All inputs of one case, and the gradients that parameters held before. */
  private record Case(
      Switches s,
      int n,
      int d,
      Tensor o,
      Tensor z,
      Tensor bias,
      Tensor gamma,
      Tensor dOut,
      Tensor oldBias,
      Tensor oldGamma) {}

  private record Results(
      Tensor out, Tensor rstd, Tensor dO, Tensor dZ, Tensor dBias, Tensor dGamma) {}

  private Case newCase(Switches s, boolean bias, int n, int d) {
    int h = HEADS.length;
    return new Case(
        s,
        n,
        d,
        random(random, 1, n, (long) h * d),
        s.gate() ? random(random, 2, n, (long) h * d) : null,
        bias ? random(random, 1, (long) h * d) : null,
        s.gamma() ? random(random, 1, ALL) : null,
        random(random, 1, n, (long) ALL * d),
        bias ? random(random, 1, (long) h * d) : null,
        random(random, 1, ALL));
  }

  private static Results run(HeadFusion op, Case c) {
    int h = HEADS.length;
    Tensor out = zeros(c.n, (long) ALL * c.d);
    Tensor rstd = c.s.norm() ? nan(c.n, h) : null;
    op.forward(c.s, c.o, c.z, c.bias, c.gamma, HEADS, c.d, out, rstd);
    Tensor dO = nan(c.n, (long) h * c.d);
    Tensor dZ = c.s.gate() ? nan(c.n, (long) h * c.d) : null;
    Tensor dBias = c.oldBias == null ? null : copy(c.oldBias);
    Tensor dGamma = copy(c.oldGamma);
    op.backward(c.s, c.o, c.z, c.bias, c.gamma, HEADS, c.d, rstd, c.dOut, dO, dZ, dBias, dGamma);
    return new Results(out, rstd, dO, dZ, dBias, dGamma);
  }

  private static List<Switches> everySwitch() {
    List<Switches> all = new ArrayList<>();
    for (int bits = 0; bits < 8; bits++) {
      all.add(new Switches((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, EPS));
    }
    return all;
  }

  @Test
  void handValue() {
    Tensor out = nan(1, 4);
    reference.forward(
        new Switches(true, true, true, 0f),
        Tensor.of(new float[] {3, 4}, 1, 2),
        zeros(1, 2),
        null,
        Tensor.of(new float[] {9, 2}, 2),
        new int[] {1},
        2,
        out,
        null);
    assertThat(out.get(0)).as("another head's columns").isNaN();
    assertThat(out.get(2)).isEqualTo((float) (3 / Math.sqrt(12.5)));
    assertThat(out.get(3)).isEqualTo((float) (4 / Math.sqrt(12.5)));
  }

  @Test
  void referenceGradients() {
    for (Switches s : everySwitch()) {
      Case c = newCase(s, s.gate(), 2, 4);
      Results r = run(reference, c);
      Tensor out = zeros(2, 4 * ALL);
      DoubleSupplier loss =
          () -> {
            reference.forward(s, c.o, c.z, c.bias, c.gamma, HEADS, c.d, out, null);
            return dot(out, c.dOut);
          };
      assertGradient(s + " dO", c.o, r.dO, loss, 2e-3);
      if (s.gate()) {
        assertGradient(s + " dZ", c.z, r.dZ, loss, 1e-3);
        assertGradient(s + " dBias", c.bias, minus(r.dBias, c.oldBias), loss, 1e-3);
      }
      if (s.gamma()) {
        assertGradient(s + " dGamma", c.gamma, minus(r.dGamma, c.oldGamma), loss, 1e-3);
      } else {
        assertSameBits("dGamma untouched", r.dGamma, c.oldGamma);
      }
    }
  }

  private static Tensor minus(Tensor x, Tensor y) {
    Tensor difference = copy(x);
    for (long i = 0; i < x.size(); i++) {
      difference.set(i, x.get(i) - y.get(i));
    }
    return difference;
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReference() {
    for (Switches s : everySwitch()) {
      for (int n : new int[] {1, 13, 207}) {
        for (int d : new int[] {1, 5, 16, 33, 128}) {
          boolean bias = s.gate() && (n + d) % 2 == 0;
          Case c = newCase(s, bias, n, d);
          Results expected = run(reference, c);
          Results[] first = {null};
          onEveryTeam(pool -> {
            String what = s + ", n " + n + ", d " + d + ", threads " + pool.threads();
            Results r = run(new CpuHeadFusion(pool), c);
            assertClose(what + " out", r.out, expected.out, 1e-6);
            if (d > 1 || !s.norm()) { // the norm's gradient at width 1 is all rounding
              assertClose(what + " dO", r.dO, expected.dO, 3e-6);
            }
            assertClose(what + " dGamma", r.dGamma, expected.dGamma, 2e-5);
            if (s.norm()) {
              assertClose(what + " rstd", r.rstd, expected.rstd, 1e-6);
            }
            if (s.gate()) {
              assertClose(what + " dZ", r.dZ, expected.dZ, 3e-6);
            }
            if (bias) {
              assertClose(what + " dBias", r.dBias, expected.dBias, 2e-5);
            }
            first[0] = first[0] == null ? r : first[0];
            assertSameBits(what + " out", r.out, first[0].out);
            assertSameBits(what + " dO", r.dO, first[0].dO);
            assertSameBits(what + " dGamma", r.dGamma, first[0].dGamma);
            if (bias) {
              assertSameBits(what + " dBias", r.dBias, first[0].dBias);
            }
          });
        }
      }
    }
  }

  @Test
  void misfitsAreNamed() {
    Switches s = new Switches(true, false, false, EPS);
    assertThatThrownBy(() ->
            reference.forward(
                s, zeros(2, 4), null, null, null, new int[] {3}, 4, zeros(2, 8), null))
        .hasMessageContaining("head 3 of a layer with 2 heads");
  }
}
