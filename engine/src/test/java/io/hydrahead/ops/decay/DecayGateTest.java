package io.hydrahead.ops.decay;

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
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class DecayGateTest {
  private final Random random = new Random(7);
  private final DecayGate reference = new ReferenceDecayGate();

  private record Results(
      Tensor g, Tensor beta, Tensor da, Tensor db, Tensor dALog, Tensor dDtBias) {}

  private record Case(
      Tensor a,
      Tensor b,
      Tensor aLog,
      Tensor dtBias,
      float betaMax,
      Tensor dg,
      Tensor dBeta,
      Tensor old) {}

  private static Results run(DecayGate op, Case c) {
    Results r =
        new Results(
            nan(c.a.shape()),
            nan(c.a.shape()),
            nan(c.a.shape()),
            nan(c.a.shape()),
            copy(c.old),
            copy(c.old));
    op.forward(c.a, c.b, c.aLog, c.dtBias, c.betaMax, r.g, r.beta);
    op.backward(
        c.a, c.b, c.aLog, c.dtBias, c.betaMax, c.dg, c.dBeta, r.da, r.db, r.dALog, r.dDtBias);
    return r;
  }

  private Case newCase(int n, int h, double scale) {
    return new Case(
        random(random, scale, n, h),
        random(random, scale, n, h),
        random(random, 1, h),
        random(random, 1, h),
        1.5f,
        random(random, 1, n, h),
        random(random, 1, n, h),
        random(random, 1, h));
  }

  @Test
  void handValue() {
    Tensor g = nan(1, 1);
    Tensor beta = nan(1, 1);
    reference.forward(
        zeros(1, 1),
        zeros(1, 1),
        Tensor.of(new float[] {(float) Math.log(3)}, 1),
        zeros(1),
        2f,
        g,
        beta);
    assertThat((double) g.get(0)).isCloseTo(-3 * Math.log(2), within(1e-6));
    assertThat(beta.get(0)).isEqualTo(1f);
  }

  @Test
  void referenceGradients() {
    Case c = newCase(4, 3, 1);
    Results r = run(reference, c);
    Tensor dALog = zeros(3);
    Tensor dDtBias = zeros(3);
    reference.backward(
        c.a, c.b, c.aLog, c.dtBias, c.betaMax, c.dg, c.dBeta, nan(4, 3), nan(4, 3), dALog, dDtBias);
    Tensor g = nan(4, 3);
    Tensor beta = nan(4, 3);
    DoubleSupplier loss =
        () -> {
          reference.forward(c.a, c.b, c.aLog, c.dtBias, c.betaMax, g, beta);
          return dot(g, c.dg) + dot(beta, c.dBeta);
        };
    assertGradient("da", c.a, r.da, loss, 1e-3);
    assertGradient("db", c.b, r.db, loss, 1e-3);
    assertGradient("dALog", c.aLog, dALog, loss, 1e-3);
    assertGradient("dDtBias", c.dtBias, dDtBias, loss, 1e-3);
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReference() {
    for (int n : new int[] {1, 13, 63, 64, 65, 207, 1500}) {
      for (int h : new int[] {1, 5, 14, 16, 33}) {
        Case c = newCase(n, h, 3);
        Results expected = run(reference, c);
        Results[] first = {null};
        onEveryTeam(pool -> {
          String what = "n " + n + ", h " + h + ", threads " + pool.threads();
          Results r = run(new CpuDecayGate(pool), c);
          assertClose(what + " g", r.g, expected.g, 1e-6);
          assertClose(what + " beta", r.beta, expected.beta, 1e-6);
          assertClose(what + " da", r.da, expected.da, 1e-6);
          assertClose(what + " db", r.db, expected.db, 1e-6);
          assertClose(what + " dALog", r.dALog, expected.dALog, 3e-6);
          assertClose(what + " dDtBias", r.dDtBias, expected.dDtBias, 3e-6);
          first[0] = first[0] == null ? r : first[0];
          assertSameBits(what + " da", r.da, first[0].da);
          assertSameBits(what + " dALog", r.dALog, first[0].dALog);
          assertSameBits(what + " dDtBias", r.dDtBias, first[0].dDtBias);
        });
      }
    }
  }

  @Test
  @Tag("scalar")
  void extremeInputs() {
    Tensor a = Tensor.of(new float[] {-80, 80, -1e4f, 1e4f, -20, 0}, 6, 1);
    Tensor aLog = zeros(1);
    Tensor ones = Tensor.of(new float[] {1, 1, 1, 1, 1, 1}, 6, 1);
    try (ComputePool pool = new ComputePool(1)) {
      for (DecayGate op : new DecayGate[] {reference, new CpuDecayGate(pool)}) {
        Tensor g = nan(6, 1);
        Tensor beta = nan(6, 1);
        op.forward(a, a, aLog, zeros(1), 1f, g, beta);
        assertThat(-g.get(0)).isBetween(1.8048e-35f, 1.8049e-35f);
        assertThat(g.get(1)).isEqualTo(-80f);
        assertThat(g.get(2)).isZero();
        assertThat(g.get(3)).isEqualTo(-1e4f);
        assertThat(-g.get(4)).isBetween(2.0611535e-9f, 2.0611539e-9f);
        assertThat(beta.toFloats()).containsExactly(beta.get(0), 1f, 0f, 1f, beta.get(4), 0.5f);
        assertThat(beta.get(0)).isBetween(1.8048e-35f, 1.8049e-35f);
        Tensor da = nan(6, 1);
        Tensor db = nan(6, 1);
        op.backward(a, a, aLog, zeros(1), 1f, ones, ones, da, db, zeros(1), zeros(1));
        assertThat(da.get(1)).isEqualTo(-1f);
        assertThat(da.get(2)).isZero();
        assertThat(db.get(1)).isBetween(0f, 1e-30f);
      }
    }
  }
}
