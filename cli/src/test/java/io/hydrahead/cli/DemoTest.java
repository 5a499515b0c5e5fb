package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** The demo in a few seconds: fewer examples and steps, the same road. */
class DemoTest {
  @TempDir Path temporary;
  private Path recipe;

  @BeforeEach
  void write() {
    Recipes.write(
        temporary.resolve("transfer.json"),
        """
        {
          "name": "mini",
          "data": {"text": [{"generated": true}], "plain": 1},
          "evaluation_rows": 2, "save_every": 1000,
          "schedule": {"kind": "constant", "lr": 1e-3},
          "stages": [
            {"name": "align", "objective": "align", "tokens": 6400, "context": 64, "rows": 2},
            {"name": "distil", "objective": "distil", "tokens": 256, "context": 64, "rows": 2}
          ]
        }
        """);
    recipe =
        Recipes.write(
            temporary.resolve("demo.json"),
            """
            {
              "name": "mini", "teacher": "%s", "transfer": "transfer.json",
              "probe": {"length": 256, "pairs": 1, "sender_pairs": 0, "texts": 0},
              "arms": [
                {"name": "heads", "folder": "heads", "ratio": "7:1", "axis": "head"},
                {"name": "linear", "folder": "linear", "ratio": "all-linear", "axis": "head"}
              ],
              "evaluation": {"tasks": ["niah_single_1"], "lengths": ["256"], "samples": 1,
                             "style": "ruler", "seed": 5}
            }
            """
                .formatted(Run.home().resolve("models/tiny-teacher")));
  }

  @AfterEach
  void goOn() {
    Interrupts.request(false);
  }

  private Run demo(String output, String... more) {
    Object[] words = {
      "demo", "--recipe", recipe, "-o", temporary.resolve(output), "--deterministic", "-q"
    };
    Object[] all = java.util.Arrays.copyOf(words, words.length + more.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return Run.of(all);
  }

  /** Starts the demo, asks it to stop as soon as {@code when} holds, and returns what it said. */
  private Run interrupted(String output, BooleanSupplier when, String... more) {
    CompletableFuture<Run> run = CompletableFuture.supplyAsync(() -> demo(output, more));
    while (!when.getAsBoolean() && !run.isDone()) {
      Thread.onSpinWait();
    }
    Interrupts.request(true);
    Run r = run.join();
    Interrupts.request(false);
    assertThat(r.code()).as(r.err()).isEqualTo(ExitCode.INTERRUPTED);
    return r;
  }

  private JsonNode cells(String output) {
    return Json.read(temporary.resolve(output).resolve("results.json")).path("cells");
  }

  @Test
  void whatWasInterruptedGoesOnToTheSameResults() throws IOException {
    Run whole = demo("whole");
    assertThat(whole.code()).as(whole.err()).isZero();
    assertThat(whole.out()).contains("report: ", "heads", "linear", "niah_single_1");
    assertThat(whole.err()).isEmpty();
    assertThat(temporary.resolve("whole"))
        .isDirectoryContaining("glob:**/report.html")
        .isDirectoryContaining("glob:**/heads.json")
        .isDirectoryContaining("glob:**/plan-heads.json")
        .isDirectoryContaining("glob:**/training-log.jsonl");

    // Once in the training, once in the evaluation.
    Path work = temporary.resolve("cut.run");
    Run r = interrupted("cut", () -> Files.exists(work.resolve("training-log.jsonl")));
    assertThat(r.err()).contains("cut.run", "--resume");
    assertThat(temporary.resolve("cut")).doesNotExist();
    assertThat(demo("cut").err()).contains("--resume", "--force");
    assertThat(demo("cut").code()).isEqualTo(ExitCode.BAD_INPUT);
    interrupted("cut", () -> Files.exists(work.resolve("results-0.json")), "--resume");
    Run on = demo("cut", "--resume");
    assertThat(on.code()).as(on.err()).isZero();
    assertThat(cells("cut")).isEqualTo(cells("whole"));
    for (String arm : new String[] {"heads", "linear"}) {
      String weights = arm + "/model.safetensors";
      assertThat(
              Files.mismatch(
                  temporary.resolve("cut").resolve(weights),
                  temporary.resolve("whole").resolve(weights)))
          .as(weights)
          .isEqualTo(-1);
    }
    assertThat(work).doesNotExist();
    JsonNode results = Json.read(temporary.resolve("cut/results.json"));
    assertThat(results.path("system").path("seconds").stringValue()).endsWith("in 3 sittings");
    assertThat(results.path("sources").get(0).path("seed").isIntegralNumber()).isTrue();
    assertThat(Files.readString(temporary.resolve("cut/report.html")))
        .contains("memory is computed");
  }

  @Test
  void refusesToGoOnWithAnotherRecipeOrWithNothing() throws IOException {
    assertThat(demo("none", "--resume").err()).contains("no unfinished run to resume");
    Path work = temporary.resolve("cut.run");
    interrupted("cut", () -> Files.exists(work.resolve("demo.json")));
    Files.writeString(recipe, Files.readString(recipe).replace("\"samples\": 1", "\"samples\": 2"));
    Run r = demo("cut", "--resume");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("cut.run", "another recipe", "--force");
    assertThat(demo("cut", "--seed", "3").err()).contains("--seed", "recipe");
  }

  /** Recall of all tasks together at one length. */
  private static double recall(JsonNode results, String model, int length) {
    double sum = 0;
    int cells = 0;
    for (JsonNode c : results.path("cells")) {
      if (c.path("model").stringValue().equals(model) && c.path("length").intValue() == length) {
        sum += c.path("accuracy").doubleValue();
        cells++;
      }
    }
    assertThat(cells).as(model + " at " + length).isEqualTo(4);
    return sum / cells;
  }

  @Test
  @Tag("slow")
  void theWholeDemoShowsWhatItShould() {
    Path out = temporary.resolve("demo");
    Run r = Run.of("demo", "-o", out);
    assertThat(r.code()).as(r.err()).isZero();
    JsonNode results = Json.read(out.resolve("results.json"));
    assertThat(recall(results, "Transformer", 256)).isGreaterThanOrEqualTo(0.95);
    assertThat(recall(results, "Transformer", 2048)).isLessThan(0.1);
    assertThat(recall(results, "HydraHead 7:1", 1024)).isGreaterThanOrEqualTo(0.9);
    // 80 examples: half the full heads may cost no more than the noise of the measurement.
    assertThat(recall(results, "HydraHead 7:1", 1024))
        .isGreaterThan(recall(results, "layer-wise 3:1", 1024) - 0.06);
    assertThat(recall(results, "all linear", 1024)).isLessThan(0.6);
  }
}
