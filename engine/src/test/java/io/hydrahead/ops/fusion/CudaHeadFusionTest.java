package io.hydrahead.ops.fusion;

import static io.hydrahead.ops.OpsTesting.copy;
import static io.hydrahead.ops.OpsTesting.nan;
import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.OpsTesting;
import io.hydrahead.ops.fusion.HeadFusion.Switches;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class CudaHeadFusionTest extends CudaOpsTesting {
  private static final int ALL = 7;
  private static final int[] HEADS = {5, 0, 2};
  private final HeadFusion reference = new ReferenceHeadFusion();
  private CudaHeadFusion cuda;

  @BeforeEach
  void create() {
    cuda = new CudaHeadFusion(device(), scratch());
  }

  @AfterEach
  void close() {
    cuda.close();
  }

  @ParameterizedTest
  @MethodSource("forms")
  void agreesWithTheReference(Form f) {
    for (int bits = 0; bits < 8; bits++) {
      Switches s = new Switches((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, 1e-6f);
      for (int d : new int[] {32, 33, 128}) {
        for (int n : new int[] {1, 65}) {
          compare(f, s, n, d, HEADS, s.gate() && (n + d) % 2 == 0);
        }
      }
    }
    int[] many = new int[66]; // more than a block takes at a time
    for (int i = 0; i < many.length; i++) {
      many[i] = many.length - i;
    }
    compare(f, new Switches(true, true, true, 1e-6f), 13, 128, many, true);
  }

  private void compare(Form f, Switches s, int n, int d, int[] heads, boolean bias) {
    final String what = f + ", " + s + ", n " + n + ", d " + d;
    int h = heads.length;
    int all = Math.max(ALL, h + 1);
    final Tensor o = values(f, 1, n, (long) h * d);
    final Tensor z = s.gate() ? values(f, 2, n, (long) h * d) : null;
    final Tensor b = bias ? OpsTesting.random(random, 1, (long) h * d) : null;
    final Tensor gamma = s.gamma() ? OpsTesting.random(random, 1, all) : null;
    final Tensor dOut = values(f, 1, n, (long) all * d);
    final Tensor rstd = s.norm() ? nan(n, h) : null;
    final Tensor dO = nan(n, (long) h * d);
    final Tensor dZ = s.gate() ? nan(n, (long) h * d) : null;
    final Tensor dBias = bias ? OpsTesting.random(random, 1, (long) h * d) : null;
    final Tensor dGamma = OpsTesting.random(random, 1, all);
    Tensor out = values(f, 1, n, (long) all * d);
    final Tensor cudaOut = matrix(f, out);
    final Tensor cudaDBias = bias ? upload(dBias) : null;
    final Tensor cudaDGamma = upload(dGamma);
    reference.forward(s, o, z, b, gamma, heads, d, out, rstd);
    reference.backward(s, o, z, b, gamma, heads, d, rstd, dOut, dO, dZ, dBias, dGamma);

    final Tensor cudaO = matrix(f, o);
    final Tensor cudaZ = s.gate() ? matrix(f, z) : null;
    final Tensor cudaB = bias ? upload(b) : null;
    final Tensor cudaGamma = s.gamma() ? upload(gamma) : null;
    final Tensor cudaRstd = s.norm() ? empty(DType.F32, n, h) : null;
    cuda.forward(s, cudaO, cudaZ, cudaB, cudaGamma, heads, d, cudaOut, cudaRstd);
    assertClose(what + " out, other heads' columns as they were", cudaOut, out, f.stored(2e-6));
    if (s.norm()) {
      assertClose(what + " rstd", cudaRstd, rstd, 1e-6);
    }
    final Tensor cudaDOut = matrix(f, dOut);
    final Tensor cudaDO = unwritten(f, n, (long) h * d);
    final Tensor cudaDZ = s.gate() ? unwritten(f, n, (long) h * d) : null;
    BiConsumer<Tensor, Tensor> backward =
        (toBias, toGamma) ->
            cuda.backward(
                s, cudaO, cudaZ, cudaB, cudaGamma, heads, d, cudaRstd, cudaDOut, cudaDO, cudaDZ,
                toBias, toGamma);
    backward.accept(cudaDBias, cudaDGamma);
    assertClose(what + " dO", cudaDO, dO, f.stored(1e-5));
    assertClose(what + " dGamma", cudaDGamma, dGamma, 1e-5);
    if (s.gate()) {
      assertClose(what + " dZ", cudaDZ, dZ, f.stored(1e-5));
    }
    if (bias) {
      assertClose(what + " dBias", cudaDBias, dBias, 1e-5);
      Tensor again = upload(copy(dBias));
      Tensor more = upload(copy(dBias));
      for (Tensor t : new Tensor[] {again, more}) {
        backward.accept(t, upload(dGamma));
      }
      assertThat(download(again).toFloats()).as(what).containsExactly(download(more).toFloats());
    }
  }
}
