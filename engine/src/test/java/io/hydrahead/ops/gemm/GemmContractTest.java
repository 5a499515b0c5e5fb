package io.hydrahead.ops.gemm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Simd;
import io.hydrahead.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every backend of {@link Gemm} against {@link ReferenceGemm}, bitwise promises included. */
@Tag("scalar")
class GemmContractTest {
  private static final ComputePool ONE = new ComputePool(1);
  private static final ComputePool TWO = new ComputePool(2);
  private static final ComputePool THREE = new ComputePool(3);

  @AfterAll
  static void stop() {
    ONE.close();
    TWO.close();
    THREE.close();
  }

  private record Product(
      boolean transA,
      boolean transB,
      int m,
      int n,
      int k,
      float alpha,
      float beta,
      int pad,
      long seed) {
    Tensor a() {
      return random(transA ? k : m, (transA ? m : k) + pad, seed);
    }

    Tensor b() {
      return random(transB ? n : k, (transB ? k : n) + pad, seed + 1);
    }

    /** NaN where beta = 0, so that a backend that reads C is found. */
    Tensor c() {
      Tensor c = random(m, n + pad, seed + 2);
      if (beta == 0f) {
        c.fill(Float.NaN);
      }
      return c;
    }

    Tensor run(Gemm gemm) {
      Tensor c = c();
      gemm.multiply(
          transA,
          transB,
          m,
          n,
          k,
          alpha,
          a().segment(),
          a().dim(1),
          b().segment(),
          b().dim(1),
          beta,
          c.segment(),
          c.dim(1));
      return c;
    }
  }

  static Tensor random(long rows, long columns, long seed) {
    Random random = new Random(seed);
    float[] values = new float[(int) (rows * columns)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.of(values, rows, columns);
  }

  static Stream<Gemm> backends() {
    List<Gemm> all = new ArrayList<>();
    all.add(new JavaGemm(TWO));
    all.add(new JavaGemm(TWO, new ScalarKernel()));
    if (Simd.available()) {
      all.add(new JavaGemm(TWO, new VectorKernel6x2()));
      all.add(new JavaGemm(ONE, new VectorKernel6x4()));
    }
    try {
      all.add(new OneDnnGemm(THREE));
      all.add(new OneDnnGemm(ONE));
    } catch (IllegalArgumentException e) {
      System.err.println("oneDNN is not tested: " + e.getMessage());
    }
    try {
      all.add(new OpenBlasGemm(TWO));
    } catch (IllegalArgumentException e) {
      System.err.println("OpenBLAS is not tested: " + e.getMessage());
    }
    return all.stream();
  }

  private static List<Product> products() {
    List<Product> all = new ArrayList<>();
    int[][] shapes = {
      {1, 1, 1}, {1, 13, 207}, {13, 1, 64}, {5, 63, 65}, {6, 64, 64}, {7, 65, 257}, {64, 13, 207},
      {65, 128, 63}, {207, 65, 13}, {100, 600, 520}, {3, 5, 0}, {1, 200, 300}, {0, 4, 4}, {4, 0, 4}
    };
    for (int[] s : shapes) {
      for (int flags = 0; flags < 4; flags++) {
        boolean ta = (flags & 1) != 0;
        boolean tb = (flags & 2) != 0;
        long seed = Arrays.hashCode(s) * 4L + flags;
        if (s[2] < 500) { // the largest shape is for the blocks only
          all.add(new Product(ta, tb, s[0], s[1], s[2], 1f, 0f, 0, seed));
          all.add(new Product(ta, tb, s[0], s[1], s[2], 1f, 1f, 3, seed));
        }
        all.add(new Product(ta, tb, s[0], s[1], s[2], -0.5f, 0.25f, 8, seed));
      }
    }
    long seed = 20_261_123L;
    Random random = new Random(seed);
    for (int i = 0; i < 20; i++) {
      all.add(
          new Product(
              random.nextBoolean(),
              random.nextBoolean(),
              1 + random.nextInt(150),
              1 + random.nextInt(150),
              1 + random.nextInt(600),
              1f,
              random.nextInt(2),
              random.nextInt(20),
              seed + 10 * i));
    }
    return all;
  }

  private static final Map<Product, float[]> EXPECTED = new HashMap<>();

  private static float[] expected(Product product) {
    return EXPECTED.computeIfAbsent(product, p -> p.run(new ReferenceGemm()).toFloats());
  }

  @ParameterizedTest
  @MethodSource("backends")
  void agreesWithTheReference(Gemm gemm) {
    for (Product p : products()) {
      float[] expected = expected(p);
      float[] actual = p.run(gemm).toFloats();
      compare(gemm.name(), p, actual, expected);
    }
  }

  private static void compare(String name, Product p, float[] actual, float[] expected) {
    for (int i = 0; i < expected.length; i++) {
      boolean inside = i % (p.n() + p.pad()) < p.n();
      double bound = 8e-6 * Math.sqrt(p.k() + 1.0) * (1 + Math.abs(expected[i]));
      if (inside && !(Math.abs(actual[i] - expected[i]) <= bound)) {
        fail("%s, %s, element %d: %s for %s".formatted(name, p, i, actual[i], expected[i]));
      }
      if (!inside && Float.floatToRawIntBits(actual[i]) != Float.floatToRawIntBits(expected[i])) {
        fail("%s wrote past a row of C: %s".formatted(name, p));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void rowsAreTheSameBitsInAnyCompany(Gemm gemm) {
    if (!gemm.rowInvariant()) {
      return;
    }
    int m = 71;
    int n = 150;
    int k = 300;
    Tensor a = random(m, k, 1);
    for (boolean transB : new boolean[] {false, true}) {
      Tensor b = transB ? random(n, k, 2) : random(k, n, 2);
      Tensor whole = Tensor.of(new float[m * n], m, n);
      gemm.multiply(
          false,
          transB,
          m,
          n,
          k,
          1f,
          a.segment(),
          k,
          b.segment(),
          b.dim(1),
          0f,
          whole.segment(),
          n);
      for (int[] part : new int[][] {{0, 1}, {1, 1}, {3, 4}, {5, 13}, {64, 7}, {70, 1}}) {
        Tensor rows = Tensor.of(new float[part[1] * n], part[1], n);
        gemm.multiply(
            false,
            transB,
            part[1],
            n,
            k,
            1f,
            a.rows(part[0], part[1]).segment(),
            k,
            b.segment(),
            b.dim(1),
            0f,
            rows.segment(),
            n);
        assertThat(rows.toFloats())
            .as("%s rows %d + %d", gemm.name(), part[0], part[1])
            .isEqualTo(whole.rows(part[0], part[1]).toFloats());
      }
      int columns = 37; // fewer columns too
      Tensor left = Tensor.of(new float[m * columns], m, columns);
      gemm.multiply(
          false,
          transB,
          m,
          columns,
          k,
          1f,
          a.segment(),
          k,
          b.segment(),
          b.dim(1),
          0f,
          left.segment(),
          columns);
      for (int i = 0; i < m; i++) {
        assertThat(left.rows(i, 1).toFloats())
            .isEqualTo(Arrays.copyOf(whole.rows(i, 1).toFloats(), columns));
      }
    }
  }

  /** Resuming a run bit by bit needs this of every backend. */
  @ParameterizedTest
  @MethodSource("backends")
  void theSameProductIsTheSameBitsEveryTime(Gemm gemm) {
    for (Product p : products()) {
      if (p.k() > 200 && p.beta() == 0f) {
        assertThat(p.run(gemm).toFloats()).as("%s", p).isEqualTo(p.run(gemm).toFloats());
      }
    }
  }

  @Test
  void javaGivesTheSameBitsOnAnyNumberOfThreads() {
    for (Product p : products()) {
      float[] one = p.run(new JavaGemm(ONE)).toFloats();
      assertThat(p.run(new JavaGemm(TWO)).toFloats()).as("%s", p).isEqualTo(one);
      assertThat(p.run(new JavaGemm(THREE)).toFloats()).as("%s", p).isEqualTo(one);
    }
  }

  @Test
  void theLookupKnowsItsNames() {
    assertThat(Gemms.select("java", ONE)).isInstanceOf(JavaGemm.class);
    assertThat(Gemms.select("auto", ONE).name()).startsWith(onLinux64() ? "onednn" : "");
    assertThatThrownBy(() -> Gemms.select("mkl", ONE))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("\"mkl\"")
        .hasMessageContaining("auto, java, onednn or openblas");
  }

  private static boolean onLinux64() {
    return System.getProperty("os.name").equals("Linux")
        && System.getProperty("os.arch").equals("amd64");
  }

  @Test
  void refusesMemoryThatIsTooSmall() {
    Tensor small = random(3, 3, 1);
    Tensor c = random(4, 4, 2);
    for (Gemm gemm : backends().toList()) {
      assertThatThrownBy(() ->
              gemm.multiply(
                  false,
                  false,
                  4,
                  4,
                  4,
                  1f,
                  small.segment(),
                  4,
                  c.segment(),
                  4,
                  0f,
                  c.segment(),
                  4))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("36 bytes");
    }
  }

  @Test
  void tilesAgreeWithTheReference() {
    for (Product p : products()) {
      if (p.transA() && p.transB()) {
        continue;
      }
      float[] expected = expected(p);
      Tensor c = p.c();
      Tensor a = p.a();
      Tensor b = p.b();
      Tile tile = p.transA() ? TileGemm::tn : p.transB() ? TileGemm::nt : TileGemm::nn;
      tile.run(
          p.m(),
          p.n(),
          p.k(),
          p.alpha(),
          a.segment(),
          0,
          a.dim(1),
          b.segment(),
          0,
          b.dim(1),
          p.beta(),
          c.segment(),
          0,
          c.dim(1));
      compare("tile", p, c.toFloats(), expected);
    }
  }

  private interface Tile {
    void run(
        int m,
        int n,
        int k,
        float alpha,
        java.lang.foreign.MemorySegment a,
        long aFrom,
        long lda,
        java.lang.foreign.MemorySegment b,
        long bFrom,
        long ldb,
        float beta,
        java.lang.foreign.MemorySegment c,
        long cFrom,
        long ldc);
  }
}
