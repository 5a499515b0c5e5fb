package io.hydrahead.model;

import static io.hydrahead.model.TestModels.ids;
import static io.hydrahead.model.TestModels.ones;
import static io.hydrahead.model.TestModels.shifted;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.ops.Graphs;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.ops.Overlap;
import io.hydrahead.ops.Placement;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Memory;
import io.hydrahead.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class HybridTransformerTest {
  private static final Style CONV_AND_BETA2 =
      new Style(true, true, true, true, false, Style.LengthScale.NONE, 500, 4, 2f);

  /** Smaller than a block of keys, and than most texts here. */
  private static final Style WINDOWS = Style.HYDRAHEAD.withWindow(13, 3);

  private static final Style NO_SINKS = Style.HYDRAHEAD.withWindow(17, 0);

  static Stream<Arguments> models() {
    ModelConfig c = TestModels.config();
    return Stream.of(
        Arguments.of("vanilla", HeadPlan.allFull(3, 4), Style.VANILLA),
        Arguments.of("layer-wise", TestModels.layerWise(), Style.HYDRAHEAD),
        Arguments.of("head-wise", TestModels.headWise(), Style.HYDRAHEAD),
        Arguments.of("all full, HydraHead style", HeadPlan.allFull(3, 4), Style.HYDRAHEAD),
        Arguments.of("all linear", HeadPlan.of(new boolean[3][4]), Style.HYDRAHEAD),
        Arguments.of("head-wise, conv, beta 2", TestModels.headWise(), CONV_AND_BETA2),
        Arguments.of("head-wise, no norm, no gamma", TestModels.headWise(), bare()),
        Arguments.of("head-wise, windows", TestModels.headWise(), WINDOWS),
        Arguments.of("all windowed, no sinks", HeadPlan.of(new boolean[3][4]), NO_SINKS),
        Arguments.of("Qwen3.5", TestModels.layerWise(), Style.QWEN3_5));
  }

  private static Style bare() {
    return new Style(false, false, false, false, true, Style.LengthScale.NONE, 500, 0, 1f);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void backendsAgreeInLossAndGradients(String name, HeadPlan plan, Style style) {
    try (Ops reference = OpsFactory.reference(1);
        Ops cpu = OpsFactory.cpu(OpsOptions.defaults())) {
      int[] ids = ids(2 * 70, 97, 3);
      ParameterStore a = gradients(plan, style, reference, ids);
      ParameterStore b = gradients(plan, style, cpu, ids);
      for (String parameter : a.names()) {
        assertThat(GoldenCheck.relativeL2(b.get(parameter), a.get(parameter)))
            .as(parameter)
            .isLessThan(1e-4);
      }
    }
  }

  /** One product for all projections of an input, and activations that are its columns. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void packedProjectionsGiveTheSameGradients(String name, HeadPlan plan, Style style) {
    try (Ops separate = OpsFactory.reference(1)) {
      Ops packed = separate.with(Placement.HOST.withPacked(true));
      int[] ids = ids(2 * 21, 97, 3);
      ParameterStore a = gradients(plan, style, separate, ids);
      ParameterStore b = gradients(plan, style, packed, ids);
      for (String parameter : a.names()) {
        assertThat(GoldenCheck.relativeL2(b.get(parameter), a.get(parameter)))
            .as(parameter)
            .isLessThan(1e-5);
      }
      HybridTransformer one = TestModels.random(TestModels.config(), plan, style, separate, 7);
      HybridTransformer other = TestModels.random(TestModels.config(), plan, style, packed, 7);
      assertThat(decoded(other, ids, 30)).containsExactly(decoded(one, ids, 30));
    }
  }

  /** Activations and working matrices in bf16, parameters and gradients in float32. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void bf16ActivationsGiveNearlyTheSameGradients(String name, HeadPlan plan, Style style) {
    try (Ops exact = OpsFactory.reference(1)) {
      Ops rounded =
          exact.with(
              new Placement(
                  Memory.HOST, DType.BF16, true, Graphs.IMMEDIATE, Overlap.NONE, () -> {}));
      int[] ids = ids(2 * 21, 97, 3);
      TrainingPass.Options training = TrainingPass.Options.TRAINING;
      ParameterStore a = gradients(TestModels.gentle(plan, style, exact, 7), ids, training);
      ParameterStore b = gradients(TestModels.gentle(plan, style, rounded, 7), ids, training);
      for (String parameter : a.names()) {
        assertThat(b.get(parameter).dtype()).isEqualTo(DType.F32);
        assertThat(GoldenCheck.relativeL2(b.get(parameter), a.get(parameter)))
            .as(parameter)
            .isBetween(1e-5, 0.1);
      }
    }
  }

  /** Recomputing a layer from its input gives the bits that were not kept. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void recomputedActivationsGiveTheSameBits(String name, HeadPlan plan, Style style) {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults())) {
      int[] ids = ids(2 * 70, 97, 3);
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 7);
      ParameterStore kept = gradients(m, ids, TrainingPass.Options.TRAINING);
      ParameterStore again = gradients(m, ids, new TrainingPass.Options(true, true));
      for (String parameter : kept.names()) {
        assertThat(again.get(parameter).toFloats())
            .as(parameter)
            .containsExactly(kept.get(parameter).toFloats());
      }
    }
  }

  private static ParameterStore gradients(HeadPlan plan, Style style, Ops ops, int[] ids) {
    return gradients(
        TestModels.random(TestModels.config(), plan, style, ops, 7),
        ids,
        TrainingPass.Options.TRAINING);
  }

  private static ParameterStore gradients(
      HybridTransformer m, int[] ids, TrainingPass.Options options) {
    ParameterStore grads = m.parameters().zerosLike();
    try (TrainingPass pass = new TrainingPass(m, 2, ids.length / 2, options)) {
      pass.forward(ids);
      pass.nextTokenLoss(shifted(ids, 2), ones(ids.length), 1f / ids.length, grads);
      pass.backward(grads);
    }
    return grads;
  }

  /** The directional derivative along a random direction, by central differences. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void gradientIsTheSlopeOfTheLoss(String name, HeadPlan plan, Style style) {
    try (Ops ops = OpsFactory.reference(1)) {
      int[] ids = ids(2 * 21, 97, 5);
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 11);
      ParameterStore grads = m.parameters().zerosLike();
      try (TrainingPass pass = new TrainingPass(m, 2, 21, true)) {
        pass.forward(ids);
        pass.nextTokenLoss(shifted(ids, 2), ones(ids.length), 1f, grads);
        pass.backward(grads);
        for (String parameter : grads.names()) {
          Tensor w = m.parameters().get(parameter);
          Tensor g = grads.get(parameter);
          double norm = GoldenCheck.relativeL2(g, Tensor.of(new float[(int) g.size()], g.shape()));
          assertThat(norm).as(parameter).isGreaterThan(0);
          float eps = (float) (2e-3 / Math.max(norm, 1) * Math.max(1, norm / 20));
          float[] before = w.toFloats();
          double up = moved(pass, ids, w, before, g, (float) (eps / norm));
          double down = moved(pass, ids, w, before, g, (float) (-eps / norm));
          w.copyFrom(before);
          assertThat((up - down) / (2 * eps))
              .as(parameter)
              .isCloseTo(norm, org.assertj.core.data.Percentage.withPercentage(3));
        }
      }
    }
  }

  private static double moved(
      TrainingPass pass, int[] ids, Tensor w, float[] before, Tensor g, float by) {
    for (int i = 0; i < before.length; i++) {
      w.set(i, before[i] + by * g.get(i));
    }
    pass.forward(ids);
    return pass.nextTokenLoss(shifted(ids, 2), ones(ids.length), 1f, null);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void anySplitGivesTheLogitsOfOnePass(String name, HeadPlan plan, Style style) {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults())) {
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 13);
      int[] ids = ids(200, 97, 17);
      float[] whole = onePass(m, ids);
      long seed = System.nanoTime();
      Random random = new Random(seed);
      for (int round = 0; round < 4; round++) {
        int[] cuts = random.ints(3, 1, 199).sorted().distinct().toArray();
        Tensor got = Tensor.of(pieces(m, ids, cuts), whole.length);
        assertThat(GoldenCheck.relativeL2(got, Tensor.of(whole, whole.length)))
            .as("seed %d cuts %s", seed, Arrays.toString(cuts))
            .isLessThan(1e-4);
      }
      assertThat(
              GoldenCheck.relativeL2(
                  Tensor.of(decoded(m, ids, 150), 50 * 97),
                  Tensor.of(Arrays.copyOfRange(whole, 150 * 97, whole.length), 50 * 97)))
          .isLessThan(1e-4);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void deterministicModeIsBitwiseOnTheGrid(String name, HeadPlan plan, Style style) {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(2, "auto", true))) {
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 19);
      int[] ids = ids(200, 97, 23);
      float[] whole = pieces(m, ids, new int[0]);
      assertThat(pieces(m, ids, new int[] {64, 192})).containsExactly(whole);
      assertThat(pieces(m, ids, new int[] {128})).containsExactly(whole);
      int[] oneMore = Arrays.copyOf(ids, 129);
      assertThat(pieces(m, oneMore, new int[] {128}))
          .containsExactly(pieces(m, oneMore, new int[0]));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void rewindForgetsExactly(String name, HeadPlan plan, Style style) {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(1, "auto", true))) {
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 29);
      int[] ids = ids(64, 97, 31);
      try (Session s = m.newSession(100)) {
        s.prefill(ids);
        Session.Mark mark = s.mark();
        float[] first = s.prefill(new int[] {1, 2, 3}).toFloats();
        s.decode(5);
        s.rewind(mark);
        assertThat(s.prefill(new int[] {1, 2, 3}).toFloats()).containsExactly(first);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void branchesReadAsIfEachStoodAlone(String name, HeadPlan plan, Style style) {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(2, "auto", false))) {
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 29);
      int[] ids = ids(150, 97, 31);
      int[][] texts = {ids(5, 97, 1), ids(23, 97, 2), ids(1, 97, 3)};
      int[] from = {2, 0, 0};
      try (Session s = m.newSession(150 + 32)) {
        s.prefill(ids);
        Tensor branched = s.branch(texts, from);
        assertThat(branched.shape()).containsExactly(3 + 23 + 1, 97);
        float[] all = branched.toFloats();
        assertThat(s.position()).isEqualTo(150);
        assertThat(s.branch(texts, from).toFloats()).containsExactly(all);
        int row = 0;
        for (int b = 0; b < texts.length; b++) {
          float[] alone = alone(m, ids, texts[b]);
          int n = texts[b].length - from[b];
          assertThat(
                  GoldenCheck.relativeL2(
                      Tensor.of(Arrays.copyOfRange(all, row * 97, (row + n) * 97), n * 97L),
                      Tensor.of(Arrays.copyOfRange(alone, from[b] * 97, alone.length), n * 97L)))
              .isLessThan(1e-4);
          row += n;
        }
        // The session goes on as if nothing had been read behind it.
        try (Session other = m.newSession(150 + 32)) {
          other.prefill(ids);
          assertThat(s.decode(7).toFloats()).containsExactly(other.decode(7).toFloats());
        }
      }
    }
  }

  /** Logits after each token of {@code text} behind {@code ids}. */
  private static float[] alone(HybridTransformer m, int[] ids, int[] text) {
    float[] out = new float[text.length * 97];
    try (Session s = m.newSession(ids.length + text.length)) {
      s.prefill(ids);
      for (int i = 0; i < text.length; i++) {
        System.arraycopy(s.decode(text[i]).toFloats(), 0, out, i * 97, 97);
      }
    }
    return out;
  }

  @Test
  void branchesNeedRoomAndTokens() {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(1, "auto", false))) {
      HybridTransformer m =
          TestModels.random(TestModels.config(), TestModels.headWise(), Style.HYDRAHEAD, ops, 29);
      try (Session s = m.newSession(40)) {
        s.prefill(ids(30, 97, 1));
        assertThatThrownBy(() -> s.branch(new int[][] {{1}}, new int[] {0}))
            .isInstanceOf(IllegalArgumentException.class)
            .hasMessageContaining("16 more tokens after 30");
        assertThatThrownBy(() -> s.branch(new int[][] {{}}, new int[] {0}))
            .isInstanceOf(IllegalArgumentException.class);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void crossEntropyByStretchesIsThatOfTheLogits(String name, HeadPlan plan, Style style) {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(2, "auto", false))) {
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 31);
      int[] ids = ids(700, 97, 33);
      int[] ends = {3, 512, 690};
      double[] expected = new double[3];
      try (Session s = m.newSession(700)) {
        s.prefill(
            ids,
            (from, logits) -> {
              for (int r = 0; r < logits.size(0); r++) {
                int at = from + r;
                if (at < 690) {
                  expected[at < 3 ? 0 : at < 512 ? 1 : 2] -= logProbability(logits, r, ids[at + 1]);
                }
              }
            });
        s.reset();
        double[] sums = s.crossEntropy(ids, ends);
        for (int j = 0; j < 3; j++) {
          assertThat(sums[j]).isCloseTo(expected[j], within(1e-3 * expected[j]));
        }
      }
    }
  }

  private static double logProbability(Tensor logits, int row, int id) {
    double sum = 0;
    for (int v = 0; v < 97; v++) {
      sum += Math.exp(logits.get(row * 97L + v));
    }
    return logits.get(row * 97L + id) - Math.log(sum);
  }

  @Test
  void matchesTransformersOnQwen3() throws Exception {
    Path folder = Path.of("src/test/resources/golden/qwen3-tiny");
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer m = HybridTransformer.load(folder, ops, ModelFiles.LoadOptions.FLOAT32);
        SafetensorsFile golden = SafetensorsFile.open(folder.resolve("golden.safetensors"))) {
      List<GoldenCheck.Deviation> found =
          GoldenCheck.run(m, golden.tensors().keySet(), golden::get);
      assertThat(found).hasSize(golden.tensors().size() - 1);
      assertThat(found).allMatch(d -> d.within(1e-4));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void savedModelsComeBack(String name, HeadPlan plan, Style style, @TempDir Path folder) {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults())) {
      HybridTransformer m = TestModels.random(TestModels.config(), plan, style, ops, 37);
      Path target = folder.resolve("model");
      m.save(target, new ModelFiles.SaveOptions(DType.F32, false, null, java.util.Map.of()));
      try (HybridTransformer back =
          HybridTransformer.load(target, ops, ModelFiles.LoadOptions.STORED)) {
        assertThat(back.plan()).isEqualTo(plan);
        assertThat(back.style()).isEqualTo(style);
        int[] ids = ids(40, 97, 41);
        assertThat(pieces(back, ids, new int[0])).containsExactly(pieces(m, ids, new int[0]));
      }
    }
  }

  @Test
  void refusesIdsOutsideTheVocabularyAndEmptyPrompts() {
    try (Ops ops = OpsFactory.reference(1)) {
      HybridTransformer m =
          TestModels.random(TestModels.config(), HeadPlan.allFull(3, 4), Style.VANILLA, ops, 43);
      try (Session s = m.newSession(8)) {
        assertThatThrownBy(() -> s.prefill(new int[] {1, 97}))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("97");
        assertThatThrownBy(() -> s.prefill(new int[0])).hasMessageContaining("empty");
        assertThatThrownBy(() -> s.prefill(new int[9])).hasMessageContaining("do not fit");
      }
    }
  }

  static float[] onePass(HybridTransformer m, int[] ids) {
    float[] all = new float[ids.length * 97];
    try (TrainingPass pass = new TrainingPass(m, 1, ids.length, false)) {
      pass.forward(ids);
      pass.logits((from, t) -> System.arraycopy(t.toFloats(), 0, all, from * 97, (int) t.size()));
    }
    return all;
  }

  static float[] pieces(HybridTransformer m, int[] ids, int[] cuts) {
    float[] all = new float[ids.length * 97];
    try (Session s = m.newSession(ids.length)) {
      int from = 0;
      for (int i = 0; i <= cuts.length; i++) {
        int to = i < cuts.length ? cuts[i] : ids.length;
        int base = from;
        s.prefill(
            Arrays.copyOfRange(ids, from, to),
            (row, t) -> System.arraycopy(t.toFloats(), 0, all, (base + row) * 97, (int) t.size()));
        from = to;
      }
    }
    return all;
  }

  static float[] decoded(HybridTransformer m, int[] ids, int from) {
    float[] all = new float[(ids.length - from) * 97];
    try (Session s = m.newSession(ids.length)) {
      s.prefill(Arrays.copyOf(ids, from));
      for (int i = from; i < ids.length; i++) {
        System.arraycopy(s.decode(ids[i]).toFloats(), 0, all, (i - from) * 97, 97);
      }
    }
    return all;
  }
}
