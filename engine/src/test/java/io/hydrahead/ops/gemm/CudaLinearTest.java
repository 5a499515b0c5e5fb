package io.hydrahead.ops.gemm;

import static io.hydrahead.ops.Samples.rounded;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.cuda.CudaGraph;
import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.ops.CudaScratch;
import io.hydrahead.ops.Samples;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The linear map on a GPU against {@link ReferenceLinear} on the same, rounded, inputs. */
class CudaLinearTest extends CudaTesting {
  private static final int[][] SHAPES = { // N, K, M
    {1, 1, 1},
    {1, 13, 5},
    {1, 207, 64},
    {1, 256, 130},
    {2, 64, 63},
    {4, 72, 7},
    {7, 2048, 33},
    {8, 520, 40},
    {8, 40, 2056},
    {9, 256, 17},
    {64, 64, 100},
    {65, 13, 207},
    {40, 600, 200}
  };

  /** Types of x (and gradients of activations), W and y. */
  private enum Types {
    FLOAT32(DType.F32, DType.F32, DType.F32),
    BFLOAT16(DType.BF16, DType.BF16, DType.BF16),
    BFLOAT16_TO_FLOAT32(DType.BF16, DType.BF16, DType.F32),
    FLOAT32_BY_BFLOAT16(DType.F32, DType.BF16, DType.F32),
    FLOAT32_BY_HALF(DType.F32, DType.F16, DType.F32),
    BFLOAT16_BY_FLOAT32(DType.BF16, DType.F32, DType.BF16);

    final DType x;
    final DType w;
    final DType y;

    Types(DType x, DType w, DType y) {
      this.x = x;
      this.w = w;
      this.y = y;
    }

    double tolerance() {
      return y == DType.BF16 || x == DType.BF16 && w == DType.F32 ? 5e-3 : 5e-6;
    }
  }

  private CudaScratch scratch;
  private CudaLinear linear;
  private final Linear reference = new ReferenceLinear();

  @BeforeEach
  void create() {
    scratch = new CudaScratch(device());
    linear = new CudaLinear(device(), scratch);
  }

  @AfterEach
  void freeScratch() {
    scratch.close();
  }

  static Stream<Types> types() {
    return Stream.of(Types.values());
  }

  @ParameterizedTest
  @MethodSource("types")
  void agreesWithTheReference(Types types) {
    for (int[] s : SHAPES) {
      check(s, types, 0);
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void takesColumnSlices(Types types) {
    check(new int[] {3, 64, 48}, types, 8);
    check(new int[] {24, 72, 40}, types, 8);
    check(new int[] {24, 72, 40}, types, 3);
    check(new int[] {3, 64, 48}, types, 3);
  }

  private void check(int[] s, Types types, int beside) {
    Random random = new Random(s[0] * 31L + s[1]);
    Tensor x = rounded(Samples.normal(random, s[0], s[1]), types.x);
    Tensor w = rounded(Samples.normal(random, s[2], s[1]), types.w);
    Tensor dy = rounded(Samples.normal(random, s[0], s[2]), types.x);
    Tensor y0 = rounded(Samples.normal(random, s[0], s[2]), types.y);
    Tensor dx0 = rounded(Samples.normal(random, s[0], s[1]), types.y);
    Tensor dw0 = Samples.normal(random, s[2], s[1]);
    Tensor dX = uploadWide(x, types.x, beside, beside);
    Tensor dW = upload(w, types.w);
    Tensor dDy = uploadWide(dy, types.x, beside, beside);
    String what = types + " " + java.util.Arrays.toString(s) + " beside " + beside;
    for (boolean accumulate : new boolean[] {false, true}) {
      Tensor y = accumulate ? Samples.copy(y0) : Samples.unwritten(s[0], s[2]);
      reference.forward(x, w, y, accumulate);
      Tensor ay =
          accumulate
              ? uploadWide(y0, types.y, beside, beside)
              : emptyWide(types.y, s[0], s[2], beside, beside);
      linear.forward(dX, dW, ay, accumulate);
      close(what + " y", ay, y, types.tolerance());

      Tensor dx = accumulate ? Samples.copy(dx0) : Samples.unwritten(s[0], s[1]);
      reference.backwardInput(dy, w, dx, accumulate);
      Tensor adx =
          accumulate
              ? uploadWide(dx0, types.y, beside, beside)
              : emptyWide(types.y, s[0], s[1], beside, beside);
      linear.backwardInput(dDy, dW, adx, accumulate);
      close(what + " dx", adx, dx, types.tolerance());
    }
    Tensor dw = Samples.copy(dw0);
    reference.backwardWeight(dy, x, dw);
    Tensor adw = upload(dw0);
    linear.backwardWeight(dDy, dX, adw);
    close(what + " dw", adw, dw, 5e-6);
  }

  private static void close(String what, Tensor actual, Tensor expected, double tolerance) {
    assertThat(Samples.relativeL2(download(actual), expected)).as(what).isLessThan(tolerance);
  }

  @Test
  void fewRowsOverWideMatrices() {
    for (int n : new int[] {1, 2, 3, 5, 8}) {
      check(new int[] {n, 6144, 50}, Types.BFLOAT16, 0);
      check(new int[] {n, 64, 5000}, Types.BFLOAT16_TO_FLOAT32, 0);
      check(new int[] {n, 1096, 4500}, Types.BFLOAT16, 0);
      check(new int[] {n, 16, 36_000}, Types.BFLOAT16_TO_FLOAT32, 0);
    }
  }

  @Test
  void emptyMatrices() {
    Tensor y = empty(DType.F32, 3, 4);
    linear.forward(empty(DType.F32, 3, 0), empty(DType.F32, 4, 0), y, false);
    assertThat(download(y).toFloats()).containsOnly(0f);
    linear.forward(empty(DType.F32, 0, 5), empty(DType.F32, 4, 5), empty(DType.F32, 0, 4), false);
    Tensor dw = upload(Tensor.of(new float[] {1, 2}, 2, 1));
    linear.backwardWeight(empty(DType.F32, 0, 2), empty(DType.F32, 0, 1), dw);
    assertThat(download(dw).toFloats()).containsExactly(1, 2);
  }

  /** Chained in a graph, each reads what the one before has just written. */
  @Test
  void recordedChainsOfFewRowsWaitForEachOther() {
    int k = 512;
    Random random = new Random(9);
    Tensor w = rounded(Samples.normal(random, k, k), DType.BF16);
    for (long i = 0; i < w.size(); i++) {
      w.set(i, w.get(i) / 16);
    }
    Tensor dW = upload(w, DType.BF16);
    Tensor[] x = new Tensor[20];
    for (int i = 0; i < x.length; i++) {
      x[i] = empty(DType.BF16, 2, k);
    }
    x[0].copyFrom(Samples.normal(random, 2, k));
    Runnable chain =
        () -> {
          for (int i = 1; i < x.length; i++) {
            linear.forward(x[i - 1], dW, x[i], false);
          }
        };
    chain.run();
    float[] expected = x[x.length - 1].toFloats();
    Tensor y = Samples.unwritten(2, k);
    reference.forward(download(x[x.length - 2]), rounded(w, DType.BF16), y, false);
    close("the last link", x[x.length - 1], y, 5e-3);
    try (CudaGraph graph = CudaGraph.record(device(), chain)) {
      for (int round = 0; round < 50; round++) {
        for (int i = 1; i < x.length; i++) {
          device().memory().fill(x[i].segment(), (byte) 0xFF);
        }
        graph.launch();
        assertThat(x[x.length - 1].toFloats()).isEqualTo(expected);
      }
    }
  }

  @Test
  void refusesWhatDoesNotFit() {
    Tensor x = empty(DType.BF16, 2, 3);
    Tensor w = empty(DType.BF16, 4, 3);
    assertThatThrownBy(
            () -> linear.forward(x, empty(DType.BF16, 4, 5), empty(DType.F32, 2, 4), false))
        .hasMessageContaining("does not fit");
    assertThatThrownBy(
            () -> linear.forward(empty(DType.F32, 2, 3), w, empty(DType.BF16, 2, 4), false))
        .hasMessageContaining("no product");
    Tensor host = Tensor.of(new float[6], 2, 3);
    assertThatThrownBy(
            () -> linear.forward(host, empty(DType.F32, 4, 3), empty(DType.F32, 2, 4), false))
        .hasMessageContaining("host memory");
  }
}
