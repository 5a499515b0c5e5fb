package io.hydrahead.ops.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.Samples;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of {@link CausalAttention}: the CPU backend against the reference. */
class CausalAttentionTest {
  private static final ComputePool POOL = new ComputePool(2);
  private static final ComputePool ALONE = new ComputePool(1);
  private static final CausalAttention REFERENCE = new ReferenceCausalAttention();
  private static final CausalAttention CPU = new CpuCausalAttention(POOL);

  @AfterAll
  static void close() {
    POOL.close();
    ALONE.close();
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 32, 1",
    "2, 13, 6, 1",
    "1, 63, 20, 1",
    "2, 64, 32, 1",
    "1, 65, 2, 1",
    "1, 130, 64, 1",
    "1, 207, 48, 1",
    "9, 130, 16, 1",
    "1, 207, 128, 12",
    "1, 70, 256, 1",
    "1, 2, 1, 1"
  })
  @Tag("scalar")
  void outputsAndGradients(int batch, int tokens, int d, double spread) {
    agree(
        AttentionCase.random(
            tokens + d, batch, tokens, 4, d, spread, 0, 2, 2, 0, 2), // 1 and 3 idle
        spread > 1 ? 1e-4 : 5e-6);
  }

  /** Windows and sinks that end inside, between and at the borders of blocks. */
  @ParameterizedTest
  @CsvSource({
    "1, 20, 32, 8, 4",
    "2, 130, 6, 1, 0",
    "1, 207, 20, 1, 3",
    "1, 300, 32, 64, 4",
    "2, 300, 16, 100, 0",
    "1, 400, 64, 63, 65",
    "1, 700, 32, 129, 130",
    "1, 1000, 2, 257, 4",
    "1, 200, 32, 199, 1",
    "1, 200, 32, 199, 0",
    "1, 200, 32, 5000, 4"
  })
  @Tag("scalar")
  void windows(int batch, int tokens, int d, int window, int sinks) {
    agree(
        AttentionCase.random(tokens + d, batch, tokens, 2, d, 1, 0, 1, 1).seeing(window, sinks),
        5e-6);
  }

  /** What a window hides does not matter, however large its scores and values are. */
  @Test
  void hiddenKeysDoNotMatter() {
    AttentionCase c = AttentionCase.random(2, 1, 200, 1, 16, 1, 0).seeing(50, 2);
    Tensor whole = c.run(CPU).o();
    for (int i = 2 * 16; i < 100 * 16; i++) {
      c.k().set(i, 1000 * c.k().get(i));
      c.v().set(i, 1e6f);
    }
    Tensor loud = c.run(CPU).o();
    assertThat(loud.rows(150, 50).toFloats()).isEqualTo(whole.rows(150, 50).toFloats());
    assertThat(loud.rows(0, 2).toFloats()).isEqualTo(whole.rows(0, 2).toFloats());
  }

  private static void agree(AttentionCase c, double tolerance) {
    AttentionCase.Result expected = c.run(REFERENCE);
    AttentionCase.Result actual = c.run(CPU);
    assertThat(Samples.relativeL2(actual.o(), expected.o())).as("o").isLessThan(2e-6);
    assertThat(Samples.relativeL2(actual.lse(), expected.lse())).as("lse").isLessThan(2e-6);
    String[] names = {"dq", "dk", "dv"};
    for (int i = 0; i < 3; i++) {
      assertThat(Samples.relativeL2(actual.gradients().get(i), expected.gradients().get(i)))
          .as(names[i])
          .isLessThan(tolerance);
    }
  }

  /** Queries in pieces against a cache of more capacity than is filled; the rest is NaN. */
  @ParameterizedTest
  @CsvSource({
    "207, 32, 10000, 0",
    "130, 20, 10000, 0",
    "300, 64, 10000, 0",
    "1500, 6, 10000, 0",
    "300, 32, 60, 4",
    "1500, 6, 130, 0"
  })
  void cacheInPiecesIsTheSameBits(int tokens, int d, int window, int sinks) {
    int[] kvOf = {0, 0, 1};
    AttentionCase c = AttentionCase.random(3, 1, tokens, 2, d, 1, kvOf).seeing(window, sinks);
    Tensor whole = c.run(CPU).o();
    int capacity = tokens + 5;
    Tensor keys = cache(c.k(), tokens, capacity, d);
    Tensor values = cache(c.v(), tokens, capacity, d);
    int[] cuts = {0, 1, 5, 64, 69, 70, 128, tokens - 3, tokens};
    CausalAttention one = new CpuCausalAttention(POOL, true);
    for (int i = 0; i + 1 < cuts.length; i++) {
      int n = cuts[i + 1] - cuts[i];
      if (n <= 0) {
        continue;
      }
      Shape s = new Shape(1, n, 3, 2, d, c.shape().scale(), c.shape().window());
      Tensor o = Samples.unwritten(n, 3L * d);
      one.forward(s, kvOf, cuts[i], c.q().rows(cuts[i], n), keys, values, o, null);
      assertThat(o.toFloats())
          .as("rows %d to %d", cuts[i], cuts[i + 1])
          .isEqualTo(whole.rows(cuts[i], n).toFloats());
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0, 32",
    "12, 64",
    "63, 20",
    "64, 16",
    "1023, 32",
    "1024, 32",
    "5000, 6",
    "3000, 128"
  })
  void singleQueriesStreamTheCache(int offset, int d) {
    int[] kvOf = {0, 2, 2, 0, 2, 2, 2, 2};
    AttentionCase c = AttentionCase.random(offset, 1, offset + 1, 3, d, 1, kvOf);
    Shape s = new Shape(1, 1, kvOf.length, 3, d, c.shape().scale());
    Tensor q = c.q().rows(offset, 1);
    Tensor expected = Samples.unwritten(1, (long) kvOf.length * d);
    Tensor actual = Samples.unwritten(1, (long) kvOf.length * d);
    Tensor expectedLse = Samples.unwritten(kvOf.length);
    Tensor lse = Samples.unwritten(kvOf.length);
    REFERENCE.forward(s, kvOf, offset, q, c.k(), c.v(), expected, expectedLse);
    CPU.forward(s, kvOf, offset, q, c.k(), c.v(), actual, lse);
    assertThat(Samples.relativeL2(actual, expected)).isLessThan(2e-6);
    assertThat(Samples.relativeL2(lse, expectedLse)).isLessThan(2e-6);
    new CpuCausalAttention(ALONE).forward(s, kvOf, offset, q, c.k(), c.v(), expected, null);
    assertThat(actual.toFloats()).isEqualTo(expected.toFloats());
  }

  @ParameterizedTest
  @ValueSource(ints = {63, 200})
  void threadsChangeNoBit(int tokens) {
    AttentionCase c = AttentionCase.random(8, 2, tokens, 2, 32, 1, 0, 1, 1);
    AttentionCase.Result two = c.run(CPU);
    AttentionCase.Result one = c.run(new CpuCausalAttention(ALONE));
    assertThat(two.o().toFloats()).isEqualTo(one.o().toFloats());
    for (int i = 0; i < 3; i++) {
      assertThat(two.gradients().get(i).toFloats()).isEqualTo(one.gradients().get(i).toFloats());
    }
  }

  /** Scores that differ by hundreds: the largest wins, hidden larger ones do not matter. */
  @Test
  void extremeScores() {
    AttentionCase c = AttentionCase.random(21, 1, 100, 1, 32, 300, 0);
    AttentionCase.Result expected = c.run(REFERENCE);
    AttentionCase.Result actual = c.run(CPU);
    assertThat(Samples.relativeL2(actual.o(), expected.o())).isLessThan(1e-3);
    assertThat(Samples.relativeL2(actual.gradients().get(2), expected.gradients().get(2)))
        .isLessThan(1e-3);
  }

  @Test
  void decodingAllocatesNothing() {
    int[] kvOf = {0, 1, 1};
    int keys = 2100; // three pieces
    AttentionCase c = AttentionCase.random(4, 1, keys, 2, 32, 1, kvOf);
    Shape s = new Shape(1, 1, 3, 2, 32, c.shape().scale());
    Tensor q = c.q().rows(keys - 1, 1);
    Tensor o = Samples.unwritten(1, 3L * 32);
    CausalAttention op = new CpuCausalAttention(ALONE);
    Samples.assertAllocatesNothing(() -> op.forward(s, kvOf, keys - 1, q, c.k(), c.v(), o, null));
  }

  /** On the reference: k, v and their gradients as slices of wider matrices. */
  @Test
  void keysAndValuesMayBeColumnSlices() {
    AttentionCase c = AttentionCase.random(5, 2, 9, 2, 4, 1, 0, 1, 1);
    AttentionCase.Result expected = c.run(REFERENCE);
    Tensor wide = Samples.unwritten(18, 30);
    wide.columns(2, 8).copyFrom(c.k());
    wide.columns(15, 8).copyFrom(c.v());
    Tensor k = wide.columns(2, 8);
    Tensor v = wide.columns(15, 8);
    Tensor o = Samples.unwritten(c.q().shape());
    Tensor lse = Samples.unwritten(2, 3, 9);
    REFERENCE.forward(c.shape(), c.kvOf(), 0, c.q(), k, v, o, lse);
    assertThat(o.toFloats()).isEqualTo(expected.o().toFloats());
    Tensor dWide = Samples.unwritten(18, 30);
    Tensor dq = Samples.unwritten(c.q().shape());
    Tensor dk = dWide.columns(2, 8);
    Tensor dv = dWide.columns(15, 8);
    REFERENCE.backward(c.shape(), c.kvOf(), c.q(), k, v, o, lse, c.dO(), dq, dk, dv);
    assertThat(dk.toFloats()).isEqualTo(expected.gradients().get(1).toFloats());
    assertThat(dv.toFloats()).isEqualTo(expected.gradients().get(2).toFloats());
  }

  private static Tensor cache(Tensor tokens, int n, int capacity, int d) {
    Tensor cache = Samples.unwritten(2, capacity, d);
    for (int g = 0; g < 2; g++) {
      for (int t = 0; t < n; t++) {
        for (int i = 0; i < d; i++) {
          cache.set(((long) g * capacity + t) * d + i, tokens.get(((long) t * 2 + g) * d + i));
        }
      }
    }
    return cache;
  }
}
