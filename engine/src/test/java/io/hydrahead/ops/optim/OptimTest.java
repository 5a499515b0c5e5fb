package io.hydrahead.ops.optim;

import static io.hydrahead.ops.OpsTesting.assertClose;
import static io.hydrahead.ops.OpsTesting.assertSameBits;
import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.OpsTesting.onEverySize;
import static io.hydrahead.ops.OpsTesting.onEveryTeam;
import static io.hydrahead.ops.OpsTesting.random;
import static io.hydrahead.ops.OpsTesting.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.ops.optim.Optim.Rule;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class OptimTest {
  private final Random random = new Random(10);
  private final Optim reference = new ReferenceOptim();

  /** The first step moves every element by lr, whatever the size of its gradient. */
  @Test
  void firstStepByHand() {
    Tensor p = Tensor.of(new float[] {1, -2, 3}, 3);
    Tensor m = zeros(3);
    Tensor v = zeros(3);
    Tensor g = Tensor.of(new float[] {8, -1, 0}, 3);
    step(reference, new Rule(0.9f, 0.95f, 1e-12f, 0.5f, 2), p, g, m, v, null, 0.1f, 1, 1);
    assertThat(p.get(0)).isCloseTo(0.95f - 0.1f, within(1e-6f));
    assertThat(p.get(1)).isCloseTo(-1.9f + 0.1f, within(1e-6f));
    assertThat(p.get(2)).isCloseTo(2.85f, within(1e-6f));
    assertThat(m.get(0)).isCloseTo(0.8f, within(1e-6f));
    assertThat(v.get(0)).isCloseTo(3.2f, within(1e-5f));
  }

  private static void step(
      Optim op,
      Rule rule,
      Tensor p,
      Tensor g,
      Tensor m,
      Tensor v,
      Tensor working,
      float lr,
      int step,
      double squares) {
    Tensor rates = zeros(3);
    rule.rates(lr, step, rates);
    op.adamW(rule, p, g, m, v, working, rates, doubles(squares));
  }

  private static Tensor doubles(double value) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.F64, 1);
    t.setDouble(0, value);
    return t;
  }

  private static double squares(Optim op, Tensor x) {
    Tensor sum = doubles(0);
    op.addSquares(x, sum);
    return sum.getDouble(0);
  }

  /** Gradients of norm 10 are halved at a clip of 5, and left alone at 20. */
  @Test
  void clippingScalesTheGradient() {
    for (double clip : new double[] {5, 20, 0}) {
      Tensor m = zeros(1);
      Rule rule = new Rule(0.5f, 0.5f, 1e-8f, 0, clip);
      step(reference, rule, zeros(1), Tensor.of(new float[] {4}, 1), m, zeros(1), null, 1f, 1, 100);
      assertThat(m.get(0)).isEqualTo(clip == 5 ? 1f : 2f);
    }
  }

  @Test
  void workingCopiesFollowAndInfiniteGradientsChangeNothing() {
    onEveryTeam(pool -> {
      for (Optim op : new Optim[] {reference, new CpuOptim(pool)}) {
        Tensor p = random(random, 1, 70);
        Tensor working = Tensor.allocate(Arena.ofAuto(), DType.BF16, 70);
        Rule rule = new Rule(0.9f, 0.95f, 1e-8f, 0.1f, 1);
        Tensor g = random(random, 1, 70);
        step(op, rule, p, g, zeros(70), zeros(70), working, 0.1f, 1, 70);
        Tensor rounded = Tensor.allocate(Arena.ofAuto(), DType.BF16, 70);
        rounded.copyFrom(p);
        assertThat(working.toFloats()).containsExactly(rounded.toFloats());
        Tensor before = copy(p);
        step(op, rule, p, g, zeros(70), zeros(70), working, 0.1f, 2, Double.NaN);
        assertSameBits("param", p, before);
      }
    });
  }

  @Test
  @Tag("scalar")
  void cpuEqualsReferenceOverSteps() {
    onEverySize((n, c) -> {
      Tensor p = random(random, 1, n, c);
      Tensor m = zeros(n, c);
      Tensor v = zeros(n, c);
      Tensor[] gradients = new Tensor[3];
      for (int i = 0; i < gradients.length; i++) {
        gradients[i] = random(random, 1e-3, n, c);
      }
      Tensor start = copy(p);
      steps(reference, p, gradients, m, v);
      Tensor[] first = {null};
      onEveryTeam(pool -> {
        String what = "n " + n + ", c " + c + ", threads " + pool.threads();
        Tensor pCpu = copy(start);
        Tensor mCpu = zeros(n, c);
        Tensor vCpu = zeros(n, c);
        steps(new CpuOptim(pool), pCpu, gradients, mCpu, vCpu);
        assertClose(what + " param", pCpu, p, 1e-6);
        assertClose(what + " m", mCpu, m, 1e-6);
        assertClose(what + " v", vCpu, v, 1e-6);
        first[0] = first[0] == null ? pCpu : first[0];
        assertSameBits(what, pCpu, first[0]);
      });
    });
  }

  private static void steps(Optim op, Tensor p, Tensor[] gradients, Tensor m, Tensor v) {
    Rule rule = new Rule(0.9f, 0.95f, 1e-8f, 0.1f, 7);
    for (int i = 0; i < gradients.length; i++) {
      step(op, rule, p, gradients[i], m, v, null, 0.01f, i + 1, 100);
    }
  }

  @Test
  @Tag("scalar")
  void sumOfSquaresAxpyAndSum() {
    onEverySize((n, c) -> {
      Tensor x = random(random, 1, n, c);
      Tensor y = random(random, 1, n, c);
      double squares = squares(reference, x);
      Tensor expected = copy(y);
      reference.axpy(-0.3f, x, expected);
      Tensor expectedSum = nan(n, c);
      reference.sum(x, y, expectedSum);
      double[] first = {Double.NaN};
      onEveryTeam(pool -> {
        String what = "n " + n + ", c " + c + ", threads " + pool.threads();
        Optim cpu = new CpuOptim(pool);
        double sum = squares(cpu, x);
        assertThat(sum).as(what).isCloseTo(squares, within(1e-13 * squares));
        first[0] = Double.isNaN(first[0]) ? sum : first[0];
        assertThat(sum).as(what).isEqualTo(first[0]);
        Tensor yCpu = copy(y);
        cpu.axpy(-0.3f, x, yCpu);
        assertClose(what, yCpu, expected, 1e-7);
        Tensor total = nan(n, c);
        cpu.sum(x, y, total);
        assertSameBits(what + " sum", total, expectedSum);
      });
    });
  }

  /** ‖x − y‖² of (3, 1) and (1, 2) is 5; over a norm of 10, in four parts, 1/8. */
  @Test
  void squaredErrorByHand() {
    onEveryTeam(pool -> {
      for (Optim op : new Optim[] {reference, new CpuOptim(pool)}) {
        Tensor x = Tensor.of(new float[] {3, 1}, 2);
        Tensor y = Tensor.of(new float[] {1, 2}, 2);
        Tensor dx = nan(2);
        Tensor sum = doubles(1);
        op.squaredError(x, y, doubles(0.25), doubles(10), dx, sum);
        assertThat(sum.getDouble(0)).isCloseTo(1.125, within(1e-7));
        assertThat(dx.get(0)).isCloseTo(0.1f, within(1e-7f));
        assertThat(dx.get(1)).isCloseTo(-0.05f, within(1e-7f));
      }
    });
  }

  @Test
  @Tag("scalar")
  void squaredErrorEqualsReference() {
    onEverySize((n, c) -> {
      Tensor x = random(random, 1, n, c);
      Tensor y = random(random, 1, n, c);
      Tensor expected = nan(n, c);
      Tensor loss = doubles(2);
      reference.squaredError(x, y, doubles(0.1), doubles(7), expected, loss);
      onEveryTeam(pool -> {
        Tensor dx = nan(n, c);
        Tensor sum = doubles(2);
        new CpuOptim(pool).squaredError(x, y, doubles(0.1), doubles(7), dx, sum);
        assertClose("n " + n + ", c " + c, dx, expected, 1e-6);
        assertThat(sum.getDouble(0)).isCloseTo(loss.getDouble(0), within(1e-6 * loss.getDouble(0)));
      });
    });
  }

  @Test
  void stepsCountFromOne() {
    assertThatThrownBy(() -> new Rule(0.9f, 0.95f, 1e-8f, 0f, 1).rates(1f, 0, zeros(3)))
        .hasMessageContaining("steps from 1");
  }
}
