package io.hydrahead.ops.loss;

import static io.hydrahead.ops.OpsTesting.assertClose;
import static io.hydrahead.ops.OpsTesting.assertGradient;
import static io.hydrahead.ops.OpsTesting.assertSameBits;
import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.integers;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.OpsTesting.onEverySize;
import static io.hydrahead.ops.OpsTesting.onEveryTeam;
import static io.hydrahead.ops.OpsTesting.random;
import static io.hydrahead.ops.OpsTesting.zeros;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class TokenLossTest {
  private static final double SUM = 0;

  private final Random random = new Random(8);
  private final TokenLoss reference = new ReferenceTokenLoss();

  private static double crossEntropy(
      TokenLoss op, Tensor logits, int[] targets, float[] weights, float gradScale, Tensor d) {
    Tensor sum = sum();
    op.crossEntropy(logits, integers(targets), floats(weights), floats(gradScale), d, sum);
    return sum.getDouble(0) - SUM;
  }

  private static double kl(
      TokenLoss op, Tensor teacher, Tensor student, float[] weights, float gradScale, Tensor d) {
    Tensor sum = sum();
    op.kl(teacher, student, floats(weights), floats(gradScale), d, sum);
    return sum.getDouble(0) - SUM;
  }

  private static Tensor floats(float... values) {
    return Tensor.of(values, values.length);
  }

  /** A sum that is not zero, to see that losses are added. */
  private static Tensor sum() {
    Tensor sum = Tensor.allocate(Arena.ofAuto(), DType.F64, 1);
    sum.setDouble(0, SUM);
    return sum;
  }

  private int[] targets(int n, int v) {
    int[] targets = new int[n];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = i % 5 == 4 ? -1 : random.nextInt(v);
    }
    return targets;
  }

  private float[] weights(int n) {
    float[] weights = new float[n];
    for (int i = 0; i < weights.length; i++) {
      weights[i] = i % 7 == 6 ? 0f : random.nextFloat() + 0.1f;
    }
    return weights;
  }

  @Test
  void handValue() {
    Tensor logits = Tensor.of(new float[] {0, 0, 0, (float) Math.log(3)}, 2, 2);
    Tensor d = nan(2, 2);
    double loss = crossEntropy(reference, logits, new int[] {1, 0}, new float[] {1, 2}, 10, d);
    assertThat(loss).isCloseTo(Math.log(2) + 2 * Math.log(4), within(1e-6));
    assertThat(d.toFloats()).containsExactly(5, -5, -15, 15);
  }

  @Test
  void referenceGradients() {
    Tensor logits = random(random, 1, 6, 5);
    Tensor teacher = random(random, 1, 6, 5);
    int[] targets = targets(6, 5);
    float[] weights = weights(6);
    Tensor d = nan(6, 5);
    crossEntropy(reference, logits, targets, weights, 2f, d);
    assertGradient(
        "cross-entropy",
        logits,
        d,
        () -> 2 * crossEntropy(reference, logits, targets, weights, 0f, null),
        1e-3);
    Tensor k = zeros(6, 5);
    kl(reference, teacher, logits, weights, 3f, k);
    assertGradient(
        "KL", logits, k, () -> 3 * kl(reference, teacher, logits, weights, 0f, null), 1e-3);
  }

  @Test
  @Tag("scalar")
  void crossEntropyOfCpuEqualsReference() {
    onEverySize((n, v) -> {
      Tensor logits = random(random, 4, n, v);
      int[] targets = targets(n, v);
      float[] weights = weights(n);
      Tensor d = nan(n, v);
      double loss = crossEntropy(reference, logits, targets, weights, 0.5f, d);
      Tensor[] first = {null};
      double[] firstLoss = {Double.NaN};
      onEveryTeam(pool -> {
        String what = "n " + n + ", v " + v + ", threads " + pool.threads();
        TokenLoss cpu = new CpuTokenLoss(pool);
        double alone = crossEntropy(cpu, logits, targets, weights, 0.5f, null);
        assertThat(alone).as(what).isCloseTo(loss, within(1e-6 * n + 1e-6 * loss));
        Tensor dCpu = copy(logits);
        double both = crossEntropy(cpu, dCpu, targets, weights, 0.5f, dCpu);
        assertThat(both).as(what).isEqualTo(alone);
        assertClose(what + " dLogits in place", dCpu, d, v == 1 ? 1e-6 : 2e-6);
        if (first[0] == null) {
          first[0] = dCpu;
          firstLoss[0] = both;
        }
        assertThat(both).as(what).isEqualTo(firstLoss[0]);
        assertSameBits(what, dCpu, first[0]);
      });
    });
  }

  @Test
  @Tag("scalar")
  void klOfCpuEqualsReference() {
    onEverySize((n, v) -> {
      Tensor teacher = random(random, 4, n, v);
      Tensor student = random(random, 4, n, v);
      float[] weights = weights(n);
      Tensor old = random(random, 1, n, v);
      Tensor d = copy(old);
      double loss = kl(reference, teacher, student, weights, 0.5f, d);
      Tensor[] first = {null};
      double[] firstLoss = {Double.NaN};
      onEveryTeam(pool -> {
        String what = "n " + n + ", v " + v + ", threads " + pool.threads();
        TokenLoss cpu = new CpuTokenLoss(pool);
        double alone = kl(cpu, teacher, student, weights, 0.5f, null);
        assertThat(alone).as(what).isCloseTo(loss, within(1e-6 * n + 1e-6 * loss));
        Tensor dCpu = copy(old);
        double both = kl(cpu, teacher, student, weights, 0.5f, dCpu);
        assertThat(both).as(what).isEqualTo(alone);
        assertClose(what + " dStudent", dCpu, d, 1e-6);
        if (first[0] == null) {
          first[0] = dCpu;
          firstLoss[0] = both;
        }
        assertThat(both).as(what).isEqualTo(firstLoss[0]);
        assertSameBits(what, dCpu, first[0]);
      });
    });
  }

  @Test
  @Tag("scalar")
  void klOfNearlyEqualModelsKeepsItsDigits() {
    Tensor teacher = random(random, 4, 5, 1024);
    Tensor student = copy(teacher);
    for (long i = 0; i < student.size(); i++) {
      student.set(i, student.get(i) + 1e-3f * (float) random.nextGaussian());
    }
    float[] weights = {1, 1, 1, 1, 1};
    double expected = kl(reference, teacher, student, weights, 1f, null);
    try (ComputePool pool = new ComputePool(1)) {
      double kl = kl(new CpuTokenLoss(pool), teacher, student, weights, 1f, null);
      assertThat(kl).isCloseTo(expected, within(1e-2 * expected));
      assertThat(kl(new CpuTokenLoss(pool), teacher, teacher, weights, 1f, null)).isZero();
    }
  }

  @Test
  @Tag("scalar")
  void largeLogitsAndOddsOfNothing() {
    float[] row = new float[40];
    java.util.Arrays.fill(row, -3e4f);
    row[17] = 3e4f;
    Tensor logits = Tensor.of(row, 1, 40);
    try (ComputePool pool = new ComputePool(1)) {
      for (TokenLoss op : new TokenLoss[] {reference, new CpuTokenLoss(pool)}) {
        Tensor d = nan(1, 40);
        assertThat(crossEntropy(op, logits, new int[] {17}, new float[] {1}, 1f, d)).isZero();
        assertThat(d.toFloats()).containsOnly(0f);
        assertThat(crossEntropy(op, logits, new int[] {3}, new float[] {1}, 1f, d)).isEqualTo(6e4);
        assertThat(d.get(3)).isEqualTo(-1f);
        assertThat(d.get(17)).isEqualTo(1f);
        Tensor flat = zeros(1, 40);
        double kl = kl(op, logits, flat, new float[] {1}, 1f, zeros(1, 40));
        assertThat(kl).isCloseTo(Math.log(40), within(1e-5));
      }
    }
  }

  @Test
  @Tag("scalar")
  void rowsLeftOutGetZeroGradient() {
    try (ComputePool pool = new ComputePool(1)) {
      for (TokenLoss op : new TokenLoss[] {reference, new CpuTokenLoss(pool)}) {
        Tensor d = nan(2, 5);
        Tensor logits = nan(2, 5);
        assertThat(crossEntropy(op, logits, new int[] {-1, 3}, new float[] {1, 0}, 1f, d)).isZero();
        assertThat(d.toFloats()).containsOnly(0f);
        assertThat(kl(op, logits, logits, new float[] {0, 0}, 1f, d)).isZero();
        assertThat(d.toFloats()).containsOnly(0f);
      }
    }
  }

  @Test
  void misfitsAreNamed() {
    assertThatThrownBy(
            () -> crossEntropy(reference, zeros(1, 5), new int[] {5}, new float[] {1}, 1f, null))
        .hasMessageContaining("target 5 in a vocabulary of 5");
    assertThatThrownBy(() -> kl(reference, zeros(2, 5), zeros(2, 5), new float[] {1}, 1f, null))
        .hasMessageContaining("weights must be 2");
  }
}
