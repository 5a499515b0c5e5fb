package io.hydrahead.train;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Environment;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/** A tiny model, a predictable corpus and a recipe for tests of training. */
final class Toy {
  static final int VOCABULARY = 23;

  private Toy() {}

  static HybridTransformer model(Ops ops, long seed) {
    ModelConfig c =
        new ModelConfig(
            VOCABULARY,
            32,
            48,
            2,
            4,
            2,
            8,
            64,
            1e-6f,
            RotaryConfig.plain(10_000),
            true,
            -1,
            List.of());
    return new HybridTransformer(
        c, HeadPlan.allFull(2, 4), Style.VANILLA, Initializer.vanilla(c, seed), ops);
  }

  /** Rows that count on by a step of their own: learnable, no two alike in weights. */
  static Rows rows(int context) {
    return new Rows() {
      @Override
      public long count() {
        return 500;
      }

      @Override
      public void read(long row, int[] ids, float[] weights) {
        SplittableRandom r = new SplittableRandom(row);
        int at = r.nextInt(VOCABULARY);
        int step = 1 + r.nextInt(3);
        for (int t = 0; t <= context; t++) {
          ids[t] = (at + t * step) % VOCABULARY;
          weights[t] = r.nextInt(8) == 0 ? 0f : 0.5f + r.nextInt(4);
        }
      }

      @Override
      public String fingerprint() {
        return "toy" + context;
      }
    };
  }

  static final Corpus CORPUS =
      new Corpus() {
        @Override
        public Rows training(Stage stage) {
          return rows(stage.batching().context());
        }

        @Override
        public Rows heldOut(Stage stage) {
          return rows(stage.batching().context());
        }
      };

  static Stage stage(String name, Stage.Objective objective, int steps, Stage.Batching b) {
    return new Stage(
        name,
        objective,
        steps * b.tokens(),
        b,
        AdamW.Settings.DEFAULT,
        new Schedule(Schedule.Kind.COSINE, 3e-3, 1e-4, 3, 0.2),
        List.of("all"),
        true,
        null);
  }

  static RunSettings settings(int saveEvery) {
    return new RunSettings(3, saveEvery, 0, 4, DType.F32);
  }

  /** Pretraining of the tiny model over two stages of different context. */
  record Job(Learner learner, List<Stage> stages, RunSettings settings) implements TrainingJob {
    @Override
    public String title() {
      return "toy";
    }

    @Override
    public String hash() {
      return "toy";
    }

    @Override
    public List<Learner> learners() {
      return List.of(learner);
    }

    @Override
    public Rows training(Stage stage) {
      return CORPUS.training(stage);
    }

    @Override
    public Rows heldOut(Stage stage) {
      return CORPUS.heldOut(stage);
    }

    @Override
    public StageWork open(Stage stage) {
      return new NextTokenWork(learners(), stage.batching());
    }
  }

  static Job job(Ops ops, int firstSteps, int secondSteps, int saveEvery) {
    return new Job(
        new Learner("toy", model(ops, 5)),
        List.of(
            stage("short", new Stage.NextToken(), firstSteps, new Stage.Batching(8, 4, 16)),
            stage("long", new Stage.NextToken(), secondSteps, new Stage.Batching(4, 4, 33))),
        settings(saveEvery));
  }

  static TrainingRun run(Job job, Ops ops, Path folder, io.hydrahead.tensor.Progress progress) {
    return new TrainingRun(job, folder, Environment.of(ops), progress);
  }
}
