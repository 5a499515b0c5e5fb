package io.hydrahead.ops.gemm;

import io.hydrahead.tensor.Tensor;

/** {@link Linear} as plain loops with float64 sums. */
public final class ReferenceLinear implements Linear {
  @Override
  public void forward(Tensor x, Tensor w, Tensor y, boolean accumulate) {
    LinearShape.checkMixed(x, w, y);
    long n = x.dim(0);
    long k = x.dim(1);
    long m = w.dim(0);
    for (long i = 0; i < n; i++) {
      for (long j = 0; j < m; j++) {
        double sum = accumulate ? y.get(i * m + j) : 0;
        for (long p = 0; p < k; p++) {
          sum += (double) x.get(i * k + p) * w.get(j * k + p);
        }
        y.set(i * m + j, (float) sum);
      }
    }
  }

  @Override
  public void backwardInput(Tensor dy, Tensor w, Tensor dx, boolean accumulate) {
    LinearShape.checkMixedInput(dy, w, dx);
    long n = dx.dim(0);
    long k = dx.dim(1);
    long m = w.dim(0);
    for (long i = 0; i < n; i++) {
      for (long p = 0; p < k; p++) {
        double sum = accumulate ? dx.get(i * k + p) : 0;
        for (long j = 0; j < m; j++) {
          sum += (double) dy.get(i * m + j) * w.get(j * k + p);
        }
        dx.set(i * k + p, (float) sum);
      }
    }
  }

  @Override
  public void backwardWeight(Tensor dy, Tensor x, Tensor dw) {
    LinearShape.checkMixedWeight(dy, x, dw);
    long n = x.dim(0);
    long k = x.dim(1);
    long m = dw.dim(0);
    for (long j = 0; j < m; j++) {
      for (long p = 0; p < k; p++) {
        double sum = dw.get(j * k + p);
        for (long i = 0; i < n; i++) {
          sum += (double) dy.get(i * m + j) * x.get(i * k + p);
        }
        dw.set(j * k + p, (float) sum);
      }
    }
  }
}
