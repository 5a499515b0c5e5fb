package io.hydrahead.ops.headprep;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.nan;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.OpsTesting;
import io.hydrahead.ops.headprep.HeadPrep.Shape;
import io.hydrahead.ops.headprep.HeadPrep.Tables;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaHeadPrepTest extends CudaOpsTesting {
  private final HeadPrep reference = new ReferenceHeadPrep();

  private Tables upload(Tables t) {
    return new Tables(
        t.cos() == null ? null : upload(t.cos()),
        t.sin() == null ? null : upload(t.sin()),
        t.scale() == null ? null : upload(t.scale()));
  }

  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    for (int d : new int[] {2, 32, 34, 128}) {
      for (int heads : new int[] {1, 5}) {
        for (int mode = 0; mode < 8; mode++) {
          Shape s = new Shape(7, heads, d, 1e-6f, (mode & 1) != 0 ? 1e-6f : 0f);
          compare(f, s, 21, (mode & 2) != 0, (mode & 4) != 0);
        }
      }
    }
    compare(f, new Shape(1, 3, 32, 1e-6f, 1e-6f), 1, true, false);
    compare(f, new Shape(1300, 1, 32, 1e-6f, 1e-6f), 2600, true, false);
  }

  private void compare(Form f, Shape s, int n, boolean rotary, boolean scale) {
    final HeadPrep cuda = new CudaHeadPrep(device(), scratch());
    final String what = f + ", " + s + ", rotary " + rotary;
    int width = s.heads() * s.headDim();
    Tables t = HeadPrepTest.tables(random, s, rotary, scale);
    Tables cudaT = upload(t);
    Tensor x = values(f, 2, n, width);
    Tensor w = OpsTesting.random(random, 1, s.headDim());
    Tensor y = nan(n, width);
    Tensor rstd = nan((long) n * s.heads());
    Tensor rnorm = s.l2() ? nan((long) n * s.heads()) : null;
    reference.forward(s, x, w, t, y, rstd, rnorm);
    Tensor cudaX = matrix(f, x);
    Tensor cudaW = upload(w);
    Tensor cudaY = unwritten(f, n, width);
    Tensor cudaRstd = empty(DType.F32, (long) n * s.heads());
    Tensor cudaRnorm = s.l2() ? empty(DType.F32, (long) n * s.heads()) : null;
    cuda.forward(s, cudaX, cudaW, cudaT, cudaY, cudaRstd, cudaRnorm);
    assertClose(what + " y", cudaY, y, f.stored(2e-6));
    assertClose(what + " rstd", cudaRstd, rstd, 1e-6);
    if (s.l2()) {
      assertClose(what + " rnorm", cudaRnorm, rnorm, 2e-6);
    }
    if (!scale) {
      Tensor dy = values(f, 1, n, width);
      Tensor dx = nan(n, width);
      Tensor dw = OpsTesting.random(random, 1, s.headDim());
      final Tensor cudaDw = upload(dw);
      final Tensor cudaDy = matrix(f, dy);
      final Tensor cudaDx = unwritten(f, n, width);
      reference.backward(s, x, w, t, y, rstd, rnorm, copy(dy), dx, dw);
      cuda.backward(s, cudaX, cudaW, cudaT, cudaY, cudaRstd, cudaRnorm, cudaDy, cudaDx, cudaDw);
      assertClose(what + " dx", cudaDx, dx, f.stored(2e-5));
      assertClose(what + " dw", cudaDw, dw, 2e-5);
      cuda.backward(s, cudaX, cudaW, cudaT, cudaY, cudaRstd, cudaRnorm, cudaDy, cudaDy, upload(dw));
      assertSameBits(what + " dx on dy", cudaDy, cudaDx);
    }
    cuda.forward(s, cudaX, cudaW, cudaT, cudaX, null, null);
    assertSameBits(what + " in place", cudaX, cudaY);
  }

  @Test
  void lengthScalesOfAPosition() {
    Tensor position = Tensor.allocate(java.lang.foreign.Arena.ofAuto(), DType.I32, 1);
    position.setInt(0, 500_000);
    Tensor expected = nan(300);
    reference.lengthScale(position, 500, expected);
    Tensor scale = empty(DType.F32, 300);
    new CudaHeadPrep(device(), scratch()).lengthScale(upload(position), 500, scale);
    assertClose("length scale", scale, expected, 1e-7);
  }
}
