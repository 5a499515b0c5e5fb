package io.hydrahead.transfer;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.Environment;
import io.hydrahead.ops.Graphs;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.plan.ConvertRecipe;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Progress;
import io.hydrahead.train.AdamW;
import io.hydrahead.train.Learner;
import io.hydrahead.train.RunSettings;
import io.hydrahead.train.Schedule;
import io.hydrahead.train.Stage;
import io.hydrahead.train.TrainingRun;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every stage records its step once and replays it, over evaluations in between, and leaves the
 * bits that launching everything anew leaves.
 */
class RecordedTransferTest {
  private static final int STEPS = 5;
  private static final int MICROS = 2;
  private static final HeadPlan HEAD_WISE = TestModels.headWise();
  private static final Style WINDOW = Style.HYDRAHEAD.withWindow(13, 3);
  private static final Style CONV =
      new Style(true, true, true, true, false, Style.LengthScale.NONE, 500, 4, 2f);

  @TempDir Path folder;

  static Stream<Arguments> objectives() {
    return Stream.of(
        Arguments.of("align", new Stage.Align(true), false),
        Arguments.of("align, not normalised", new Stage.Align(false), false),
        Arguments.of("distil", new Stage.Distil(1, 0.5f), false),
        Arguments.of("distil, recomputed", new Stage.Distil(1, 0), true),
        Arguments.of("lengthen", new Stage.NextToken(), false),
        Arguments.of("lengthen, recomputed", new Stage.NextToken(), true));
  }

  /** What to train with, each opened when its turn comes. */
  List<Supplier<Ops>> backends() {
    return List.of(() -> OpsFactory.cpu(new OpsOptions(2, "java", true)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("objectives")
  void replayedStepsGiveTheSameBits(String name, Stage.Objective objective, boolean recompute) {
    for (Supplier<Ops> backend : backends()) {
      try (Ops ops = backend.get()) {
        compare(ops, objective, recompute);
      }
    }
  }

  /** The parameters after five steps of two micro-batches each, recorded and not. */
  private void compare(Ops ops, Stage.Objective objective, boolean recompute) {
    Counting counting = new Counting(ops.graphs());
    Map<String, float[]> replayed = trained(graphs(ops, counting), objective, recompute);
    Map<String, float[]> plain = trained(graphs(ops, Graphs.IMMEDIATE), objective, recompute);
    assertThat(counting.recorded).isEqualTo(1);
    assertThat(counting.launched).isEqualTo(STEPS * MICROS - 1);
    assertThat(counting.open).isZero();
    assertThat(replayed.keySet()).isEqualTo(plain.keySet());
    replayed.forEach(
        (parameter, values) -> assertThat(values).as(parameter).isEqualTo(plain.get(parameter)));
  }

  private static Ops graphs(Ops ops, Graphs graphs) {
    return ops.with(ops.placement().withGraphs(graphs));
  }

  /** All parameters of students of every kind that learn together. */
  private Map<String, float[]> trained(Ops ops, Stage.Objective objective, boolean recompute) {
    ModelConfig c = TestModels.config();
    HeadPlan all = HeadPlan.allFull(c.layers(), c.heads());
    try (HybridTransformer teacher = TestModels.gentle(c, all, Style.VANILLA, ops, 1);
        HybridTransformer linear = TestModels.gentle(HEAD_WISE, Style.HYDRAHEAD, ops, 2);
        HybridTransformer conv = TestModels.gentle(HEAD_WISE, CONV, ops, 3);
        HybridTransformer window = TestModels.gentle(HEAD_WISE, WINDOW, ops, 4);
        Learner first = new Learner("linear", linear);
        Learner second = new Learner("conv", conv);
        Learner third = new Learner("window", window)) {
      List<Learner> students = List.of(first, second, third);
      Map<String, float[]> before = parameters(students);
      Stage stage = stage(objective, recompute);
      TransferRecipe recipe =
          new TransferRecipe(
              "test",
              "",
              ConvertRecipe.DEFAULT,
              false,
              new RunSettings(1, 100, 2, 4, DType.F32),
              List.of(stage));
      Transfer transfer =
          new Transfer(
              recipe, teacher, students, TransferTest.CORPUS, "hash", Transfer.Evaluation.NONE);
      new TrainingRun(transfer, folder, Environment.of(ops), Progress.SILENT).run(false);
      Map<String, float[]> after = parameters(students);
      after.forEach((name, values) -> {
        boolean trained = stage.trains().test(name.substring(name.indexOf(' ') + 1));
        assertThat(Arrays.equals(values, before.get(name))).as(name).isEqualTo(!trained);
      });
      return after;
    }
  }

  private static Map<String, float[]> parameters(List<Learner> students) {
    Map<String, float[]> out = new LinkedHashMap<>();
    for (Learner s : students) {
      ParameterStore store = s.model().parameters();
      store.names().forEach(p -> out.put(s.name() + " " + p, store.get(p).toFloats()));
    }
    return out;
  }

  /** 2 × 70 tokens a micro-batch: more than a chunk of the delta rule, and no multiple of it. */
  private static Stage stage(Stage.Objective objective, boolean recompute) {
    Stage.Batching b = new Stage.Batching(2 * MICROS, 2, 70, recompute);
    return new Stage(
        "stage",
        objective,
        STEPS * b.tokens(),
        b,
        AdamW.Settings.DEFAULT,
        new Schedule(Schedule.Kind.CONSTANT, 3e-3, 3e-3, 2, 0.2),
        List.of(objective instanceof Stage.Align ? "attention" : "all"),
        false,
        null);
  }

  /** Counts what goes to {@code inner}. */
  private static final class Counting implements Graphs {
    private final Graphs inner;
    private int recorded;
    private int launched;
    private int open;

    Counting(Graphs inner) {
      this.inner = inner;
    }

    @Override
    public Graph record(Runnable work) {
      Graph graph = inner.record(work);
      recorded++;
      open++;
      return new Graph() {
        @Override
        public void launch() {
          launched++;
          graph.launch();
        }

        @Override
        public void close() {
          open--;
          graph.close();
        }
      };
    }
  }
}
