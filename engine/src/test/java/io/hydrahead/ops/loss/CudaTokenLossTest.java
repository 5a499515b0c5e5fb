package io.hydrahead.ops.loss;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.integers;
import static io.hydrahead.ops.OpsTesting.nan;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaTokenLossTest extends CudaOpsTesting {
  private static final double BEFORE = 3;

  private final TokenLoss reference = new ReferenceTokenLoss();
  private final Tensor scale = Tensor.of(new float[] {0.5f}, 1);

  /** A sum that is not zero, to see that losses are added. */
  private static Tensor sum() {
    Tensor sum = Tensor.allocate(Arena.ofAuto(), DType.F64, 1);
    sum.setDouble(0, BEFORE);
    return sum;
  }

  private static void assertLoss(String what, Tensor actual, Tensor expected, double tolerance) {
    double loss = expected.getDouble(0) - BEFORE;
    assertThat(actual.getDouble(0) - BEFORE)
        .as(what)
        .isCloseTo(loss, within(tolerance * (1 + Math.abs(loss))));
  }

  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    for (int v : new int[] {1, 33, 384, 8192}) {
      for (int n : new int[] {1, 13}) {
        compare(f, n, v);
      }
    }
    compare(f, 3, 40_000); // more than registers hold
  }

  private void compare(Form f, int n, int v) {
    final String what = f + ", n " + n + ", vocabulary " + v;
    final TokenLoss cuda = new CudaTokenLoss(device(), scratch());
    int[] targets = new int[n];
    Tensor weights = nan(n);
    for (int i = 0; i < n; i++) {
      targets[i] = i % 5 == 4 ? -1 : random.nextInt(v);
      weights.set(i, i % 7 == 6 ? 0f : random.nextFloat() + 0.1f);
    }
    final Tensor student = values(f, 4, n, v);
    final Tensor teacher = values(f, 4, n, v);
    final Tensor cudaStudent = matrix(f, student);
    final Tensor cudaTeacher = matrix(f, teacher);
    final Tensor cudaTargets = upload(integers(targets));
    final Tensor cudaWeights = upload(weights);
    final Tensor cudaScale = upload(scale);

    Tensor d = nan(n, v);
    Tensor sum = sum();
    reference.crossEntropy(student, integers(targets), weights, scale, d, sum);
    Tensor cudaD = unwritten(f, n, v);
    Tensor cudaSum = upload(sum());
    cuda.crossEntropy(cudaStudent, cudaTargets, cudaWeights, cudaScale, cudaD, cudaSum);
    assertLoss(what + " cross-entropy", cudaSum, sum, 2e-6);
    assertClose(what + " dLogits", cudaD, d, v == 1 ? 1e-6 : f.stored(4e-6));
    Tensor alone = upload(sum());
    cuda.crossEntropy(cudaStudent, cudaTargets, cudaWeights, null, null, alone);
    assertThat(alone.getDouble(0)).as(what).isEqualTo(cudaSum.getDouble(0));

    Tensor added = values(f, 1, n, v);
    Tensor cudaAdded = matrix(f, added);
    Tensor kl = sum();
    reference.kl(teacher, student, weights, scale, added, kl);
    Tensor cudaKl = upload(sum());
    cuda.kl(cudaTeacher, cudaStudent, cudaWeights, cudaScale, cudaAdded, cudaKl);
    assertLoss(what + " KL", cudaKl, kl, 5e-6);
    assertClose(what + " dStudent", cudaAdded, added, f.stored(2e-6));
    alone = upload(sum());
    cuda.kl(cudaTeacher, cudaStudent, cudaWeights, null, null, alone);
    assertThat(alone.getDouble(0)).as(what).isEqualTo(cudaKl.getDouble(0));

    Tensor both = nan(n, v);
    reference.distil(
        teacher, student, integers(targets), weights, scale, scale, both, sum(), sum());
    Tensor cudaBoth = unwritten(f, n, v);
    Tensor klAgain = upload(sum());
    Tensor crossEntropyAgain = upload(sum());
    cuda.distil(
        cudaTeacher,
        cudaStudent,
        cudaTargets,
        cudaWeights,
        cudaScale,
        cudaScale,
        cudaBoth,
        klAgain,
        crossEntropyAgain);
    if (v > 1) {
      assertClose(what + " both gradients", cudaBoth, both, f.stored(4e-6));
    }
    assertLoss(what + " KL of both", klAgain, kl, 5e-6);
    assertLoss(what + " cross-entropy of both", crossEntropyAgain, sum, 2e-6);

    cuda.crossEntropy(cudaStudent, cudaTargets, cudaWeights, cudaScale, cudaStudent, upload(sum()));
    assertSameBits(what + " in place", cudaStudent, cudaD);
  }

  @Test
  void klOfNearlyEqualModelsKeepsItsDigits() {
    Form f = new Form(DType.F32, Rows.DENSE);
    TokenLoss cuda = new CudaTokenLoss(device(), scratch());
    for (int v : new int[] {1024, 40_000}) {
      Tensor teacher = values(f, 4, 5, v);
      Tensor student = copy(teacher);
      for (long i = 0; i < student.size(); i++) {
        student.set(i, student.get(i) + 1e-3f * (float) random.nextGaussian());
      }
      Tensor weights = Tensor.of(new float[] {1, 1, 1, 1, 1}, 5);
      Tensor expected = sum();
      expected.setDouble(0, 0);
      reference.kl(teacher, student, weights, scale, null, expected);
      Tensor sum = empty(DType.F64, 1);
      sum.setDouble(0, 0);
      cuda.kl(upload(teacher), upload(student), upload(weights), null, null, sum);
      double kl = expected.getDouble(0);
      assertThat(sum.getDouble(0)).isCloseTo(kl, within(1e-2 * kl));
      sum.setDouble(0, 0);
      cuda.kl(upload(teacher), upload(teacher), upload(weights), null, null, sum);
      assertThat(sum.getDouble(0)).isZero();
    }
  }

  @Test
  void largeLogitsAndRowsLeftOut() {
    TokenLoss cuda = new CudaTokenLoss(device(), scratch());
    float[] row = new float[80];
    java.util.Arrays.fill(row, -3e4f);
    row[17] = 3e4f;
    java.util.Arrays.fill(row, 40, 80, Float.NaN);
    Tensor logits = upload(Tensor.of(row, 2, 40));
    Tensor d = empty(DType.F32, 2, 40);
    Tensor sum = upload(sum());
    Tensor weights = upload(Tensor.of(new float[] {1, 0}, 2));
    Tensor one = upload(Tensor.of(new float[] {1}, 1));
    cuda.crossEntropy(logits, upload(integers(3, 3)), weights, one, d, sum);
    assertThat(sum.getDouble(0)).isEqualTo(BEFORE + 6e4);
    assertThat(d.get(3)).isEqualTo(-1f);
    assertThat(d.get(17)).isEqualTo(1f);
    assertThat(d.get(57)).as("a row without weight").isZero();
    sum.setDouble(0, 0);
    cuda.kl(logits, upload(Tensor.of(new float[80], 2, 40)), weights, null, null, sum);
    assertThat(sum.getDouble(0)).isCloseTo(Math.log(40), within(1e-5));
  }
}
