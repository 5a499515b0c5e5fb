package io.hydrahead.ops.gemm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every backend of {@link Linear} against {@link ReferenceLinear}, and that against differences.
 */
@Tag("scalar")
class LinearContractTest {
  private static final ComputePool POOL = new ComputePool(2);
  private static final int[][] SHAPES = { // N, K, M
    {1, 1, 1},
    {1, 13, 5},
    {1, 207, 64},
    {1, 256, 130},
    {2, 64, 63},
    {4, 65, 7},
    {3, 96, 33},
    {5, 65, 64},
    {13, 207, 65},
    {64, 64, 100},
    {65, 13, 207},
    {9, 2048, 600}
  };

  @AfterAll
  static void stop() {
    POOL.close();
  }

  static Stream<Linear> backends() {
    return Stream.concat(
            Stream.of(new JavaGemm(POOL), new JavaGemm(POOL, new ScalarKernel())),
            GemmContractTest.backends().filter(OneDnnGemm.class::isInstance))
        .flatMap(g ->
            g.rowInvariant()
                ? Stream.of(new CpuLinear(g, POOL, false), new CpuLinear(g, POOL, true))
                : Stream.of(new CpuLinear(g, POOL, false)));
  }

  private static Tensor narrow(Tensor t, DType type) {
    Tensor out = Tensor.allocate(Arena.ofAuto(), type, t.shape());
    out.copyFrom(t);
    return out;
  }

  private static void close(Tensor actual, Tensor expected, int terms, String what) {
    float[] a = actual.toFloats();
    float[] e = expected.toFloats();
    for (int i = 0; i < e.length; i++) {
      double bound = 8e-6 * Math.sqrt(terms + 1.0) * (1 + Math.abs(e[i]));
      if (!(Math.abs(a[i] - e[i]) <= bound)) {
        fail("%s, element %d: %s for %s".formatted(what, i, a[i], e[i]));
      }
    }
  }

  /** The outputs of one linear map at one shape: y and dx fresh and accumulated, and dw. */
  private record Case(int[] shape, DType type) {
    Tensor[] run(Linear linear) {
      Tensor x = GemmContractTest.random(shape[0], shape[1], 1);
      Tensor dy = GemmContractTest.random(shape[0], shape[2], 3);
      Tensor w = narrow(GemmContractTest.random(shape[2], shape[1], 2), type);
      Tensor y = GemmContractTest.random(shape[0], shape[2], 4);
      Tensor dx = GemmContractTest.random(shape[0], shape[1], 5);
      Tensor dw = GemmContractTest.random(shape[2], shape[1], 6);
      Tensor freshY = GemmContractTest.random(shape[0], shape[2], 4);
      Tensor freshDx = GemmContractTest.random(shape[0], shape[1], 5);
      freshY.fill(Float.NaN);
      freshDx.fill(Float.NaN);
      linear.forward(x, w, y, true);
      linear.forward(x, w, freshY, false);
      linear.backwardInput(dy, w, dx, true);
      linear.backwardInput(dy, w, freshDx, false);
      linear.backwardWeight(dy, x, dw);
      return new Tensor[] {y, freshY, dx, freshDx, dw};
    }

    @Override
    public String toString() {
      return type + " N, K, M = " + Arrays.toString(shape);
    }
  }

  private static final Map<Case, Tensor[]> EXPECTED = new LinkedHashMap<>();

  private static Map<Case, Tensor[]> expected() {
    if (EXPECTED.isEmpty()) {
      for (int[] shape : SHAPES) {
        for (DType type : new DType[] {DType.F32, DType.BF16, DType.F16}) {
          if (shape[1] < 1000 || type == DType.BF16) {
            Case one = new Case(shape, type);
            EXPECTED.put(one, one.run(new ReferenceLinear()));
          }
        }
      }
    }
    return EXPECTED;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheReference(Linear linear) {
    String[] names = {"y +=", "y", "dx +=", "dx", "dw +="};
    expected()
        .forEach((one, outputs) -> {
          Tensor[] actual = one.run(linear);
          int[] s = one.shape();
          int[] terms = {s[1], s[1], s[2], s[2], s[0]};
          for (int i = 0; i < names.length; i++) {
            close(actual[i], outputs[i], terms[i], names[i] + " of " + one);
          }
        });
  }

  @ParameterizedTest
  @MethodSource("backends")
  void severalMatricesOfOneInputAreTheSameAsOneAfterTheOther(Linear linear) {
    int[] rows = {1, 70, 3, 300};
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      for (int n : new int[] {1, 3, 9}) {
        Tensor x = GemmContractTest.random(n, 96, 1);
        List<Tensor> w = new ArrayList<>();
        Tensor[] y = new Tensor[rows.length];
        for (int i = 0; i < rows.length; i++) {
          w.add(narrow(GemmContractTest.random(rows[i], 96, i), type));
          y[i] = GemmContractTest.random(n, rows[i], 7);
          y[i].fill(Float.NaN);
        }
        linear.forwardEach(x, w, y);
        for (int i = 0; i < rows.length; i++) {
          Tensor alone = GemmContractTest.random(n, rows[i], 7);
          linear.forward(x, w.get(i), alone, false);
          assertThat(y[i].toFloats()).as(type + ", N = " + n).isEqualTo(alone.toFloats());
        }
      }
    }
  }

  @Test
  void gradientsOfTheReferenceAreThoseOfItsOutput() {
    int n = 3;
    int k = 5;
    int m = 4;
    Linear reference = new ReferenceLinear();
    Tensor x = GemmContractTest.random(n, k, 1);
    Tensor w = GemmContractTest.random(m, k, 2);
    Tensor dy = GemmContractTest.random(n, m, 3);
    Tensor dx = Tensor.of(new float[n * k], n, k);
    Tensor dw = Tensor.of(new float[m * k], m, k);
    reference.backwardInput(dy, w, dx, false);
    reference.backwardWeight(dy, x, dw);
    for (int i = 0; i < n * k; i++) {
      assertThat((double) dx.get(i)).isCloseTo(slope(x, i, x, w, dy), within());
    }
    for (int i = 0; i < m * k; i++) {
      assertThat((double) dw.get(i)).isCloseTo(slope(w, i, x, w, dy), within());
    }
  }

  private static org.assertj.core.data.Offset<Double> within() {
    return org.assertj.core.data.Offset.offset(1e-4);
  }

  /** The loss ⟨dy, x Wᵀ⟩ is linear in each element, so a step of 1 gives its slope exactly. */
  private static double slope(Tensor moved, int index, Tensor x, Tensor w, Tensor dy) {
    float old = moved.get(index);
    double before = loss(x, w, dy);
    moved.set(index, old + 1);
    double after = loss(x, w, dy);
    double step = (double) moved.get(index) - old;
    moved.set(index, old);
    return (after - before) / step;
  }

  private static double loss(Tensor x, Tensor w, Tensor dy) {
    double sum = 0;
    for (long i = 0; i < x.dim(0); i++) {
      for (long j = 0; j < w.dim(0); j++) {
        for (long p = 0; p < x.dim(1); p++) {
          double xw = (double) x.get(i * x.dim(1) + p) * w.get(j * x.dim(1) + p);
          sum += dy.get(i * w.dim(0) + j) * xw;
        }
      }
    }
    return sum;
  }

  @Test
  void deterministicRowsAreTheSameBitsInAnyCompany() {
    Linear linear = new CpuLinear(new JavaGemm(POOL), POOL, true);
    Tensor x = GemmContractTest.random(70, 300, 1);
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      Tensor w = narrow(GemmContractTest.random(130, 300, 2), type);
      Tensor whole = Tensor.of(new float[70 * 130], 70, 130);
      linear.forward(x, w, whole, false);
      for (int[] part : new int[][] {{0, 1}, {7, 1}, {3, 2}, {64, 6}, {1, 64}}) {
        Tensor y = Tensor.of(new float[part[1] * 130], part[1], 130);
        linear.forward(x.rows(part[0], part[1]), w, y, false);
        assertThat(y.toFloats()).isEqualTo(whole.rows(part[0], part[1]).toFloats());
      }
    }
  }

  @Test
  void deterministicNeedsARowInvariantGemm() {
    Gemm moody =
        new Gemm() {
          @Override
          public void multiply(
              boolean ta,
              boolean tb,
              int m,
              int n,
              int k,
              float alpha,
              java.lang.foreign.MemorySegment a,
              long lda,
              java.lang.foreign.MemorySegment b,
              long ldb,
              float beta,
              java.lang.foreign.MemorySegment c,
              long ldc) {
            throw new AssertionError("not reached");
          }

          @Override
          public String name() {
            return "moody";
          }

          @Override
          public boolean rowInvariant() {
            return false;
          }
        };
    assertThatThrownBy(() -> new CpuLinear(moody, POOL, true)).hasMessageContaining("moody");
  }

  @Test
  void refusesShapesThatDoNotFit() {
    Linear linear = new CpuLinear(new JavaGemm(POOL), POOL, false);
    Tensor x = GemmContractTest.random(2, 3, 1);
    Tensor y = GemmContractTest.random(2, 4, 1);
    assertThatThrownBy(() -> linear.forward(x, GemmContractTest.random(4, 5, 1), y, false))
        .hasMessageContaining("y = x Wᵀ does not fit");
    Tensor bf16 = narrow(GemmContractTest.random(4, 3, 1), DType.BF16);
    assertThatThrownBy(() -> linear.backwardWeight(y, x, bf16)).hasMessageContaining("dw");
  }

  @Test
  void decodingAllocatesNothing() {
    Linear linear = new CpuLinear(new JavaGemm(POOL), POOL, false);
    Tensor x = GemmContractTest.random(1, 256, 1);
    Tensor y = GemmContractTest.random(1, 300, 1);
    Tensor full = GemmContractTest.random(300, 256, 2);
    Tensor bf16 = narrow(full, DType.BF16);
    Tensor f16 = narrow(full, DType.F16);
    List<Tensor> each = List.of(bf16, bf16);
    Tensor[] outputs = {y, y};
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long least = Long.MAX_VALUE;
    for (int round = 0; round < 60 && least > 0; round++) { // until the compiler has caught up
      long own = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < 200; i++) {
        linear.forward(x, full, y, false);
        linear.forward(x, bf16, y, false);
        linear.forward(x, f16, y, true);
        linear.forwardEach(x, each, outputs);
      }
      least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - own);
    }
    assertThat(least / 600).as("bytes a call").isZero();
  }
}
