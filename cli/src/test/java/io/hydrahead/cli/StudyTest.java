package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.STRING;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.json.Json;
import io.hydrahead.study.StudyStage;
import io.hydrahead.study.run.Size;
import io.hydrahead.study.run.StudyRun;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A study in miniature: the bundled teacher, five arms, a few steps each. */
class StudyTest {
  @TempDir Path temporary;
  private Path recipe;

  @BeforeEach
  void write() {
    Recipes.write(
        temporary.resolve("base.json"),
        """
        {
          "name": "base",
          "data": {"text": [{"generated": true}], "plain": 1},
          "evaluation_rows": 2, "save_every": 7,
          "schedule": {"kind": "constant", "lr": 1e-3, "warmup_steps": 1},
          "stages": [
            {"name": "align", "objective": "align", "tokens": 2560, "context": 64, "rows": 2},
            {"name": "lengthen", "objective": "next_token", "tokens": 1024, "context": 512, "rows": 1}
          ]
        }
        """);
    arm("heads", "\"ratio\": \"7:1\", \"floor\": \"none\"", "\"family\": \"head\", ");
    arm("layers", "\"ratio\": \"3:1\", \"axis\": \"layer\"", "");
    arm("draw", "\"rule\": \"equal_cache\", \"like\": \"heads\", \"draw\": 2", "");
    Recipes.write(
        temporary.resolve("teacher.json"),
        """
        {"name": "teacher", "arm": {"label": "T", "group": "control", "teacher": true}}
        """);
    Recipes.write(
        temporary.resolve("scaled.json"),
        """
        {"name": "scaled",
         "arm": {"label": "S", "group": "ablation", "of": "heads", "length_scale": "log"}}
        """);
    recipe =
        Recipes.write(
            temporary.resolve("study.json"),
            """
            {
              "name": "mini", "teacher": "%s", "seeds": [0, 3],
              "probe": {"length": 256, "pairs": 1, "sender_pairs": 0, "texts": 0,
                        "calibration_texts": 1},
              "arms": ["heads.json", "layers.json", "draw.json", "teacher.json", "scaled.json"],
              "sweep": {"seed": 0, "share": 0.2, "factors": [0.5, 2], "beyond": [4],
                        "families": {"head": "heads"}},
              "rounds": [{"arms": ["heads", "layers", "teacher", "scaled"], "seeds": [0],
                          "grids": ["g"]},
                         {"arms": ["draw"], "seeds": [3]}],
              "evaluation": {"seed": 5, "questions": 2, "grids": {
                "g": [{"tasks": ["niah_single_1"], "lengths": ["256"], "haystacks": 2}]}}
            }
            """
                .formatted(Run.home().resolve("models/tiny-teacher")));
  }

  /**
   * Nothing is computed for a folder that cannot be, and the line says which, why and what to do.
   */
  @Test
  void aFolderThatCannotBeWrittenIsRefusedAtOnce() throws IOException {
    Path file = Files.writeString(temporary.resolve("taken"), "x");
    for (Path folder : List.of(file, file.resolve("study"))) {
      Run r = Run.of("study", "--recipe", recipe, "-o", folder);
      assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
      assertThat(r.err().lines())
          .singleElement(STRING)
          .contains(folder.toString(), "is a file", "choose another -o");
    }
  }

  @Test
  void andOneThatMayNotBeWritten() throws IOException {
    Path closed = Files.createDirectory(temporary.resolve("closed"));
    assumeTrue(closed.toFile().setWritable(false) && !Files.isWritable(closed), "root may write");
    Run r = Run.of("study", "--recipe", recipe, "-o", closed);
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains(closed.toString(), "permission denied", "choose another -o");
  }

  /** Days of a processor begin only if they were asked for; --blas keeps the test off a GPU. */
  @Test
  void whatTakesAProcessorLongIsRefusedUnlessAskedFor() {
    Path folder = temporary.resolve("days");
    Object[] words = {
      "study", "--recipe", Run.home().resolve("recipes/study.json"), "-o", folder, "--blas", "java"
    };
    Run r = Run.of(words);
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.out()).isEmpty();
    assertThat(r.err())
        .containsPattern("to do: train on [1-9],\\d{3}M tokens, evaluate [1-9],\\d{3}M")
        .containsPattern("processor, which takes about \\d+ days")
        .contains("--device cuda", "--arm", "--plan-only", "--device cpu");
    assertThat(folder).doesNotExist();
    Run report = Run.of(Stream.concat(Stream.of(words), Stream.of("--stage", "report")).toArray());
    assertThat(report.err()).contains("nothing has been measured yet").doesNotContain("to do");

    assertThatCode(() -> StudyForecast.requireAsked(1e6, true)).doesNotThrowAnyException();
    assertThatCode(() -> StudyForecast.requireAsked(3000, false)).doesNotThrowAnyException();
    assertThatThrownBy(() -> StudyForecast.requireAsked(1e6, false))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("about 12 days");
    assertThat(StudyForecast.time(100)).isEqualTo("100 s");
    assertThat(StudyForecast.time(7000)).isEqualTo("117 min");
    assertThat(StudyForecast.time(7300)).isEqualTo("2 hours");
  }

  /**
   * Measured with teacher-24m, 99 MFLOP a token at 4K, on two busy cores of 236 GFLOP/s: 16 texts
   * took 81 s to evaluate, and training 281 tokens a second.
   */
  @Test
  void theTimeOfAProcessorIsRightWithinAFactorOfTwo() {
    Size evaluation = new Size(0, 65_536, 0, 65_536 * 99e6);
    assertThat(StudyForecast.onProcessor(evaluation, 236)).isBetween(81 / 2.0, 81 * 2.0);
    Size training = new Size(281, 0, 0, 281 * 3 * 99e6);
    assertThat(StudyForecast.onProcessor(training, 236)).isBetween(0.5, 2.0);
  }

  @Test
  void severalDevicesTakeTheirShareOfTheTimeAndNoLessThanTheLongestUnit() {
    List<StudyRun.Planned> units = List.of(hours(true, 50), hours(false, 6), hours(false, 24));
    assertThat(StudyForecast.onDevices(units, 1)).isEqualTo("30 hours of one device");
    assertThat(StudyForecast.onDevices(units, 8))
        .isEqualTo("30 hours of one device, at best 24 hours on 8");
    List<StudyRun.Planned> even = Collections.nCopies(12, hours(false, 3));
    assertThat(StudyForecast.onDevices(even, 4))
        .isEqualTo("36 hours of one device, at best 9 hours on 4");
  }

  private static StudyRun.Planned hours(boolean done, int hours) {
    Size size = new Size(0, 1, 3600.0 * hours, 1);
    return new StudyRun.Planned("unit", StudyStage.EVAL, done, "", size);
  }

  @Test
  void whatIsShortIsSaidAndDone() {
    String[] words = {"--arm", "layers", "--stage", "probe,train"};
    Run r = study("short", words);
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.err()).contains("to do: train on 3,584 tokens, evaluate nothing");
    assertThat(study("short", words).err()).doesNotContain("to do");
  }

  /** The forecast asks for the device that the run then takes; --blas keeps the test off a GPU. */
  @Test
  void anUnnamedDeviceIsLookedForOnce() {
    Run r =
        Run.of(
            "study",
            "--recipe",
            recipe,
            "-o",
            temporary.resolve("unnamed"),
            "--blas",
            "java",
            "--arm",
            "layers",
            "--stage",
            "probe,train");
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.err()).contains("on this processor that takes about ").containsOnlyOnce("--blas");
  }

  private void arm(String name, String selection, String more) {
    Recipes.write(
        temporary.resolve(name + ".json"),
        """
        {"extends": "base.json", "name": "%s",
         "arm": {"label": "L", "group": "head", %s%s}}
        """
            .formatted(name, more, selection));
  }

  @AfterEach
  void goOn() {
    Interrupts.request(false);
  }

  private Run study(String output, String... more) {
    Object[] words = {
      "study",
      "--recipe",
      recipe,
      "-o",
      temporary.resolve(output),
      "--deterministic",
      "--device",
      "cpu"
    };
    Object[] all = Arrays.copyOf(words, words.length + more.length);
    System.arraycopy(more, 0, all, words.length, more.length);
    return Run.of(all);
  }

  private Run interrupted(String output, BooleanSupplier when, String... more) {
    CompletableFuture<Run> run = CompletableFuture.supplyAsync(() -> study(output, more));
    while (!when.getAsBoolean() && !run.isDone()) {
      Thread.onSpinWait();
    }
    Interrupts.request(true);
    Run r = run.join();
    Interrupts.request(false);
    assertThat(r.code()).as(r.err()).isEqualTo(ExitCode.INTERRUPTED);
    assertThat(r.err()).contains("the same command goes on from there");
    return r;
  }

  private void requireSameModels(String one, String other) throws IOException {
    for (String model : List.of("heads/seed-0", "layers/seed-0", "draw/seed-3")) {
      String weights = "models/" + model + "/model.safetensors";
      assertThat(
              Files.mismatch(
                  temporary.resolve(one).resolve(weights),
                  temporary.resolve(other).resolve(weights)))
          .as(weights)
          .isEqualTo(-1);
    }
  }

  private JsonNode facts(String output, String arm, int seed) {
    return results(output, arm, seed, "arm.json");
  }

  private JsonNode results(String output, String arm, int seed, String file) {
    Path folder = temporary.resolve(output).resolve("results/" + arm + "/seed-" + seed);
    return Json.read(folder.resolve(file));
  }

  @Test
  void whatWasInterruptedGoesOnToTheSameModels() throws IOException {
    Run planned = study("whole", "--plan-only");
    assertThat(planned.code()).as(planned.err()).isZero();
    assertThat(planned.out())
        .contains(
            "probe: – to go",
            "train heads seed 0",
            "train draw seed 3",
            "rate of head × 2.0",
            "to do: ")
        .doesNotContain("train heads seed 3"); // the draw goes by its plan, not its model
    assertThat(temporary.resolve("whole")).doesNotExist();

    Run whole = study("whole", "-q");
    assertThat(whole.code()).as(whole.err()).isZero();
    assertThat(whole.err()).isEmpty();
    JsonNode heads = facts("whole", "heads", 0);
    assertThat(heads.path("full_heads").intValue()).isEqualTo(4);
    assertThat(heads.path("tokens").longValue()).isEqualTo(2560 + 1024);
    assertThat(heads.path("stages").size()).isEqualTo(2);
    double factor = heads.path("learning_rate_factor").doubleValue();
    assertThat(factor).isIn(0.5, 2.0);
    assertThat(heads.path("stages").get(0).path("lr").doubleValue()).isEqualTo(1e-3 * factor);
    assertThat(heads.path("parameters").longValue())
        .isGreaterThan(facts("whole", "teacher", 0).path("parameters").longValue());
    JsonNode draw = facts("whole", "draw", 3);
    assertThat(draw.path("full_heads").intValue()).isEqualTo(4);
    assertThat(facts("whole", "layers", 0).path("full_heads").intValue()).isEqualTo(8);
    assertThat(facts("whole", "scaled", 0).path("checkpoint_hash").stringValue())
        .isNotEqualTo(heads.path("checkpoint_hash").stringValue());
    assertThat(facts("whole", "scaled", 0).at("/style/lengthScale").asString()).isEqualTo("LOG");
    assertThat(heads.at("/style/lengthScale").asString()).isEqualTo("NONE");
    assertThat(temporary.resolve("whole/models/scaled")).doesNotExist();
    JsonNode cell = results("whole", "heads", 0, "cells/niah_single_1-256.json");
    assertThat(cell.path("checkpoint_hash").stringValue())
        .isEqualTo(heads.path("checkpoint_hash").stringValue());
    assertThat(temporary.resolve("whole/results/draw/seed-3/cells")).doesNotExist();
    assertThat(Json.read(temporary.resolve("whole/results/study.json")).path("seeds").size())
        .isEqualTo(2);

    // Side by side on one device.
    Run beside = study("beside", "--workers", "2", "-q");
    assertThat(beside.code()).as(beside.err()).isZero();
    assertThat(beside.err()).isEmpty();
    assertThat(made(beside)).isEqualTo(made(whole));
    requireSameModels("beside", "whole");
    for (String arm : List.of("heads", "layers", "teacher", "scaled")) {
      String file = "cells/niah_single_1-256.json";
      for (String field : List.of("scores", "exact", "haystack_hash", "checkpoint_hash")) {
        assertThat(results("beside", arm, 0, file).path(field))
            .isEqualTo(results("whole", arm, 0, file).path(field));
      }
    }

    // Kept results are enough to go on elsewhere: trials are not made again.
    Path kept = Files.createDirectories(temporary.resolve("kept/results"));
    Files.copy(temporary.resolve("whole/results/study.json"), kept.resolve("study.json"));
    assertThat(Json.read(kept.resolve("study.json")).path("learning_rate_trials").size())
        .isEqualTo(3);
    assertThat(study("kept", "--plan-only").out())
        .containsPattern("rate of head × 0.5 +done")
        .containsPattern("rate of head × 4.0 +done")
        .doesNotContainPattern("train heads seed 0 +done");

    // Once in the probe or the sweep, once in an arm's training.
    Path cut = temporary.resolve("cut");
    interrupted("cut", () -> Files.exists(cut.resolve("sweep/head-x0.5.json")));
    Path log = cut.resolve("models/layers/seed-0.run/training-log.jsonl");
    interrupted("cut", () -> Files.exists(log) && log.toFile().length() > 2000, "--workers", "2");
    Run on = study("cut", "-q");
    assertThat(on.code()).as(on.err()).isZero();
    requireSameModels("cut", "whole");
    assertThat(study("cut", "-q").out()).startsWith("0 made");
  }

  @Test
  void twoProcessesShareAFolder() throws IOException {
    CompletableFuture<Run> other = CompletableFuture.supplyAsync(() -> study("shared", "-q"));
    Run one = study("shared", "-q");
    Run two = other.join();
    assertThat(one.code()).as(one.err()).isZero();
    assertThat(two.code()).as(two.err()).isZero();
    int made = made(one) + made(two);
    assertThat(made).as(one.out() + two.out()).isEqualTo(10 + 5);
    assertThat(made(one)).isPositive();
    assertThat(made(two)).isPositive();
    assertThat(facts("shared", "draw", 3).path("seed").intValue()).isEqualTo(3);
  }

  private static int made(Run r) {
    return Integer.parseInt(r.out().substring(0, r.out().indexOf(' ')));
  }

  @Test
  void saysWhatIsWrongOrMissing() throws IOException {
    assertThat(study("x", "--arm", "nobody").err())
        .contains("--arm nobody", "heads")
        .doesNotContain("did you mean");
    assertThat(study("x", "--arm", "haeds").err()).contains("did you mean heads?");
    assertThat(study("x", "--arm", "").err()).contains("--arm: a name is empty", "heads");
    assertThat(study("x", "--workers", "0").err()).contains("--workers 0", "take 1 to");
    assertThat(study("x", "--seed", "1").err()).contains("--seed 1", "[0, 3]");
    Run r = study("x", "--arm", "layers", "--stage", "train");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("needs probe seed 0", "--stage");
    assertThat(temporary.resolve("x")).doesNotExist();

    assertThat(study("y", "--arm", "teacher", "-q").code()).isZero();
    Files.writeString(recipe, Files.readString(recipe).replace("\"pairs\": 1", "\"pairs\": 2"));
    assertThat(study("y", "-q").err()).contains("another \"probe\"", "recipe.json");
    Path without = temporary.resolve("without.json");
    Files.writeString(
        without, Files.readString(recipe).replaceAll("(?s),\\s*\"evaluation\".*", "}"));
    Run grids = Run.of("study", "--recipe", without, "-o", temporary.resolve("z"), "--plan-only");
    assertThat(grids.err()).contains("no \"evaluation\"");
    Files.writeString(
        without, Files.readString(without).replaceAll(",\\s*\"grids\": \\[\"g\"\\]", ""));
    assertThat(
            Run.of("study", "--recipe", without, "-o", temporary.resolve("z"), "--plan-only").out())
        .contains("train heads seed 0")
        .doesNotContain("haystacks");
    Files.writeString(
        recipe, Files.readString(recipe).replace("\"arms\": [\"draw\"]", "\"arms\": [\"dram\"]"));
    assertThat(study("y").err()).contains("$.rounds[1].arms", "dram", "did you mean \"draw\"?");
    Files.writeString(
        recipe, Files.readString(recipe).replace("\"grids\": [\"g\"]", "\"grids\": [\"h\"]"));
    assertThat(study("y").err()).contains("study.json: $.rounds[0].grids", "names a grid h", "[g]");
    Files.write(recipe, new byte[] {'{', '"', (byte) 0xfc, '"', '}'});
    assertThat(study("y").err()).contains("study.json: not valid UTF-8", "save it");
  }

  @Test
  void thePlanSaysWhatTheRunWouldSay() throws IOException {
    Object[] words = {"study", "--recipe", recipe, "--blas", "java", "--plan-only", "-o"};
    Run r = Run.of(with(words, temporary.resolve("p"), "--stage", "train,eval"));
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.out())
        .containsPattern("to do: train on [\\d,]+ tokens, evaluate [\\d,]+; by the recipe's rates ")
        .contains("on this processor that takes about ")
        .contains(
            "missing, and not part of this run: probe seed 0, probe seed 3, rate of head × 0.5, ")
        .contains("--stage PROBE,SWEEP makes them")
        .doesNotContain("report");
    Run days =
        Run.of(
            "study",
            "--recipe",
            Run.home().resolve("recipes/study.json"),
            "--blas",
            "java",
            "--plan-only",
            "-o",
            temporary.resolve("p"));
    assertThat(days.out())
        .containsPattern("on this processor that takes about \\d+ days; such a run .* --device cpu")
        .contains("report: would be written to " + temporary.resolve("p/report/RESULTS.md"))
        .doesNotContain("missing");

    Run none = Run.of(with(words, temporary.resolve("p"), "--arm", "draw", "--stage", "eval"));
    assertThat(none.out()).isEqualTo("nothing to do\n");
    Path file = Files.writeString(temporary.resolve("taken"), "x");
    assertThat(Run.of(with(words, file)).err()).contains("is a file", "choose another -o");
    assertThat(Run.of(with(words, temporary.resolve("no/parent"))).err())
        .contains("there is no folder", "-o");
  }

  private static Object[] with(Object[] words, Object... more) {
    return Stream.concat(Arrays.stream(words), Arrays.stream(more)).toArray();
  }

  @Test
  void withoutRolesThereIsNoReportAndThatIsSaid() {
    String no = "no report: the recipe has no \"roles\", which say which arm is which";
    Run alone = study("roles", "--stage", "report");
    assertThat(alone.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(alone.err()).contains("study.json: " + no);
    assertThat(temporary.resolve("roles")).doesNotExist();
    assertThat(study("roles", "--stage", "report", "--plan-only").out()).isEqualTo(no + "\n");
    Run whole = study("roles", "--arm", "teacher");
    assertThat(whole.code()).as(whole.err()).isZero();
    assertThat(whole.err()).contains("hydrahead: " + no);
    assertThat(whole.out()).endsWith("3 made in " + temporary.resolve("roles") + "\n");
  }

  @Test
  void aReportIsWrittenOfWhatIsThere() throws IOException {
    Files.writeString(
        recipe,
        Files.readString(recipe)
            .replace(
                "\"name\": \"mini\",",
                """
                "name": "mini", "roles": {"causal": "teacher", "layer_3_1": "teacher",
                  "layer_5_1": "teacher", "layer_11_1": "teacher", "random": ["teacher"],
                  "vanilla": "teacher", "yarn": "teacher", "all_full": "teacher"},
                """));
    String[] report = {"--stage", "report"};
    Run early = study("one", report);
    assertThat(early.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(early.err()).contains(temporary.resolve("one/results: nothing").toString());
    assertThat(temporary.resolve("one")).doesNotExist();
    assertThat(study("one", "--stage", "report", "--plan-only").out())
        .startsWith("no report: ")
        .contains("nothing has been measured yet");

    Run made = study("one", "--arm", "teacher");
    assertThat(made.code()).as(made.err()).isZero();
    Path page = temporary.resolve("one/report/RESULTS.md");
    assertThat(made.out()).contains("3 made in ").endsWith("report in " + page + "\n");
    String command = command("one");
    assertThat(command).contains("--arm teacher");
    Run again = study("one", report);
    assertThat(again.out()).isEqualTo("report in " + page + "\n");
    assertThat(page).content().contains("hydrahead study --recipe " + recipe + " -o again");

    // Kept results stay those of the run that made them, until another makes some of them.
    Path raw = temporary.resolve("one/report/study/raw");
    copy(raw, Files.createDirectories(temporary.resolve("two")).resolve("results"));
    Run kept = study("two", "--arm", "teacher");
    assertThat(kept.out()).as(kept.err()).startsWith("0 made");
    assertThat(command("two")).isEqualTo(command);
    Files.delete(temporary.resolve("two/results/teacher/seed-0/cells/niah_single_1-256.json"));
    Run cell = study("two", "--arm", "teacher", "--stage", "eval");
    assertThat(cell.out()).as(cell.err()).startsWith("2 made"); // and haystacks
    assertThat(command("two")).endsWith("--arm teacher --stage eval");

    copy(raw, Files.createDirectories(temporary.resolve("three/results")).resolve("raw"));
    Run deep = study("three", report);
    assertThat(deep.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(deep.err()).contains("results/raw: holds results that should lie in ", "cp -r ");
    assertThat(temporary.resolve("three/recipe.json")).doesNotExist();
  }

  private String command(String output) {
    Path file = temporary.resolve(output).resolve("results/study.json");
    return Json.read(file).path("command").asString();
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path p : files.toList()) {
        Files.copy(p, to.resolve(from.relativize(p).toString()));
      }
    }
  }
}
