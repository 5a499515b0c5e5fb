package io.hydrahead.ops.norm;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.Samples.rounded;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.OpsTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaRmsNormTest extends CudaOpsTesting {
  private static final float EPS = 1e-6f;
  private final RmsNorm reference = new ReferenceRmsNorm();

  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    for (int c : new int[] {1, 33, 384}) {
      for (int n : new int[] {1, 13, 207}) {
        compare(f, n, c);
      }
    }
    compare(f, 21, 2048);
  }

  private void compare(Form f, int n, int c) {
    final RmsNorm cuda = new CudaRmsNorm(device(), scratch());
    final String what = f + ", n " + n + ", c " + c;
    Tensor x = values(f, 2, n, c);
    Tensor w = OpsTesting.random(random, 1, c);
    Tensor y = nan(n, c);
    Tensor rstd = nan(n);
    reference.forward(x, w, EPS, y, rstd);
    final Tensor cudaX = matrix(f, x);
    Tensor cudaW = upload(w);
    Tensor cudaY = unwritten(f, n, c);
    Tensor cudaRstd = empty(DType.F32, n);
    cuda.forward(cudaX, cudaW, EPS, cudaY, cudaRstd);
    assertClose(what + " y", cudaY, y, f.stored(1e-6));
    assertClose(what + " rstd", cudaRstd, rstd, 1e-6);

    Tensor dy = values(f, 1, n, c);
    Tensor dw = OpsTesting.random(random, 1, c);
    Tensor cudaDy = matrix(f, dy);
    for (boolean accumulate : new boolean[] {false, true}) {
      Tensor dx = accumulate ? values(f, 1, n, c) : nan(n, c);
      Tensor cudaDx = accumulate ? matrix(f, dx) : unwritten(f, n, c);
      Tensor cudaDw = upload(dw);
      Tensor sum = copy(dw);
      reference.backward(x, w, rstd, dy, dx, accumulate, sum);
      cuda.backward(cudaX, cudaW, cudaRstd, cudaDy, cudaDx, accumulate, cudaDw);
      if (c > 1) { // at width 1, what the norm passes on is all rounding
        assertClose(what + " dx", cudaDx, dx, f.stored(5e-6));
      }
      assertClose(what + " dw", cudaDw, sum, 5e-6);
    }
    // The gradient may overwrite its upstream, and comes out the same.
    Tensor again = unwritten(f, n, c);
    cuda.backward(cudaX, cudaW, cudaRstd, cudaDy, again, false, upload(dw));
    cuda.backward(cudaX, cudaW, cudaRstd, cudaDy, cudaDy, false, upload(dw));
    assertSameBits(what + " dx on dy", cudaDy, again);
  }

  @ParameterizedTest
  @MethodSource("forms")
  void residualStep(Form f) {
    RmsNorm cuda = new CudaRmsNorm(device(), scratch());
    for (int c : new int[] {33, 384, 2048}) {
      int n = 21;
      Tensor x = values(f, 2, n, c);
      Tensor a = values(f, 1, n, c);
      Tensor w = OpsTesting.random(random, 1, c);
      Tensor sum = nan(n, c);
      for (long i = 0; i < sum.size(); i++) {
        sum.set(i, x.get(i) + a.get(i));
      }
      sum = rounded(sum, f.type());
      Tensor y = nan(n, c);
      Tensor rstd = nan(n);
      reference.forward(sum, w, EPS, y, rstd);
      Tensor cudaX = matrix(f, x);
      Tensor cudaSum = unwritten(f, n, c);
      Tensor cudaY = unwritten(f, n, c);
      Tensor cudaRstd = empty(DType.F32, n);
      cuda.addForward(cudaX, matrix(f, a), upload(w), EPS, cudaSum, cudaY, cudaRstd);
      assertClose(f + " sum", cudaSum, sum, 1e-7);
      assertClose(f + " y", cudaY, y, f.stored(1e-6));
      assertClose(f + " rstd", cudaRstd, rstd, 1e-6);
      cuda.addForward(cudaX, matrix(f, a), upload(w), EPS, cudaX, cudaY, null);
      assertSameBits(f + " sum on x", cudaX, cudaSum);
    }
  }

  @Test
  void weightsInBf16AndRowsOfAHead() {
    Form f = new Form(DType.BF16, Rows.DENSE);
    for (int c : new int[] {16, 128}) {
      Tensor x = values(f, 1, 999, c);
      Tensor w = values(f, 1, c);
      Tensor y = nan(999, c);
      reference.forward(x, w, EPS, y, null);
      Tensor cudaY = unwritten(f, 999, c);
      new CudaRmsNorm(device(), scratch())
          .forward(matrix(f, x), upload(w, DType.BF16), EPS, cudaY, null);
      assertClose("d " + c, cudaY, y, 6e-3);
    }
  }

  @Test
  void otherTypesAreNamed() {
    RmsNorm cuda = new CudaRmsNorm(device(), scratch());
    Tensor x = empty(DType.F32, 2, 8);
    assertThatThrownBy(() -> cuda.forward(x, empty(DType.F16, 8), EPS, x, null))
        .hasMessageContaining("F16");
    assertThatThrownBy(
            () -> cuda.forward(x, empty(DType.F32, 8), EPS, empty(DType.BF16, 2, 8), null))
        .hasMessageContaining("y must be 16 elements of F32");
  }
}
