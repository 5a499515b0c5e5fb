package io.hydrahead.ops.norm;

import static io.hydrahead.ops.OpsTesting.nan;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaL2NormTest extends CudaOpsTesting {
  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    L2Norm reference = new ReferenceL2Norm();
    L2Norm cuda = new CudaL2Norm(device());
    for (int d : new int[] {33, 128}) {
      for (int n : new int[] {1, 13, 207}) {
        final String what = f + ", n " + n + ", d " + d;
        Tensor x = values(f, 2, n, d);
        Tensor y = nan(n, d);
        Tensor rnorm = nan(n);
        reference.forward(x, 1e-6f, y, rnorm);
        Tensor cudaY = matrix(f, x);
        Tensor cudaRnorm = empty(DType.F32, n);
        cuda.forward(cudaY, 1e-6f, cudaY, cudaRnorm);
        assertClose(what + " y", cudaY, y, f.stored(1e-6));
        assertClose(what + " rnorm", cudaRnorm, rnorm, 1e-6);

        Tensor dy = values(f, 1, n, d);
        Tensor dx = nan(n, d);
        reference.backward(download(cudaY), download(cudaRnorm), dy, dx);
        Tensor cudaDx = matrix(f, dy);
        cuda.backward(cudaY, cudaRnorm, cudaDx, cudaDx);
        assertClose(what + " dx", cudaDx, dx, f.stored(3e-6));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("forms")
  void rowsCanBeShared(Form f) {
    L2Norm reference = new ReferenceL2Norm();
    L2Norm cuda = new CudaL2Norm(device());
    for (int m : new int[] {2, 3}) {
      for (int d : new int[] {16, 33, 128}) {
        for (int n : new int[] {1, 13, 207}) {
          final String what = f + ", m " + m + ", n " + n + ", d " + d;
          Tensor x = values(f, 2, n, d);
          Tensor y = nan((long) n * m, d);
          Tensor rnorm = nan(n);
          reference.forward(x, 1e-6f, y, rnorm);
          Tensor cudaY = unwritten(f, (long) n * m, d);
          Tensor cudaRnorm = empty(DType.F32, n);
          cuda.forward(matrix(f, x), 1e-6f, cudaY, cudaRnorm);
          assertClose(what + " y", cudaY, y, f.stored(1e-6));
          assertClose(what + " rnorm", cudaRnorm, rnorm, 1e-6);

          Tensor dy = values(f, 1, (long) n * m, d);
          Tensor dx = nan(n, d);
          reference.backward(download(cudaY), download(cudaRnorm), dy, dx);
          Tensor cudaDx = unwritten(f, n, d);
          cuda.backward(cudaY, cudaRnorm, matrix(f, dy), cudaDx);
          assertClose(what + " dx", cudaDx, dx, f.stored(3e-6));
        }
      }
    }
  }
}
