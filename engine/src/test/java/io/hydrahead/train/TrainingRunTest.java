package io.hydrahead.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Json;
import io.hydrahead.model.ParameterStore;
import io.hydrahead.ops.Environment;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class TrainingRunTest {
  private static Ops ops;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    ops = OpsFactory.cpu(new OpsOptions(2, "java", false));
  }

  @AfterAll
  static void close() {
    ops.close();
  }

  /** Stops after some steps. */
  private record StopAfter(int steps, int[] seen) implements Progress {
    @Override
    public void begin(String what, long total, String unit) {}

    @Override
    public void advance(long done, String note) {
      seen[0]++;
    }

    @Override
    public void end() {}

    @Override
    public boolean cancelled() {
      return seen[0] >= steps;
    }
  }

  private static List<JsonNode> log(Path run, String kind) throws IOException {
    return Files.readAllLines(run.resolve(TrainingRun.LOG)).stream()
        .map(l -> Json.parse(l, "log"))
        .filter(n -> n.path("kind").stringValue().equals(kind))
        .toList();
  }

  static void assertSameBits(ParameterStore a, ParameterStore b) {
    for (String name : a.names()) {
      assertThat(a.get(name).segment().mismatch(b.get(name).segment())).as(name).isEqualTo(-1);
    }
  }

  @Test
  void theLossGoesDown() throws IOException {
    Toy.Job job = Toy.job(ops, 60, 10, 100);
    Toy.run(job, ops, folder, Progress.SILENT).run(false);
    List<JsonNode> steps = log(folder, "step");
    double first = steps.get(0).path("loss").doubleValue();
    double last = steps.get(59).path("loss").doubleValue();
    assertThat(first).isBetween(0.8 * Math.log(Toy.VOCABULARY), 1.3 * Math.log(Toy.VOCABULARY));
    assertThat(last).isLessThan(0.6 * first);
    assertThat(log(folder, "evaluation")).hasSize(2);
  }

  @Test
  void twoRunsGiveTheSameBits() {
    Toy.Job a = Toy.job(ops, 6, 4, 100);
    Toy.Job b = Toy.job(ops, 6, 4, 100);
    Toy.run(a, ops, folder.resolve("a"), Progress.SILENT).run(false);
    Toy.run(b, ops, folder.resolve("b"), Progress.SILENT).run(false);
    assertSameBits(a.learner().model().parameters(), b.learner().model().parameters());
  }

  @Test
  void anInterruptedRunGoesOnBitwise() throws IOException {
    Toy.Job whole = Toy.job(ops, 6, 4, 100);
    Toy.run(whole, ops, folder.resolve("whole"), Progress.SILENT).run(false);
    Path pieces = folder.resolve("pieces");
    for (int steps : new int[] {1, 5, 3}) { // 5 more end the first stage
      Toy.Job job = Toy.job(ops, 6, 4, 100);
      TrainingRun run = Toy.run(job, ops, pieces, new StopAfter(steps, new int[1]));
      assertThatThrownBy(() -> run.run(true)).isInstanceOf(CancellationException.class);
    }
    Toy.Job last = Toy.job(ops, 6, 4, 100);
    TrainingRun.Outcome outcome = Toy.run(last, ops, pieces, Progress.SILENT).run(true);
    assertThat(outcome.bitwise()).isTrue();
    assertThat(outcome.tokens()).isEqualTo(6 * 8 * 16 + 4 * 4 * 33);
    assertSameBits(whole.learner().model().parameters(), last.learner().model().parameters());
    List<JsonNode> a = log(folder.resolve("whole"), "step");
    List<JsonNode> b = log(pieces, "step");
    assertThat(b).hasSameSizeAs(a);
    for (int i = 0; i < a.size(); i++) {
      assertThat(b.get(i).path("loss")).isEqualTo(a.get(i).path("loss"));
      assertThat(b.get(i).path("grad_norm")).isEqualTo(a.get(i).path("grad_norm"));
    }
    assertThat(log(pieces, "evaluation")).isEqualTo(log(folder.resolve("whole"), "evaluation"));
  }

  @Test
  void saysNotBitwiseInAnotherEnvironmentAndGoesOn() {
    Toy.Job job = Toy.job(ops, 2, 2, 1);
    TrainingRun first = Toy.run(job, ops, folder, new StopAfter(1, new int[1]));
    assertThatThrownBy(() -> first.run(false)).isInstanceOf(CancellationException.class);
    Toy.Job again = Toy.job(ops, 2, 2, 1);
    Environment here = Environment.of(ops);
    Environment other = new Environment(here.build(), here.kernel(), 64, here.machine());
    TrainingRun.Outcome outcome = new TrainingRun(again, folder, other, Progress.SILENT).run(true);
    assertThat(outcome.bitwise()).isFalse();
    assertThat(outcome.notes()).singleElement().asString().contains("not bitwise", "threads");
  }

  @Test
  void refusesTheStateOfAnotherRecipe() {
    Toy.Job job = Toy.job(ops, 2, 2, 1);
    Toy.run(job, ops, folder, Progress.SILENT).run(false);
    TrainingJob other =
        new TrainingJob() {
          @Override
          public String title() {
            return "other";
          }

          @Override
          public String hash() {
            return "other";
          }

          @Override
          public RunSettings settings() {
            return job.settings();
          }

          @Override
          public List<Stage> stages() {
            return job.stages();
          }

          @Override
          public List<Learner> learners() {
            return job.learners();
          }

          @Override
          public Rows training(Stage stage) {
            return job.training(stage);
          }

          @Override
          public Rows heldOut(Stage stage) {
            return job.heldOut(stage);
          }

          @Override
          public StageWork open(Stage stage) {
            return job.open(stage);
          }
        };
    TrainingRun run = new TrainingRun(other, folder, Environment.of(ops), Progress.SILENT);
    assertThatThrownBy(() -> run.run(true))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("another recipe", "--force");
  }

  @Test
  void microBatchesAddUpToTheBigBatch() {
    Toy.Job job = Toy.job(ops, 1, 1, 1);
    ParameterStore big = gradients(job, 8);
    for (int micro : new int[] {1, 2, 4}) {
      ParameterStore small = gradients(job, micro);
      double error = 0;
      double norm = 0;
      for (String name : big.names()) {
        Tensor a = big.get(name);
        Tensor b = small.get(name);
        for (long i = 0; i < a.size(); i++) {
          error += Math.pow(a.get(i) - b.get(i), 2);
          norm += Math.pow(a.get(i), 2);
        }
      }
      assertThat(norm).isPositive();
      assertThat(Math.sqrt(error / norm)).as("micro-batches of " + micro).isLessThan(1e-5);
    }
  }

  private static ParameterStore gradients(Toy.Job job, int microRows) {
    Stage.Batching b = new Stage.Batching(8, microRows, 16);
    job.learner().grads().clear();
    try (NextTokenWork work = new NextTokenWork(job.learners(), b)) {
      Batch[] micros = TrainingRun.batches(b);
      DataOrder order = new DataOrder(1, 500);
      RowsAhead.Readers readers = new RowsAhead.Readers(2, microRows == 2);
      try (RowsAhead ahead = new RowsAhead(Toy.rows(16), order, 16, 0, 8, 8, readers)) {
        for (Batch m : micros) {
          m.fill(ahead);
        }
      }
      TrainingRun.accumulate(work, micros, true);
    }
    return job.learner().grads().copy();
  }

  @Test
  void aLossThatIsNotFiniteNamesTheStageAndTheFix() {
    Toy.Job job = Toy.job(ops, 2, 2, 1);
    job.learner().model().parameters().get("model.norm.weight").fill(Float.NaN);
    TrainingRun run = Toy.run(job, ops, folder, Progress.SILENT);
    assertThatThrownBy(() -> run.run(false))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("short", "step 1", "lower schedule.lr");
  }
}
