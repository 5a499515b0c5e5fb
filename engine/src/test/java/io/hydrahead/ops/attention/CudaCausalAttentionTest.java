package io.hydrahead.ops.attention;

import static io.hydrahead.ops.Samples.rounded;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.Samples;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The contract of {@link CausalAttention}'s forward half on a GPU, against the reference. */
class CudaCausalAttentionTest extends CudaOpsTesting {
  private static final CausalAttention REFERENCE = new ReferenceCausalAttention();
  private CudaCausalAttention cuda;

  @BeforeEach
  void open() {
    cuda = new CudaCausalAttention(device(), scratch(), true);
  }

  @AfterEach
  void close() {
    cuda.close();
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
    "1, 2, 1, 1",
    "2, 333, 96, 1"
  })
  void float32(int batch, int tokens, int d, double spread) {
    AttentionCase c = AttentionCase.random(tokens + d, batch, tokens, 4, d, spread, 0, 2, 2, 0, 2);
    check(c, DType.F32, 2e-6, 2e-6);
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 32, 1",
    "2, 13, 16, 1",
    "2, 64, 32, 1",
    "1, 193, 32, 12",
    "1, 130, 64, 1",
    "1, 207, 48, 1",
    "9, 130, 16, 1",
    "1, 207, 128, 12",
    "1, 70, 256, 1",
    "1, 1100, 64, 1",
    "2, 333, 96, 1",
    "1, 129, 192, 1"
  })
  void bfloat16(int batch, int tokens, int d, double spread) {
    AttentionCase c = AttentionCase.random(tokens + d, batch, tokens, 4, d, spread, 0, 2, 2, 0, 2);
    check(c, DType.BF16, 1e-2, 1e-5);
  }

  /** Windows and sinks that end inside, between and at the borders of tiles. */
  @ParameterizedTest
  @CsvSource({
    "1, 20, 32, 8, 4, 3",
    "1, 300, 20, 64, 4, 3",
    "2, 520, 32, 1, 0, 3",
    "1, 1300, 32, 257, 4, 3",
    "1, 1300, 32, 193, 200, 1",
    "2, 700, 64, 128, 0, 3",
    "1, 2100, 64, 1000, 130, 1",
    "1, 1000, 128, 250, 4, 3",
    "1, 2000, 128, 900, 4, 1",
    "1, 640, 48, 127, 65, 3",
    "1, 700, 256, 100, 4, 3",
    "1, 300, 128, 299, 0, 1"
  })
  void windows(int batch, int tokens, int d, int window, int sinks, int heads) {
    int[] kvOf = heads == 1 ? new int[] {0} : new int[] {0, 1, 1};
    AttentionCase c =
        AttentionCase.random(tokens + d, batch, tokens, 2, d, 1, kvOf).seeing(window, sinks);
    check(c, DType.F32, 2e-6, 2e-6);
    if (d % 16 == 0) {
      check(c, DType.BF16, 1e-2, 1e-5);
    }
  }

  /** One head: long rows are cut into chunks of keys, whose parts are added in a fixed order. */
  @ParameterizedTest
  @CsvSource({"1500, 128", "2000, 32", "1025, 64"})
  void fewHeads(int tokens, int d) {
    check(AttentionCase.random(tokens, 1, tokens, 1, d, 1, 0), DType.BF16, 1e-2, 1e-5);
  }

  /** Scores that differ by hundreds, the largest anywhere in a row. */
  @ParameterizedTest
  @CsvSource({"32", "64", "128"})
  void extremeScores(int d) {
    check(AttentionCase.random(21, 1, 700, 1, d, 100, 0), DType.BF16, 2e-2, 1e-4);
    check(AttentionCase.random(21, 1, 100, 1, d, 300, 0), DType.F32, 1e-3, 1e-3);
  }

  private void check(AttentionCase c, DType type, double tolerance, double lseTolerance) {
    Shape s = c.shape();
    Tensor q = rounded(c.q(), type);
    Tensor k = rounded(c.k(), type);
    Tensor v = rounded(c.v(), type);
    Tensor expected = Samples.unwritten(q.shape());
    Tensor expectedLse = Samples.unwritten(s.batch(), s.heads(), s.queries());
    REFERENCE.forward(s, c.kvOf(), 0, q, k, v, expected, expectedLse);

    Tensor o = empty(type, q.shape());
    Tensor lse = empty(DType.F32, s.batch(), s.heads(), s.queries());
    cuda.forward(s, c.kvOf(), 0, upload(q, type), upload(k, type), upload(v, type), o, lse);
    assertThat(Samples.relativeL2(download(o), expected)).as("o").isLessThan(tolerance);
    assertThat(Samples.relativeL2(download(lse), expectedLse)).as("lse").isLessThan(lseTolerance);

    // Columns of wider matrices, without lse; the same bits.
    int wide = type == DType.BF16 ? 16 : s.headDim() > 48 ? 4 : 3;
    Tensor slice = emptyWide(type, q.dim(0), q.dim(1), wide, 2 * wide);
    cuda.forward(
        s,
        c.kvOf(),
        0,
        uploadWide(q, type, wide, wide),
        uploadWide(k, type, 0, 2 * wide),
        uploadWide(v, type, wide, 0),
        slice,
        null);
    assertThat(slice.toFloats()).as("slices").isEqualTo(o.toFloats());
  }

  /** Queries in pieces against a cache of more capacity than is filled; the rest is NaN. */
  @ParameterizedTest
  @CsvSource({
    "207, 32, BF16, 10000, 0",
    "300, 64, BF16, 10000, 0",
    "1500, 128, BF16, 10000, 0",
    "130, 20, F32, 10000, 0",
    "300, 128, F32, 10000, 0",
    "900, 32, BF16, 100, 4",
    "900, 128, BF16, 200, 0",
    "300, 20, F32, 50, 4"
  })
  void cacheInPieces(int tokens, int d, DType type, int window, int sinks) {
    int[] kvOf = {0, 0, 1};
    AttentionCase c = AttentionCase.random(3, 1, tokens, 2, d, 1, kvOf).seeing(window, sinks);
    Tensor q = rounded(c.q(), type);
    Tensor whole = Samples.unwritten(q.shape());
    REFERENCE.forward(
        c.shape(), kvOf, 0, q, rounded(c.k(), type), rounded(c.v(), type), whole, null);
    Tensor keys = cache(c.k(), tokens, tokens + 5, d, type);
    Tensor values = cache(c.v(), tokens, tokens + 5, d, type);
    int[] cuts = {0, 1, 5, 64, 69, 70, 128, tokens - 3, tokens};
    for (int i = 0; i + 1 < cuts.length; i++) {
      int n = cuts[i + 1] - cuts[i];
      if (n <= 0) {
        continue;
      }
      Shape s = new Shape(1, n, 3, 2, d, c.shape().scale(), c.shape().window());
      Tensor piece = upload(q.rows(cuts[i], n), type);
      Tensor o = empty(type, n, 3L * d);
      cuda.forward(s, kvOf, cuts[i], piece, keys, values, o, null);
      assertThat(Samples.relativeL2(download(o), whole.rows(cuts[i], n)))
          .as("rows %d to %d", cuts[i], cuts[i + 1])
          .isLessThan(type == DType.BF16 ? 1e-2 : 2e-6);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "0, 32, BF16",
    "12, 64, BF16",
    "64, 16, BF16",
    "1023, 32, BF16",
    "5000, 128, BF16",
    "700, 256, BF16",
    "63, 20, F32",
    "1024, 32, F32",
    "5000, 6, F32",
    "3000, 128, F32",
    "500, 256, F32"
  })
  void positionsOnTheDevice(int offset, int d, DType type) {
    int[] kvOf = {0, 2, 2, 0, 2, 2, 2, 2};
    int queries = offset % 2 + 1;
    int tokens = offset + queries;
    AttentionCase c = AttentionCase.random(offset, 1, tokens, 3, d, 1, kvOf);
    Shape s = new Shape(1, queries, kvOf.length, 3, d, c.shape().scale());
    Tensor q = rounded(c.q().rows(offset, queries), type);
    Tensor expected = Samples.unwritten(q.shape());
    REFERENCE.forward(
        s, kvOf, offset, q, rounded(c.k(), type), rounded(c.v(), type), expected, null);
    Tensor keys = cache(c.k(), tokens, tokens + 3, d, type);
    Tensor values = cache(c.v(), tokens, tokens + 3, d, type);
    Tensor position = empty(DType.I32, 1);
    position.setInt(0, offset);
    Tensor o = empty(type, q.shape());
    cuda.decode(s, kvOf, position, upload(q, type), keys, values, o);
    float[] first = o.toFloats();
    assertThat(Samples.relativeL2(download(o), expected))
        .isLessThan(type == DType.BF16 ? 1e-2 : 2e-6);
    cuda.decode(s, kvOf, position, upload(q, type), keys, values, o);
    assertThat(o.toFloats()).isEqualTo(first);
  }

  @Test
  void refusesWhatTheKernelsLack() {
    AttentionCase c = AttentionCase.random(1, 1, 4, 1, 20, 1, 0);
    Tensor q = upload(c.q(), DType.BF16);
    Tensor k = upload(c.k(), DType.BF16);
    assertThatThrownBy(
            () -> cuda.forward(c.shape(), c.kvOf(), 0, q, k, k, empty(DType.BF16, 4, 20), null))
        .hasMessageContaining("multiples of 16");
    assertThatThrownBy(() -> cuda.forward(c.shape(), c.kvOf(), 0, c.q(), c.k(), c.v(), c.q(), null))
        .hasMessageContaining("lies in");
  }

  /** Rows [T, 2d] as a cache [2, capacity, d], NaN beyond T. */
  private Tensor cache(Tensor tokens, int n, int capacity, int d, DType type) {
    int g = (int) tokens.dim(1) / d;
    float[] values = new float[g * capacity * d];
    Arrays.fill(values, Float.NaN);
    for (int h = 0; h < g; h++) {
      for (int t = 0; t < n; t++) {
        for (int i = 0; i < d; i++) {
          values[(h * capacity + t) * d + i] = tokens.get(((long) t * g + h) * d + i);
        }
      }
    }
    return upload(Tensor.of(values, g, capacity, d), type);
  }
}
