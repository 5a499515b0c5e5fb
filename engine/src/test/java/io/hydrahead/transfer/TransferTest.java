package io.hydrahead.transfer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Json;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.model.Style;
import io.hydrahead.model.TestModels;
import io.hydrahead.ops.Environment;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.plan.ConvertRecipe;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.train.AdamW;
import io.hydrahead.train.Batch;
import io.hydrahead.train.Corpus;
import io.hydrahead.train.Learner;
import io.hydrahead.train.Rows;
import io.hydrahead.train.RunSettings;
import io.hydrahead.train.Schedule;
import io.hydrahead.train.Stage;
import io.hydrahead.train.StageWork;
import io.hydrahead.train.TrainingRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class TransferTest {
  private static final int LAYERS = 2;
  private static final int HEADS = 4;
  private static final Stage.Objective ALIGN = new Stage.Align(true);
  private static final Stage.Objective DISTIL = new Stage.Distil(1, 1);
  private static Ops ops;
  private static HybridTransformer teacher;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    ops = OpsFactory.cpu(new OpsOptions(2, "java", false));
    ModelConfig c =
        new ModelConfig(
            31,
            32,
            48,
            LAYERS,
            HEADS,
            2,
            8,
            32,
            1e-6f,
            RotaryConfig.plain(10_000),
            true,
            -1,
            List.of());
    teacher = TestModels.random(c, HeadPlan.allFull(LAYERS, HEADS), Style.VANILLA, ops, 1);
    // Logits of a trained model's size: the random embedding would give ±30.
    Tensor embedding = teacher.parameters().get("model.embed_tokens.weight");
    ops.optim().axpy(-0.85f, Tensor.of(embedding.toFloats(), embedding.shape()), embedding);
  }

  @AfterAll
  static void close() {
    teacher.close();
    ops.close();
  }

  private static HeadPlan plan(List<Integer> first, List<Integer> second) {
    return HeadPlan.of(List.of(first, second), LAYERS, HEADS);
  }

  /** A student with the teacher's backbone and attention of its own. */
  private static Learner student(String name, HeadPlan plan, long seed) {
    HybridTransformer m = TestModels.random(teacher.config(), plan, Style.HYDRAHEAD, ops, seed);
    for (String p : m.parameters().names()) {
      if (!p.contains("self_attn") && teacher.parameters().contains(p)) {
        m.parameters().get(p).copyFrom(teacher.parameters().get(p));
      }
    }
    return new Learner(name, m);
  }

  private static Learner scattered() {
    return student("scattered", plan(List.of(1), List.of(0, 3)), 11);
  }

  private static Learner linear() {
    return student("linear", plan(List.of(), List.of()), 12);
  }

  static final Corpus CORPUS =
      new Corpus() {
        @Override
        public Rows training(Stage stage) {
          return new Rows() {
            @Override
            public long count() {
              return 1000;
            }

            @Override
            public void read(long row, int[] ids, float[] weights) {
              SplittableRandom r = new SplittableRandom(row);
              for (int t = 0; t < ids.length; t++) {
                ids[t] = r.nextInt(31);
                weights[t] = r.nextInt(4) == 0 ? 0 : 1;
              }
            }

            @Override
            public String fingerprint() {
              return "random";
            }
          };
        }

        @Override
        public Rows heldOut(Stage stage) {
          return training(stage);
        }
      };

  private static Stage stage(
      String name, Stage.Objective objective, int steps, int context, String trainable) {
    Stage.Batching b = new Stage.Batching(4, 2, context);
    return new Stage(
        name,
        objective,
        steps * b.tokens(),
        b,
        AdamW.Settings.DEFAULT,
        new Schedule(Schedule.Kind.CONSTANT, 3e-3, 3e-3, 2, 0.2),
        List.of(trainable),
        false,
        null);
  }

  private static TransferRecipe recipe(RunSettings settings, List<Stage> stages) {
    return new TransferRecipe("test", "", ConvertRecipe.DEFAULT, true, settings, stages);
  }

  private static Transfer transfer(List<Learner> students, Stage... stages) {
    TransferRecipe recipe = recipe(new RunSettings(1, 100, 0, 4, DType.F32), List.of(stages));
    return new Transfer(recipe, teacher, students, CORPUS, "hash", Transfer.Evaluation.NONE);
  }

  private static void run(Transfer t, Path folder, Progress progress) {
    new TrainingRun(t, folder, Environment.of(ops), progress).run(true);
  }

  private static List<JsonNode> steps(Path folder, String model) throws IOException {
    return Files.readAllLines(folder.resolve(TrainingRun.LOG)).stream()
        .map(l -> Json.parse(l, "log"))
        .filter(n -> n.path("kind").stringValue().equals("step"))
        .filter(n -> n.path("model").stringValue().equals(model))
        .toList();
  }

  private static boolean same(Tensor a, Tensor b) {
    return a.segment().mismatch(b.segment()) < 0;
  }

  @Test
  void alignmentTouchesOnlyAttentionAndBringsItNearer() throws IOException {
    Learner s = scattered();
    ParameterStore before = s.model().parameters().copy();
    run(transfer(List.of(s), stage("align", ALIGN, 40, 16, "attention")), folder, Progress.SILENT);
    int moved = 0;
    for (String name : before.names()) {
      boolean same = same(before.get(name), s.model().parameters().get(name));
      if (name.contains(".self_attn.")) {
        moved += same ? 0 : 1;
      } else {
        assertThat(same).as(name).isTrue();
      }
    }
    assertThat(moved)
        .isEqualTo(before.names().stream().filter(n -> n.contains(".self_attn.")).count());
    List<JsonNode> steps = steps(folder, "scattered");
    assertThat(steps.getLast().path("loss").doubleValue())
        .isLessThan(0.7 * steps.getFirst().path("loss").doubleValue());
  }

  @Test
  void alignmentOfTheTeacherWithItselfIsZero() throws IOException {
    Learner self =
        new Learner(
            "self",
            new HybridTransformer(
                teacher.config(),
                teacher.plan(),
                teacher.style(),
                teacher.parameters().copy(),
                ops));
    TransferRecipe recipe =
        new TransferRecipe(
            "test",
            "",
            ConvertRecipe.DEFAULT,
            false,
            new RunSettings(1, 100, 0, 4, DType.F32),
            List.of(stage("align", ALIGN, 1, 16, "attention")));
    Transfer t =
        new Transfer(recipe, teacher, List.of(self), CORPUS, "hash", Transfer.Evaluation.NONE);
    run(t, folder, Progress.SILENT);
    assertThat(steps(folder, "self").getFirst().path("loss").doubleValue()).isLessThan(1e-8);
  }

  @Test
  void alignmentGradientIsThatOfItsLoss() {
    Learner s = scattered();
    Stage.Batching b = new Stage.Batching(2, 2, 16);
    Batch batch = new Batch(2, 16);
    SplittableRandom r = new SplittableRandom(1);
    for (int i = 0; i < batch.ids().length; i++) {
      batch.ids()[i] = r.nextInt(31);
    }
    try (AlignWork work = new AlignWork(teacher, List.of(s), b, new Stage.Align(true))) {
      s.grads().clear();
      var share = new StageWork.Share(1, 1);
      work.run(batch, share, true);
      double[][] ignored = new double[1][1];
      work.take(share, ignored);
      for (String name : List.of("o_proj.weight", "gamma", "linear_v_proj.weight")) {
        String full = "model.layers.1.self_attn." + name;
        Tensor p = s.model().parameters().get(full);
        Tensor g = s.grads().get(full);
        float x = p.get(1);
        float h = 1e-2f;
        double[][] up = new double[1][1];
        double[][] down = new double[1][1];
        p.set(1, x + h);
        work.run(batch, share, false);
        work.take(share, up);
        p.set(1, x - h);
        work.run(batch, share, false);
        work.take(share, down);
        p.set(1, x);
        double slope = (up[0][0] - down[0][0]) / (2 * h);
        assertThat((double) g.get(1))
            .as(name)
            .isCloseTo(slope, within(2e-3 * Math.abs(slope) + 1e-6));
      }
    }
  }

  @Test
  void distillationLowersTheDivergence() throws IOException {
    Learner s = linear();
    // Without cross-entropy: the corpus is noise, which would pull away from the teacher.
    Stage.Objective divergence = new Stage.Distil(1, 0);
    run(transfer(List.of(s), stage("distil", divergence, 40, 16, "all")), folder, Progress.SILENT);
    List<JsonNode> steps = steps(folder, "linear");
    JsonNode first = steps.getFirst();
    assertThat(first.path("loss")).isEqualTo(first.path("kl"));
    assertThat(first.path("cross_entropy").doubleValue()).isPositive();
    assertThat(steps.getLast().path("kl").doubleValue())
        .isLessThan(0.8 * first.path("kl").doubleValue());
  }

  @Test
  void armsThatTrainTogetherComeOutAsIfAlone() throws IOException {
    Stage[] stages = {
      stage("align", ALIGN, 3, 16, "attention"),
      stage("distil", DISTIL, 3, 16, "all"),
      stage("lengthen", new Stage.NextToken(), 2, 48, "all"),
    };
    Learner a = scattered();
    Learner b = linear();
    run(transfer(List.of(a, b), stages), folder.resolve("together"), Progress.SILENT);
    Learner alone = linear();
    run(transfer(List.of(alone), stages), folder.resolve("alone"), Progress.SILENT);
    for (String name : alone.model().parameters().names()) {
      assertThat(same(alone.model().parameters().get(name), b.model().parameters().get(name)))
          .as(name)
          .isTrue();
    }
    assertThat(b.model().config().maxPositionEmbeddings()).isEqualTo(48);
    assertThat(teacher.config().maxPositionEmbeddings()).isEqualTo(32);
  }

  @Test
  void anInterruptedTransferGoesOnBitwise() {
    Stage[] stages = {
      stage("align", ALIGN, 3, 16, "attention"), stage("distil", DISTIL, 3, 16, "all")
    };
    Learner whole = scattered();
    run(transfer(List.of(whole), stages), folder.resolve("whole"), Progress.SILENT);
    Learner last = null;
    for (int piece = 0; piece < 4; piece++) {
      last = scattered();
      Transfer t = transfer(List.of(last), stages);
      if (piece < 3) {
        Progress stop = stopAfter(piece == 1 ? 1 : 2);
        assertThatThrownBy(() -> run(t, folder.resolve("pieces"), stop))
            .isInstanceOf(CancellationException.class);
      } else {
        run(t, folder.resolve("pieces"), Progress.SILENT);
      }
    }
    for (String name : whole.model().parameters().names()) {
      assertThat(same(whole.model().parameters().get(name), last.model().parameters().get(name)))
          .as(name)
          .isTrue();
    }
  }

  private static Progress stopAfter(int steps) {
    return new Progress() {
      private int seen;

      @Override
      public void begin(String what, long total, String unit) {}

      @Override
      public void advance(long done, String note) {
        seen++;
      }

      @Override
      public void end() {}

      @Override
      public boolean cancelled() {
        return seen >= steps;
      }
    };
  }

  @Test
  void evaluatesEveryStudentAfterEveryStage() {
    List<String> seen = new ArrayList<>();
    TransferRecipe recipe =
        recipe(
            new RunSettings(1, 100, 0, 4, DType.F32),
            List.of(
                stage("align", ALIGN, 1, 16, "attention"), stage("distil", DISTIL, 1, 16, "all")));
    Transfer t =
        new Transfer(
            recipe,
            teacher,
            List.of(scattered(), linear()),
            CORPUS,
            "hash",
            (stage, name, model) -> {
              seen.add(stage.name() + " " + name);
              return Map.of("recall", 0.5);
            });
    run(t, folder, Progress.SILENT);
    assertThat(seen)
        .containsExactly("align scattered", "align linear", "distil scattered", "distil linear");
  }

  @Test
  void refusesAStudentOfAnotherShape() {
    HybridTransformer other =
        TestModels.random(TestModels.config(), TestModels.headWise(), Style.HYDRAHEAD, ops, 1);
    assertThatThrownBy(
            () -> transfer(List.of(new Learner("other", other)), stage("a", ALIGN, 1, 16, "all")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("vocab_size is 97, the teacher's is 31");
  }

  @Test
  void refusesAStudentOfAnotherStyleThanTheRecipes() {
    Learner vanilla = new Learner("vanilla", teacher);
    assertThatThrownBy(() -> transfer(List.of(vanilla), stage("a", ALIGN, 1, 16, "all")))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("vanilla", "$.style", "fusionNorm");
  }
}
