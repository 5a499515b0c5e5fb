package io.hydrahead.ops.deltarule;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.ops.CudaOpsTesting;
import io.hydrahead.ops.Samples;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Gradients on a GPU against the recurrence in float64, on the same rounded inputs. What the
 * forward pass saves is made here, in float64.
 */
class CudaDeltaRuleBackwardTest extends CudaOpsTesting {
  private static final int CHUNK = GatedDeltaRule.CHUNK;
  private static final double FLOAT32 = 1e-5;
  private static final double BFLOAT16 = 2e-2;

  private CudaDeltaRuleBackward backward;

  @BeforeEach
  void create() {
    backward = new CudaDeltaRuleBackward(device(), scratch());
  }

  @ParameterizedTest
  @CsvSource({
    "1, 1, 32, 32",
    "2, 13, 6, 10",
    "1, 63, 16, 40",
    "1, 64, 64, 64",
    "1, 65, 20, 2",
    "1, 130, 32, 16",
    "2, 207, 32, 32",
    "2, 65, 16, 16",
    "1, 207, 64, 64",
    "2, 131, 128, 128",
    "1, 97, 3, 256"
  })
  void gradients(int batch, int tokens, int keyDim, int valueDim) {
    Shape s = new Shape(batch, tokens, 3, keyDim, valueDim);
    DeltaRuleCase c = DeltaRuleCase.random(tokens, s, 0.2, 1);
    agree(c, DType.F32, FLOAT32);
    agree(
        c, DType.BF16, tokens < CHUNK ? 6e-2 : BFLOAT16); // few decays: their errors do not average
  }

  /** Every way there is, at few heads and at more than the chip has places for. */
  @ParameterizedTest
  @EnumSource(CudaDeltaRuleBackward.Way.class)
  void everyWay(CudaDeltaRuleBackward.Way way) {
    for (int dim : new int[] {16, 32, 64, 128}) {
      backward.force(way);
      Shape s = new Shape(2, 150, 2, dim, dim);
      agree(DeltaRuleCase.random(20, s, 0.2, 1), DType.BF16, BFLOAT16);
      s = new Shape(2, 3, 90, dim, dim);
      agree(DeltaRuleCase.random(21, s, 0.2, 1), DType.BF16, BFLOAT16);
    }
  }

  @Test
  void noDecay() {
    agree(DeltaRuleCase.random(1, new Shape(1, 207, 2, 32, 32), 0, 1), FLOAT32, BFLOAT16);
  }

  @Test
  void strongDecay() {
    agree(DeltaRuleCase.random(2, new Shape(1, 207, 2, 32, 32), 30, 1), 2e-5, 3e-2);
    DeltaRuleCase c = DeltaRuleCase.random(3, new Shape(1, 130, 2, 16, 16), 0.1, 1);
    for (int token = 0; token < 130; token += 5) {
      c.in().g().set(2L * token, -30f);
    }
    agree(c, FLOAT32, BFLOAT16);
  }

  @Test
  void writeStrengthUpToTwo() {
    agree(DeltaRuleCase.random(4, new Shape(1, 207, 2, 32, 32), 0.1, 2), FLOAT32, BFLOAT16);
    DeltaRuleCase c = DeltaRuleCase.random(5, new Shape(1, 130, 2, 32, 32), 0.01, 2);
    c.in().beta().fill(2f);
    agree(c, 1e-4, 1e-1);
  }

  @Test
  void noWrite() {
    agree(DeltaRuleCase.random(6, new Shape(1, 70, 2, 16, 16), 0.1, 0), FLOAT32, BFLOAT16);
  }

  @Test
  void repeatedKeys() {
    for (double beta : new double[] {1, 2}) {
      DeltaRuleCase c =
          DeltaRuleCase.random(7, new Shape(1, 207, 2, 32, 32), 1e-3, 1).repeatingKeys();
      c.in().beta().fill((float) beta);
      agree(c, DType.F32, 1e-3);
      if (beta == 1) { // at 2 nothing is ever forgotten, rounding neither
        agree(c, DType.BF16, 1e-1);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {32, 128})
  void everyRunGivesTheSameBits(int dim) {
    DeltaRuleCase c = DeltaRuleCase.random(8, new Shape(2, 207, 3, dim, dim), 0.2, 1);
    List<Tensor> first = run(c, DType.BF16, false);
    List<Tensor> second = run(c, DType.BF16, false);
    for (int i = 0; i < first.size(); i++) {
      assertThat(second.get(i).toFloats()).isEqualTo(first.get(i).toFloats());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {20, 32, 128})
  void columnSlices(int dim) {
    DeltaRuleCase c = DeltaRuleCase.random(9, new Shape(2, 70, 3, dim, dim), 0.2, 1);
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      List<Tensor> dense = run(c, type, false);
      List<Tensor> slices = run(c, type, true);
      for (int i = 0; i < dense.size(); i++) {
        assertThat(slices.get(i).toFloats()).isEqualTo(dense.get(i).toFloats());
      }
    }
  }

  private void agree(DeltaRuleCase c, double float32, double bfloat16) {
    agree(c, DType.F32, float32);
    agree(c, DType.BF16, bfloat16);
  }

  private void agree(DeltaRuleCase c, DType type, double tolerance) {
    List<Tensor> actual = run(c, type, false);
    List<Tensor> expected = c.rounded(type).run(new ReferenceGatedDeltaRule()).gradients();
    for (int i = 0; i < expected.size(); i++) {
      assertThat(Samples.relativeL2(actual.get(i), expected.get(i)))
          .as("%s gradient of %s, %s", type, DeltaRuleCase.NAMES.get(i), c.shape())
          .isLessThan(tolerance);
    }
  }

  /** Gradients of q, k, v, g, β and the initial state, computed on the device. */
  private List<Tensor> run(DeltaRuleCase c, DType type, boolean slices) {
    Shape s = c.shape();
    Saved saved = new Saved(c.rounded(type));
    Inputs in =
        new Inputs(
            rows(c.in().q(), s, type, slices, 8),
            rows(c.in().k(), s, type, slices, 24),
            rows(c.in().v(), s, type, slices, 16),
            rows(c.in().g(), s, DType.F32, slices, 3),
            rows(c.in().beta(), s, DType.F32, slices, 1));
    Tensor dOut = rows(c.dOut(), s, type, slices, 8);
    Inputs d =
        new Inputs(
            outputs(c.in().q(), s, type, slices),
            outputs(c.in().k(), s, type, slices),
            outputs(c.in().v(), s, type, slices),
            outputs(c.in().g(), s, DType.F32, slices),
            outputs(c.in().beta(), s, DType.F32, slices));
    Tensor dState = upload(c.dFinalState());
    backward.run(
        s,
        in,
        upload(saved.states, type).segment(),
        upload(saved.inverses, type).segment(),
        dOut,
        dState,
        d);
    return List.of(
        download(d.q()),
        download(d.k()),
        download(d.v()),
        download(d.g()),
        download(d.beta()),
        download(dState));
  }

  private Tensor rows(Tensor x, Shape s, DType type, boolean slices, int before) {
    long rows = (long) s.batch() * s.tokens();
    Tensor matrix = x.view(rows, x.size() / rows);
    return slices ? uploadWide(matrix, type, before, 16) : upload(matrix, type);
  }

  private Tensor outputs(Tensor like, Shape s, DType type, boolean slices) {
    long rows = (long) s.batch() * s.tokens();
    long columns = like.size() / rows;
    return slices ? emptyWide(type, rows, columns, 8, 8) : empty(type, rows, columns);
  }

  /** The states before all chunks, and their inverses Γ ⊙ (I + strictLower(β K Kᵀ))⁻¹. */
  private static final class Saved {
    final Tensor states;
    final Tensor inverses;

    Saved(DeltaRuleCase c) {
      Shape s = c.shape();
      int chunks = (s.tokens() + CHUNK - 1) / CHUNK;
      long heads = (long) s.batch() * s.heads();
      states = Samples.unwritten(heads * chunks, (long) s.keyDim() * s.valueDim());
      inverses = Samples.unwritten(heads * chunks, CHUNK * CHUNK);
      for (int head = 0; head < heads; head++) {
        double[] state = new double[s.keyDim() * s.valueDim()];
        for (int i = 0; i < state.length; i++) {
          state[i] = c.state().get((long) head * state.length + i);
        }
        for (int chunk = 0; chunk < chunks; chunk++) {
          long at = (long) head * chunks + chunk;
          for (int i = 0; i < state.length; i++) {
            states.set(at * state.length + i, (float) state[i]);
          }
          int from = chunk * CHUNK;
          int to = Math.min(s.tokens(), from + CHUNK);
          for (int t = from; t < to; t++) {
            step(c, head, t, state);
          }
          inverse(c, head, from, to, at);
        }
      }
    }

    private static long row(Shape s, int head, int t) {
      return ((long) (head / s.heads()) * s.tokens() + t) * s.heads() + head % s.heads();
    }

    private static void step(DeltaRuleCase c, int head, int t, double[] state) {
      int values = c.shape().valueDim();
      int keys = c.shape().keyDim();
      long row = row(c.shape(), head, t);
      double alpha = Math.exp(c.in().g().get(row));
      double beta = c.in().beta().get(row);
      for (int j = 0; j < values; j++) {
        double u = c.in().v().get(row * values + j);
        for (int i = 0; i < keys; i++) {
          state[i * values + j] *= alpha;
          u -= state[i * values + j] * c.in().k().get(row * keys + i);
        }
        for (int i = 0; i < keys; i++) {
          state[i * values + j] += beta * u * c.in().k().get(row * keys + i);
        }
      }
    }

    private void inverse(DeltaRuleCase c, int head, int from, int to, long at) {
      int keys = c.shape().keyDim();
      double[][] a = new double[CHUNK][CHUNK];
      double[] g = new double[CHUNK];
      for (int i = 0; i < CHUNK; i++) {
        a[i][i] = 1;
        int t = from + i;
        g[i] = (i == 0 ? 0 : g[i - 1]) + (t < to ? c.in().g().get(row(c.shape(), head, t)) : 0);
        for (int l = 0; l < i && t < to; l++) {
          long row = row(c.shape(), head, t);
          long other = row(c.shape(), head, from + l);
          double product = 0;
          for (int x = 0; x < keys; x++) {
            product += (double) c.in().k().get(row * keys + x) * c.in().k().get(other * keys + x);
          }
          double beta = Math.max(c.in().beta().get(row), 0x1p-40);
          for (int j = 0; j <= l; j++) {
            a[i][j] -= beta * product * a[l][j];
          }
        }
      }
      for (int i = 0; i < CHUNK; i++) {
        for (int j = 0; j < CHUNK; j++) {
          double value = j > i ? 0 : a[i][j] * Math.exp(g[i] - g[j]);
          inverses.set(at * CHUNK * CHUNK + (long) i * CHUNK + j, (float) value);
        }
      }
    }
  }
}
