package io.hydrahead.ops.optim;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.nan;
import static io.hydrahead.ops.OpsTesting.zeros;
import static io.hydrahead.ops.Samples.rounded;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.OpsTesting;
import io.hydrahead.ops.optim.Optim.Rule;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class CudaOptimTest extends CudaOpsTesting {
  private static final int[] SIZES = {1, 13, 207, 4098, 70_001};
  private final Optim reference = new ReferenceOptim();

  private static Tensor doubles(double value) {
    Tensor t = Tensor.allocate(Arena.ofAuto(), DType.F64, 1);
    t.setDouble(0, value);
    return t;
  }

  @Test
  void agreesWithTheReferenceOverSteps() {
    Optim cuda = new CudaOptim(device(), scratch());
    for (int n : SIZES) {
      for (int offset : new int[] {0, 1}) { // 1: not at a multiple of 16 bytes
        Rule rule = new Rule(0.9f, 0.95f, 1e-8f, 0.1f, 1e-2);
        Tensor p = OpsTesting.random(random, 1, n);
        Tensor m = zeros(n);
        Tensor v = zeros(n);
        final Tensor cudaP = empty(DType.F32, n + offset).rows(offset, n);
        cudaP.copyFrom(p);
        final Tensor cudaM = upload(m);
        final Tensor cudaV = upload(v);
        Tensor working = empty(DType.BF16, n);
        for (int step = 1; step <= 3; step++) {
          Tensor g = OpsTesting.random(random, 1e-3, n);
          Tensor rates = zeros(3);
          rule.rates(0.01f, step, rates);
          Tensor squares = doubles(0);
          reference.addSquares(g, squares);
          reference.adamW(rule, p, g, m, v, null, rates, squares);
          Tensor cudaG = upload(g);
          Tensor sum = upload(doubles(0));
          cuda.addSquares(cudaG, sum);
          assertThat(sum.getDouble(0))
              .isCloseTo(squares.getDouble(0), within(1e-13 * squares.getDouble(0)));
          cuda.adamW(rule, cudaP, cudaG, cudaM, cudaV, working, upload(rates), sum);
        }
        String what = "n " + n + ", offset " + offset;
        assertClose(what + " param", cudaP, p, 1e-6);
        assertClose(what + " m", cudaM, m, 1e-6);
        assertClose(what + " v", cudaV, v, 1e-6);
        assertSameBits(what + " working", working, rounded(download(cudaP), DType.BF16));
      }
    }
  }

  @Test
  void infiniteGradientsChangeNothing() {
    Optim cuda = new CudaOptim(device(), scratch());
    Rule rule = new Rule(0.9f, 0.95f, 1e-8f, 0.1f, 1);
    Tensor p = OpsTesting.random(random, 1, 70);
    for (double squares : new double[] {Double.NaN, Double.POSITIVE_INFINITY}) {
      Tensor cudaP = upload(p);
      Tensor g = upload(p);
      Tensor rates = zeros(3);
      rule.rates(0.1f, 1, rates);
      cuda.adamW(
          rule, cudaP, g, upload(p), upload(p), null, upload(rates), upload(doubles(squares)));
      assertSameBits("param", cudaP, p);
    }
  }

  @Test
  void sums() {
    Optim cuda = new CudaOptim(device(), scratch());
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      Form f = new Form(type, Rows.DENSE);
      for (int n : SIZES) {
        Tensor x = values(f, 1, n);
        Tensor y = values(f, 1, n);
        final Tensor sum = nan(n);
        final Tensor axpy = copy(y);
        reference.sum(x, y, sum);
        reference.axpy(-0.3f, x, axpy);
        Tensor cudaX = upload(x, type);
        Tensor cudaY = upload(y, type);
        Tensor out = empty(type, n);
        cuda.sum(cudaX, cudaY, out);
        assertSameBits(type + " sum", out, rounded(sum, type));
        cuda.axpy(-0.3f, cudaX, cudaY);
        assertClose(type + " axpy", cudaY, axpy, f.stored(1e-7));
        Tensor squares = doubles(2);
        reference.addSquares(x, squares);
        Tensor cudaSquares = upload(doubles(2));
        cuda.addSquares(cudaX, cudaSquares);
        assertThat(cudaSquares.getDouble(0))
            .isCloseTo(squares.getDouble(0), within(1e-13 * squares.getDouble(0)));
      }
    }
  }

  @Test
  void squaredErrors() {
    Optim cuda = new CudaOptim(device(), scratch());
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      Form f = new Form(type, Rows.DENSE);
      for (int n : SIZES) {
        for (int offset : new int[] {0, 1}) { // 1: not at a multiple of 16 bytes
          Tensor x = values(f, 1, n);
          Tensor y = values(f, 1, n);
          Tensor expected = nan(n);
          Tensor loss = doubles(2);
          reference.squaredError(x, y, doubles(0.1), doubles(7), expected, loss);
          Tensor cudaX = empty(type, n + offset).rows(offset, n);
          cudaX.copyFrom(upload(x, type));
          Tensor dx = empty(type, n);
          Tensor sum = upload(doubles(2));
          cuda.squaredError(
              cudaX, upload(y, type), upload(doubles(0.1)), upload(doubles(7)), dx, sum);
          assertClose(type + " gradient of " + n, dx, expected, f.stored(1e-6));
          assertThat(sum.getDouble(0))
              .isCloseTo(loss.getDouble(0), within(1e-6 * loss.getDouble(0)));
        }
      }
    }
  }

  @Test
  void conversions() {
    Optim cuda = new CudaOptim(device(), scratch());
    for (int n : SIZES) {
      Tensor x = OpsTesting.random(random, 1, n);
      Tensor narrow = empty(DType.BF16, n);
      cuda.convert(upload(x), narrow);
      assertSameBits("to bf16", narrow, rounded(x, DType.BF16));
      Tensor wide = empty(DType.F32, n);
      cuda.convert(narrow, wide);
      assertSameBits("to float32", wide, narrow);
    }
    Tensor slice = emptyWide(DType.F32, 3, 5, 1, 1);
    assertThatThrownBy(() -> cuda.axpy(1f, slice, slice)).hasMessageContaining("column slice");
  }
}
