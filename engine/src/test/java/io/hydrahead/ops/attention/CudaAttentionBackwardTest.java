package io.hydrahead.ops.attention;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.Samples;
import io.hydrahead.ops.attention.CausalAttention.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Gradients on a GPU against the reference in float64, on the same rounded inputs. Output and
 * log-sum-exp are the reference's.
 */
class CudaAttentionBackwardTest extends CudaOpsTesting {
  private static final String[] NAMES = {"dq", "dk", "dv"};
  private static final CausalAttention REFERENCE = new ReferenceCausalAttention();

  @ParameterizedTest
  @CsvSource({
    "2, 13, 6, 1",
    "1, 63, 20, 1",
    "2, 64, 32, 1",
    "1, 65, 2, 1",
    "1, 130, 64, 1",
    "1, 207, 48, 1",
    "9, 130, 16, 1",
    "1, 207, 128, 12",
    "2, 300, 128, 1",
    "1, 400, 32, 1",
    "2, 385, 32, 1",
    "3, 257, 64, 1",
    "1, 70, 112, 1",
    "1, 2, 1, 1"
  })
  void gradients(int batch, int tokens, int d, double spread) {
    AttentionCase c =
        AttentionCase.random(
            tokens + d, batch, tokens, 4, d, spread, 0, 2, 2, 0, 2); // 1 and 3 idle
    agree(c, DType.F32, spread > 1 ? 1e-4 : 5e-6);
    agree(c, DType.BF16, 1e-2);
  }

  /** Windows and sinks that end inside, between and at the borders of tiles. */
  @ParameterizedTest
  @CsvSource({
    "1, 300, 20, 64, 4",
    "2, 520, 32, 2, 0",
    "1, 1300, 32, 257, 4",
    "1, 1300, 32, 193, 200",
    "2, 700, 64, 128, 0",
    "1, 1100, 64, 100, 130",
    "1, 1000, 128, 250, 4",
    "1, 700, 128, 65, 0",
    "1, 640, 48, 127, 65",
    "1, 300, 112, 33, 1",
    "1, 300, 128, 299, 0"
  })
  void windows(int batch, int tokens, int d, int window, int sinks) {
    AttentionCase c =
        AttentionCase.random(tokens + d, batch, tokens, 2, d, 1, 0, 1, 1).seeing(window, sinks);
    agree(c, DType.F32, 5e-6);
    agree(c, DType.BF16, 1e-2);
  }

  /** One visible key: probabilities of 1, gradients of zero but for v's. */
  @ParameterizedTest
  @ValueSource(ints = {32, 48, 128})
  void oneToken(int d) {
    onlyValuesHaveGradients(AttentionCase.random(d, 2, 1, 2, d, 1, 0, 1, 1));
    onlyValuesHaveGradients(AttentionCase.random(d, 2, 300, 2, d, 1, 0, 1, 1).seeing(1, 0));
  }

  private void onlyValuesHaveGradients(AttentionCase c) {
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      List<Tensor> actual = run(c, type, false, false);
      List<Tensor> expected = c.rounded(type).run(REFERENCE).gradients();
      for (int i = 0; i < 2; i++) {
        for (float x : actual.get(i).toFloats()) {
          assertThat(x).as(NAMES[i]).isBetween(-1e-4f, 1e-4f);
        }
      }
      assertThat(Samples.relativeL2(actual.get(2), expected.get(2))).isLessThan(1e-2);
    }
  }

  @Test
  void headsOfTheirOwnAndASharedOne() {
    agree(AttentionCase.random(1, 2, 150, 3, 64, 1, 0, 1, 2), DType.BF16, 1e-2);
    agree(AttentionCase.random(2, 2, 150, 1, 128, 1, 0, 0), DType.BF16, 1e-2);
  }

  /** Every tensor as columns of a wider matrix whose other columns stay NaN. */
  @ParameterizedTest
  @ValueSource(ints = {20, 32, 48, 64, 128})
  void columnSlices(int d) {
    AttentionCase c = AttentionCase.random(9, 2, 140, 2, d, 1, 0, 1, 1);
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      if (runs(d, type)) {
        List<Tensor> dense = run(c, type, true, false);
        List<Tensor> slices = run(c, type, true, true);
        for (int i = 0; i < 3; i++) {
          assertThat(slices.get(i).toFloats()).as(NAMES[i]).isEqualTo(dense.get(i).toFloats());
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {32, 48, 64, 128})
  void everyDeterministicRunGivesTheSameBits(int d) {
    AttentionCase c = AttentionCase.random(8, 3, 520, 4, d, 1, 0, 1, 1, 2, 3, 3, 3);
    sameBits(c);
    sameBits(c.seeing(150, 70));
  }

  private void sameBits(AttentionCase c) {
    List<Tensor> first = run(c, DType.BF16, true, false);
    for (int run = 0; run < 3; run++) {
      List<Tensor> again = run(c, DType.BF16, true, false);
      for (int i = 0; i < 3; i++) {
        assertThat(again.get(i).toFloats()).as(NAMES[i]).isEqualTo(first.get(i).toFloats());
      }
    }
  }

  @Test
  void saysWhatItCannotDo() {
    AttentionCase c = AttentionCase.random(3, 1, 5, 1, 20, 1, 0);
    assertThatThrownBy(() -> run(c, DType.BF16, true, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("multiples of 16");
    AttentionCase wide = AttentionCase.random(3, 1, 5, 1, 144, 1, 0);
    assertThatThrownBy(() -> run(wide, DType.F32, true, false))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("up to 128");
  }

  private static boolean runs(int d, DType type) {
    return type == DType.F32 || d % 16 == 0;
  }

  private void agree(AttentionCase c, DType type, double tolerance) {
    if (!runs(c.shape().headDim(), type)) {
      return;
    }
    List<Tensor> expected = c.rounded(type).run(REFERENCE).gradients();
    for (boolean deterministic : new boolean[] {false, true}) {
      compare(run(c, type, deterministic, false), expected, tolerance, type, c.shape());
    }
    List<Tensor> portable =
        run(new CudaAttentionBackward(device(), scratch(), true, false), c, type, false);
    compare(portable, expected, tolerance, type, c.shape());
  }

  private static void compare(
      List<Tensor> actual, List<Tensor> expected, double tolerance, DType type, Shape s) {
    for (int i = 0; i < 3; i++) {
      assertThat(Samples.relativeL2(actual.get(i), expected.get(i)))
          .as("%s %s, %s", type, NAMES[i], s)
          .isLessThan(tolerance);
    }
  }

  private List<Tensor> run(AttentionCase c, DType type, boolean deterministic, boolean slices) {
    return run(new CudaAttentionBackward(device(), scratch(), deterministic), c, type, slices);
  }

  private List<Tensor> run(
      CudaAttentionBackward backward, AttentionCase c, DType type, boolean slices) {
    AttentionCase in = c.rounded(type);
    Tensor o = Samples.unwritten(c.q().shape());
    Shape s = c.shape();
    Tensor lse = Samples.unwritten(s.batch(), s.heads(), s.queries());
    REFERENCE.forward(s, c.kvOf(), 0, in.q(), in.k(), in.v(), o, lse);
    Tensor dq = output(c.q(), type, slices, 8);
    Tensor dk = output(c.k(), type, slices, 16);
    Tensor dv = output(c.v(), type, slices, 32);
    backward.run(
        s,
        c.kvOf(),
        input(c.q(), type, slices, 8),
        input(c.k(), type, slices, 16),
        input(c.v(), type, slices, 24),
        input(o, type, slices, 8),
        upload(lse),
        input(c.dO(), type, slices, 16),
        dq,
        dk,
        dv);
    return List.of(download(dq), download(dk), download(dv));
  }

  private Tensor input(Tensor host, DType type, boolean slices, int before) {
    return slices ? uploadWide(host, type, before, pad(host)) : upload(host, type);
  }

  private Tensor output(Tensor like, DType type, boolean slices, int before) {
    return slices
        ? emptyWide(type, like.dim(0), like.dim(1), before, pad(like))
        : empty(type, like.shape());
  }

  /** Columns that make the wider matrix's rows start at multiples of 16 bytes. */
  private static int pad(Tensor t) {
    return (int) (16 - t.dim(1) % 8);
  }
}
