package io.hydrahead.ops.deltarule;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.ops.Samples;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Inputs;
import io.hydrahead.ops.deltarule.GatedDeltaRule.Shape;
import io.hydrahead.tensor.ComputePool;
import io.hydrahead.tensor.Tensor;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract of {@link GatedDeltaRule}, for every backend. */
class GatedDeltaRuleTest {
  private static final ComputePool POOL = new ComputePool(2);
  private static final ComputePool ALONE = new ComputePool(1);
  private static final GatedDeltaRule REFERENCE = new ReferenceGatedDeltaRule();
  private static final GatedDeltaRule CPU = new CpuGatedDeltaRule(POOL);

  @AfterAll
  static void close() {
    POOL.close();
    ALONE.close();
  }

  static Stream<GatedDeltaRule> backends() {
    return Stream.of(REFERENCE, CPU);
  }

  static Stream<Arguments> goldenCases() {
    return backends()
        .flatMap(b ->
            Stream.of(
                    "one", "ragged63", "exact64", "ragged200", "nodecay", "strong", "repeated_keys")
                .map(name -> Arguments.of(b, name)));
  }

  @ParameterizedTest
  @MethodSource("goldenCases")
  @Tag("scalar")
  void golden(GatedDeltaRule op, String name) throws URISyntaxException {
    double tolerance = name.equals("repeated_keys") ? 1e-3 : 1e-4;
    Path path =
        Path.of(GatedDeltaRuleTest.class.getResource("/golden/gdn-op/golden.safetensors").toURI());
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      DeltaRuleCase c = DeltaRuleCase.golden(file, name);
      DeltaRuleCase.Result r = c.run(op);
      assertThat(Samples.relativeL2(r.out(), file.get(name + ".out"))).isLessThan(tolerance);
      assertThat(Samples.relativeL2(r.finalState(), file.get(name + ".final_state")))
          .isLessThan(tolerance);
      List<String> names = DeltaRuleCase.NAMES;
      for (int i = 0; i < names.size(); i++) {
        assertThat(
                Samples.relativeL2(r.gradients().get(i), file.get(name + ".grad_" + names.get(i))))
            .as("gradient of %s", names.get(i))
            .isLessThan(tolerance);
      }
    }
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
    "1, 33, 128, 128",
    "1, 97, 3, 256"
  })
  void outputsAndGradients(int batch, int tokens, int keyDim, int valueDim) {
    Shape s = new Shape(batch, tokens, 3, keyDim, valueDim);
    agree(DeltaRuleCase.random(tokens, s, 0.2, 1), 5e-6);
  }

  @Test
  void noDecay() {
    agree(DeltaRuleCase.random(1, new Shape(1, 207, 2, 32, 32), 0, 1), 5e-6);
  }

  @Test
  void strongDecay() {
    agree(DeltaRuleCase.random(2, new Shape(1, 207, 2, 32, 32), 30, 1), 2e-5);
    DeltaRuleCase c = DeltaRuleCase.random(3, new Shape(1, 130, 2, 16, 16), 0.1, 1);
    for (int token = 0; token < 130; token += 5) {
      c.in().g().set(2L * token, -30f);
    }
    agree(c, 5e-6);
  }

  @Test
  void writeStrengthUpToTwo() {
    agree(DeltaRuleCase.random(4, new Shape(1, 207, 2, 32, 32), 0.1, 2), 1e-5);
    DeltaRuleCase c = DeltaRuleCase.random(5, new Shape(1, 130, 2, 32, 32), 0.01, 2);
    c.in().beta().fill(2f);
    agree(c, 1e-4);
  }

  @Test
  void noWrite() {
    DeltaRuleCase c = DeltaRuleCase.random(6, new Shape(1, 70, 2, 16, 16), 0.1, 0);
    agree(c, 5e-6);
  }

  @ParameterizedTest
  @ValueSource(doubles = {1, 2})
  void repeatedKeys(double beta) {
    DeltaRuleCase c =
        DeltaRuleCase.random(7, new Shape(1, 207, 2, 32, 32), 1e-3, 1).repeatingKeys();
    c.in().beta().fill((float) beta);
    agree(c, 1e-3);
  }

  private static void agree(DeltaRuleCase c, double tolerance) {
    DeltaRuleCase.Result expected = c.run(REFERENCE);
    DeltaRuleCase.Result actual = c.run(CPU);
    assertThat(Samples.relativeL2(actual.out(), expected.out())).as("out").isLessThan(tolerance);
    assertThat(Samples.relativeL2(actual.finalState(), expected.finalState()))
        .as("final state")
        .isLessThan(tolerance);
    for (int i = 0; i < DeltaRuleCase.NAMES.size(); i++) {
      assertThat(Samples.relativeL2(actual.gradients().get(i), expected.gradients().get(i)))
          .as("gradient of %s", DeltaRuleCase.NAMES.get(i))
          .isLessThan(tolerance);
    }
  }

  @Test
  void cutsOnTheChunkGridChangeNoBit() {
    DeltaRuleCase c = DeltaRuleCase.random(8, new Shape(1, 207, 2, 32, 20), 0.2, 1);
    DeltaRuleCase.Result whole = c.run(CPU);
    Tensor state = Samples.copy(c.state());
    int[] cuts = {0, 64, 192, 207};
    for (int i = 0; i + 1 < cuts.length; i++) {
      assertThat(piece(CPU, c, cuts[i], cuts[i + 1], state).toFloats())
          .isEqualTo(whole.out().view(207, 2 * 20).rows(cuts[i], cuts[i + 1] - cuts[i]).toFloats());
    }
    assertThat(state.toFloats()).isEqualTo(whole.finalState().toFloats());
  }

  @Test
  void cutsAnywhereAndStepsAgree() {
    DeltaRuleCase c = DeltaRuleCase.random(9, new Shape(1, 207, 2, 20, 36), 0.2, 1);
    DeltaRuleCase.Result whole = c.run(REFERENCE);
    Tensor state = Samples.copy(c.state());
    Tensor out = Samples.unwritten(207, 2 * 36);
    int[] cuts = {0, 13, 77, 78, 130, 200};
    for (int i = 0; i + 1 < cuts.length; i++) {
      int n = cuts[i + 1] - cuts[i];
      out.rows(cuts[i], n).copyFrom(piece(CPU, c, cuts[i], cuts[i + 1], state));
    }
    Shape one = new Shape(1, 1, 2, 20, 36);
    for (int t = 200; t < 207; t++) {
      CPU.step(one, inputs(c, t, t + 1), state, out.rows(t, 1));
    }
    assertThat(Samples.relativeL2(out, whole.out())).isLessThan(5e-6);
    assertThat(Samples.relativeL2(state, whole.finalState())).isLessThan(5e-6);
  }

  @ParameterizedTest
  @CsvSource({"1, 2, 32, 32", "3, 4, 128, 128", "2, 3, 6, 22", "1, 16, 64, 48"})
  void steps(int batch, int heads, int keyDim, int valueDim) {
    Shape s = new Shape(batch, 1, heads, keyDim, valueDim);
    DeltaRuleCase c = DeltaRuleCase.random(10, s, 2, 1);
    Tensor expected = Samples.unwritten(c.dOut().shape());
    Tensor actual = Samples.unwritten(c.dOut().shape());
    Tensor expectedState = Samples.copy(c.state());
    Tensor state = Samples.copy(c.state());
    REFERENCE.step(s, c.in(), expectedState, expected);
    CPU.step(s, c.in(), state, actual);
    assertThat(Samples.relativeL2(actual, expected)).isLessThan(2e-6);
    assertThat(Samples.relativeL2(state, expectedState)).isLessThan(2e-6);
  }

  @Test
  void threadsChangeNoBit() {
    DeltaRuleCase c = DeltaRuleCase.random(11, new Shape(2, 130, 3, 32, 32), 0.2, 1);
    DeltaRuleCase.Result two = c.run(CPU);
    DeltaRuleCase.Result one = c.run(new CpuGatedDeltaRule(ALONE));
    assertThat(two.out().toFloats()).isEqualTo(one.out().toFloats());
    for (int i = 0; i < DeltaRuleCase.NAMES.size(); i++) {
      assertThat(two.gradients().get(i).toFloats()).isEqualTo(one.gradients().get(i).toFloats());
    }
  }

  @Test
  void steppingAllocatesNothing() {
    Shape s = new Shape(1, 1, 8, 64, 64);
    DeltaRuleCase c = DeltaRuleCase.random(12, s, 0.01, 1);
    Tensor out = Samples.unwritten(c.dOut().shape());
    GatedDeltaRule op = new CpuGatedDeltaRule(ALONE);
    Samples.assertAllocatesNothing(() -> op.step(s, c.in(), c.state(), out));
  }

  private static Tensor piece(GatedDeltaRule op, DeltaRuleCase c, int from, int to, Tensor state) {
    Shape s = c.shape();
    Tensor out = Samples.unwritten(to - from, (long) s.heads() * s.valueDim());
    Shape part = new Shape(1, to - from, s.heads(), s.keyDim(), s.valueDim());
    op.forward(part, inputs(c, from, to), from, state, out, null);
    return out;
  }

  /** Tokens {@code from} to {@code to} of the only sequence. */
  private static Inputs inputs(DeltaRuleCase c, int from, int to) {
    int all = c.shape().tokens();
    return new Inputs(
        tokens(c.in().q(), all, from, to),
        tokens(c.in().k(), all, from, to),
        tokens(c.in().v(), all, from, to),
        tokens(c.in().g(), all, from, to),
        tokens(c.in().beta(), all, from, to));
  }

  private static Tensor tokens(Tensor x, int all, int from, int to) {
    return x.view(all, x.size() / all).rows(from, to - from);
  }
}
