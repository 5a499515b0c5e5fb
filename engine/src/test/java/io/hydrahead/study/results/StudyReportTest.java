package io.hydrahead.study.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.eval.CellResultAccess;
import io.hydrahead.study.stats.SyntheticStudy;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class StudyReportTest {
  private static final Map<String, Integer> HEADS =
      Map.of(
          "causal",
          24,
          "layer-3-1",
          48,
          "layer-5-1",
          32,
          "layer-11-1",
          16,
          "random-1",
          24,
          "random-2",
          24,
          "vanilla",
          192,
          "yarn",
          192,
          "all-full",
          192);

  @TempDir Path folder;

  private static double truth(String arm, String task, int length) {
    double loss = Math.log(length / 2048.0) / 30;
    return switch (arm) {
      case "vanilla" -> length > 4096 ? 0.01 : 0.97;
      case "yarn" -> length > 4096 ? 0.45 : 0.96;
      case "all-full" -> 0.98 - loss;
      case "causal" -> 0.95 - loss;
      case "layer-3-1" -> 0.9 - 1.5 * loss;
      case "layer-5-1" -> 0.8 - 2 * loss;
      case "layer-11-1" -> 0.65 - 2 * loss;
      default -> length > 40_000 ? Double.NaN : 0.85 - 2 * loss;
    };
  }

  private void study(List<CellResult> cells) throws IOException {
    for (CellResult c : cells) {
      Path arm = folder.resolve(c.arm()).resolve("seed-" + c.seed());
      CellResultAccess.write(c, arm.resolve("cells").resolve(c.spec().file()));
      int heads = HEADS.get(c.arm());
      ObjectNode facts = Json.object().put("label", "the " + c.arm()).put("full_heads", heads);
      facts.put("heads", 192).put("kv_share", heads / 192.0).put("tokens", 15_000_000);
      facts.put("kv_bytes_per_token", 64 * heads).put("state_bytes", 4096 * (192 - heads));
      facts
          .put("learning_rate_factor", 1.5)
          .put("seconds", 36)
          .put("parameters", 24_400_000)
          .put("recipe", c.arm() + ".json");
      Files.writeString(arm.resolve("arm.json"), ReadableJson.text(facts));
      ObjectNode speed = Json.object().put("device", "a GPU").put("type", "BF16");
      var lengths = speed.putArray("lengths");
      for (int length : new int[] {4096, 32768, 131072}) {
        lengths
            .addObject()
            .put("length", length)
            .put("prefill_us_per_token", 0.5)
            .put("prefill_runs", 7)
            .put("decode_ms", 0.3)
            .put("kv_bytes", 64L * heads * length)
            .put("state_bytes", 4096L * (192 - heads));
      }
      Files.writeString(arm.resolve("speed.json"), ReadableJson.text(speed));
    }
    Files.writeString(
        folder.resolve("study.json"),
        """
        {"commit": "abc1234", "command": "hydrahead study --recipe recipes/study.json",
         "hardware": {"gpu": "one GPU"}, "native_length": 4096,
         "about": {"all-full": "all heads"},
         "teachers": [{"seed": 0, "tokens": 1}, {"seed": 1, "tokens": 1}],
         "roles": {"causal": "causal", "layer_3_1": "layer-3-1", "layer_5_1": "layer-5-1",
           "layer_11_1": "layer-11-1", "random": ["random-1", "random-2"], "vanilla": "vanilla",
           "yarn": "yarn", "all_full": "all-full",
           "core": ["vanilla", "yarn", "all-full", "layer-3-1", "causal", "random-1"],
           "curves": {"layer-wise, even": ["layer-11-1", "layer-5-1", "layer-3-1"],
                      "head-wise, probe": ["causal", "all-full"]}}}
        """);
  }

  private static List<CellResult> cells() {
    List<CellResult> out =
        new ArrayList<>(
            SyntheticStudy.cells(
                List.copyOf(HEADS.keySet()).stream().sorted().toList(),
                List.of("niah_single_2", "niah_multikey_1", "mqar", "vt"),
                List.of(4096, 16384, 32768, 131072),
                StudyReportTest::truth));
    for (int seed = 0; seed < 3; seed++) {
      out.add(SyntheticStudy.perplexity("causal", seed, 1.75));
      out.add(SyntheticStudy.perplexity("layer-3-1", seed, 1.94));
    }
    return out;
  }

  @Test
  void theDocumentHasItsTablesChartsAndAnswers() throws Exception {
    study(cells());
    Path out = folder.resolve("out");
    new StudyReport(folder).write(out, "hydrahead study report x");
    String text = Files.readString(out.resolve("RESULTS.md"));
    assertThat(text)
        .contains(
            "| **the causal** | 0, 1, 2 | 24 | 12.5% |",
            "## The three statements, test by test",
            "| niah_multikey_1 |",
            "Yes: in none of the 4 families that decide is it more than 3 points below.",
            "- random heads, equal cache: better, +",
            "In the mean over seeds it is better than all of these",
            "- each random draw by itself:\n  - the random-1: better, +",
            "| difference [95%] | seeds as the unit [95%] | seed 0 [95%] |",
            "over the n seeds (n = 3: t = 4.303).",
            "Taking seeds as the unit, n = 3, the interval is ",
            "Taking seeds as the unit, n = 3, the intervals are: random heads, equal cache ",
            "Where the lead comes from: recall of the causal",
            "| difference by family, points | less the layer-3-1 | at 32K |",
            "the causal keeps at least 95% of its recall at 4K: single-key needles (niah_single_2) at no length",
            "the vanilla keeps 0.6% single-key at 128K and ",
            "| **Core: what A compares** |",
            "one needle in prose, its value a number",
            "## Speed and memory",
            "| the causal | 32K | 0.50 | 7 | 0.30 | 48.0 | 0.66 |",
            "## Loss on held-out text by position",
            "hardware.gpu | one GPU",
            "| 1 | 1 | – | – |",
            "hydrahead study --recipe recipes/study.json",
            "up to 8;")
        .doesNotContain("NaN", "QUESTIONS");
    List<String> charts = new ArrayList<>();
    try (Stream<Path> files = Files.list(out.resolve("study"))) {
      for (Path svg : files.filter(f -> f.toString().endsWith(".svg")).sorted().toList()) {
        charts.add(svg.getFileName().toString());
        assertThat(text).contains("(study/" + svg.getFileName() + ")");
        var xml = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(svg.toFile());
        assertThat(xml.getDocumentElement().getAttribute("xmlns"))
            .isEqualTo("http://www.w3.org/2000/svg");
      }
    }
    assertThat(charts)
        .containsExactly(
            "far-multi-key.svg",
            "far-single-key.svg",
            "loss-by-position.svg",
            "recall-by-heads.svg",
            "recall-by-length.svg",
            "recall-by-memory.svg");
    var summary = Json.read(out.resolve("study/summary.json"));
    assertThat(summary.get("tests")).hasSize(4 + 3);
    assertThat(summary.get("tests").get(0).get("across_seeds").get("seeds").intValue())
        .isEqualTo(3);
    assertThat(summary.get("kept").get(0).get("answer").stringValue()).isNotEmpty();
  }

  @Test
  void armsWithFewerSeedsOrLengthsOnSomeSeedsAreSaidAndKept() throws Exception {
    List<CellResult> some = new ArrayList<>();
    for (CellResult c : cells()) {
      boolean onlyFirst = c.arm().equals("all-full") && c.seed() > 0;
      boolean tooFar = c.arm().equals("random-1") && c.seed() > 0 && c.spec().length() > 20_000;
      boolean near = c.arm().equals("vanilla") && c.seed() == 2 && c.spec().length() > 8_000;
      if (!onlyFirst && !tooFar && !near) {
        some.add(c);
      }
    }
    study(some);
    Path out = folder.resolve("out");
    new StudyReport(folder).write(out, "x");
    String text = Files.readString(out.resolve("RESULTS.md"));
    assertThat(text)
        .contains("| the all-full | all heads |")
        .containsPattern(
            "\\| the random-1 \\| 0, 1, 2 \\|.* \\d\\d\\.\\d \\| \\d\\d\\.\\d \\(1\\) \\|")
        .containsPattern("\\| the all-full \\| 0 \\| 192 \\|")
        .containsPattern(
            "\\| \\*for comparison: the causal, seed 0\\* \\| 0 \\|.*\\n\\| the all-full \\| 0 \\|")
        .containsPattern(
            "\\| the random-1 \\| – .* -\\S+ \\[\\S+ \\S+\\] \\(1\\) \\| -.*\\(seeds 0, 1, 2: -\\S+, -\\S+, -\\S+\\) \\|")
        .containsPattern("\\| the all-full \\| \\+.* \\| \\+\\S+ \\| – \\| – \\|");
    assertThat(Files.readString(out.resolve("study/recall-by-length.svg")))
        .as("what is not joined is said to be")
        .contains("mark s5 hollow", "the all-full, seed 0", "Hollow: of other seeds")
        .contains("Mean over mqar, niah_multikey_1, niah_single_2, vt, the same at every");
    assertThat(Files.readString(out.resolve("study/recall-by-heads.svg")))
        .contains("mark s4 hollow", "Hollow, not joined: of other", "at 4K, 16K, 32K, 128K,")
        .contains("Mean over seeds 0, 1, 2; bars")
        .contains("The y axis does not begin at 0.")
        .doesNotContain("Below the chart");
  }

  /** The vanilla at its native length, and of one seed far out with two haystacks. */
  private static List<CellResult> vanillaFarInOneSeed() {
    List<CellResult> out = new ArrayList<>();
    for (CellResult c : cells()) {
      if (!c.arm().equals("vanilla") || c.spec().length() == 4096) {
        out.add(c);
      } else if (c.seed() == 0 && c.spec().length() > 100_000) {
        double[] two = Arrays.copyOf(c.scores(), 2);
        out.add(
            new CellResult(
                c.arm(),
                c.seed(),
                c.spec(),
                c.checkpoint(),
                c.haystackHash(),
                two,
                two,
                c.buckets(),
                c.work()));
      }
    }
    return out;
  }

  @Test
  void whatOneSeedHasAloneIsNeitherJoinedNorComparedAndItsFewHaystacksAreSaid() throws Exception {
    study(vanillaFarInOneSeed());
    Path out = folder.resolve("out");
    new StudyReport(folder).write(out, "x");
    assertThat(Files.readString(out.resolve("RESULTS.md")))
        .contains("50 at 4K, 16K, 32K, 128K; only 2 at 128K of the vanilla.")
        .containsPattern("\\| the vanilla \\|.* 4 families at 4K \\(seeds 0, 1, 2: ");
    assertThat(Files.readString(out.resolve("study/far-multi-key.svg")))
        .contains("Mean over niah_multikey_1, the same", "mark s0 hollow")
        .contains("Hollow: of other seeds or of fewer than 10 haystacks")
        .doesNotContain("line s0");
    assertThat(Files.readString(out.resolve("study/recall-by-memory.svg")))
        .contains("Recall at 32K against memory", "Not measured at this length: the vanilla.")
        .contains("layer-wise, even: 16, 32, 48 full heads", "the random-2")
        .contains("The y axis does not begin at 0.");
    assertThat(Figures.fromAbove0(0.19)).as("its axis begins at 0").isEmpty();
  }

  @Test
  void whatIsNotDrawnDoesNotNarrowTheChartOfHeads() throws Exception {
    List<CellResult> some =
        new ArrayList<>(cells().stream().filter(c -> !c.arm().equals("all-full")).toList());
    some.addAll(
        SyntheticStudy.cells(
            List.of("all-full"),
            List.of("niah_single_2", "niah_multikey_1", "mqar", "vt"),
            List.of(4096),
            (arm, task, length) -> 0.05));
    study(some);
    new StudyReport(folder).write(folder.resolve("out"), "x");
    assertThat(folder.resolve("out/study/recall-by-heads.svg"))
        .content()
        .contains("at 4K, 16K, 32K, 128K,")
        .containsPattern(
            "Below the chart: the all-full \\(192 heads, seeds 0, 1, 2\\), \\d+\\.\\d%")
        .doesNotContain("line s4");
  }

  @Test
  void aCollapsedDrawIsLeftOutBesideTheMeanAndFlatModelsAreBelowTheChart() throws Exception {
    List<CellResult> some = cells();
    some.removeIf(c -> c.arm().equals("random-2") && c.seed() == 1);
    some.removeIf(c -> c.arm().equals("layer-5-1") && c.seed() == 2);
    SyntheticStudy.cells(
            List.of("random-2"),
            List.of("niah_single_2", "niah_multikey_1", "mqar", "vt"),
            List.of(4096, 16384, 32768),
            (arm, task, length) -> 0.1)
        .stream()
        .filter(c -> c.seed() == 1)
        .forEach(some::add);
    study(some);
    Path out = folder.resolve("out");
    new StudyReport(folder).write(out, "x");
    assertThat(Files.readString(out.resolve("RESULTS.md")))
        .containsPattern(
            "- random heads, equal cache, without what collapsed, the random-2 in seed 1 \\(recall 1\\d\\.\\d%, the seed's other draws \\d\\d\\.\\d%\\): better, ")
        .contains("| less random draws' mean without what collapsed | at 32K |");
    assertThat(Files.readString(out.resolve("study/recall-by-memory.svg")))
        .contains("the layer-5-1, seeds 0, 1", "Hollow: of other seeds", "mark s3 hollow")
        .containsPattern("Below the chart: the vanilla \\(\\S+ MiB\\), \\d\\.\\d%");
  }

  @Test
  void lossesOfFewerSeedsAreDashedAndComparedOnTheirSeeds() throws Exception {
    List<CellResult> some = cells();
    some.add(SyntheticStudy.perplexity("all-full", 0, 1.6));
    study(some);
    Path out = folder.resolve("out");
    new StudyReport(folder).write(out, "x");
    assertThat(Files.readString(out.resolve("study/loss-by-position.svg")))
        .contains("line s2 dash", "the all-full, seed 0", "Dashed: of other seeds");
    assertThat(Files.readString(out.resolve("RESULTS.md")))
        .containsPattern(
            "\\| \\*for comparison: the causal, seed 0\\* \\| 0 \\| 2\\.750 .*\\n\\| the all-full \\| 0 \\| 2\\.600 ");
  }

  @Test
  void anArmThatIsAnothersModelHasItsTrainingAndTrialsSayWhatTheyStandFor() throws Exception {
    study(cells());
    Path parent = folder.resolve("parent/seed-0/arm.json");
    Files.createDirectories(parent.getParent());
    Files.writeString(
        parent,
        """
        {"label": "the parent", "tokens": 48000000, "seconds": 90, "full_heads": 24, "heads": 192,
         "stages": [{"name": "align", "tokens": 3000000, "lr": 0.0045},
                    {"name": "lengthen", "tokens": 45000000, "lr": 0.00045}]}
        """);
    Path file = folder.resolve("study.json");
    ObjectNode told = (ObjectNode) Json.read(file);
    told.set(
        "arms",
        parsed(
            """
            {"random-1": {"of": "parent"}, "random-2": {"family": "head"},
             "causal": {"family": "head"},
             "parent": {"data": {"plain": 0.15, "families": {"mqar": 8}}}}
            """));
    told.set("data", parsed("{\"plain\": 0.25, \"families\": {\"mqar\": 2, \"vt\": 1}}"));
    told.set(
        "learning_rate_trials",
        parsed(
            """
            [{"family": "head", "arm": "causal", "seed": 1, "share": 0.25, "factor": 1.5}]
            """));
    Files.writeString(file, told.toString());
    new StudyReport(folder).write(folder.resolve("out"), "x");
    String stages = "align 3.0M at 4.5e-3 / lengthen 45.0M at 4.5e-4";
    assertThat(folder.resolve("out/RESULTS.md"))
        .content()
        .contains("| 48.0M, as parent | " + stages + " | 90, as parent |")
        .containsPattern("\\| the parent \\| .* \\| 48.0M \\| " + stages + " \\| 90 \\|")
        .contains("share of plain text 0.15 rather than 0.25; weight of mqar 8 rather than 2")
        .contains("trials with 25% of the tokens", "on seed 1 alone, which is a test seed too")
        .contains("the causal stands for `random-2` (×1.5 of the recipe's rates).")
        .contains("every tested family but niah_multikey_1, niah_single_2, with other words");
  }

  @Test
  void theFamilyWhoseEveryLineIsANeedleIsShownAlone() throws Exception {
    List<CellResult> all = cells();
    all.addAll(
        SyntheticStudy.cells(
            List.copyOf(HEADS.keySet()),
            List.of("niah_multikey_2"),
            List.of(4096, 16384, 32768, 131072),
            (arm, task, length) -> length > 20_000 ? 0.4 : 0.96));
    study(all);
    new StudyReport(folder).write(folder.resolve("out"), "x");
    assertThat(folder.resolve("out/RESULTS.md"))
        .content()
        .contains("multi-key needles (niah_multikey_1 and niah_multikey_2) ")
        .containsPattern(
            "niah_multikey_2 alone, where every line is a needle, (up to 16K|at no length beyond).*"
                + " and at 128K, the longest measured, 4\\d\\.\\d% \\[")
        .contains("| multi-key, every line a needle: recall at 4K | ≥ 95% kept up to |")
        .contains("**multi-key, every line a needle**: niah_multikey_2\n")
        .contains("(study/far-multi-key-every-line-a-needle.svg)");
  }

  @Test
  void whatWasNotMeasuredEverywhereIsSaidWhereItIsPooled() throws Exception {
    List<CellResult> some = cells();
    some.removeIf(c -> c.spec().length() > 100_000 && c.spec().task().equals("vt"));
    some.removeIf(c -> c.spec().length() == 16384 && c.arm().equals("layer-5-1"));
    some.removeIf(c -> c.arm().equals("causal") && c.spec().task().equals("niah_single_2"));
    List<String> single = List.of("niah_single_2");
    some.addAll(
        SyntheticStudy.cells(
            List.of("causal"), single, List.of(4096, 16384, 131072), (arm, task, length) -> 1));
    study(some);
    new StudyReport(folder).write(folder.resolve("out"), "x");
    String pairs = "pairs of a family and a length, each counting the same";
    assertThat(folder.resolve("out/RESULTS.md"))
        .content()
        .contains("all lengths (14 " + pairs + ", so that families measured farther out weigh")
        .contains("is the mean over 14 " + pairs + ", so that")
        .contains("| layer-wise 5:1 | 4K, 32K, 128K |")
        .contains("| niah_single_2 | 4K, 16K, 128K |")
        .contains(
            "single-key needles (niah_single_2) up to 128K (32 times the native length; 32K not measured)");
  }

  @Test
  void speedsSayWhoseModelsWereTimed() throws Exception {
    study(cells());
    new StudyReport(folder).write(folder.resolve("a"), "x");
    assertThat(folder.resolve("a/RESULTS.md")).content().doesNotContain("Measured on models");
    for (String arm : List.of("causal", "vanilla")) {
      Path run = folder.resolve(arm).resolve("seed-2");
      put(run.resolve("speed.json"), "seed", 2);
      put(run.resolve("speed.json"), "checkpoint_hash", "aa");
      put(run.resolve("arm.json"), "checkpoint_hash", arm.equals("causal") ? "bb" : "aa");
    }
    new StudyReport(folder).write(folder.resolve("b"), "x");
    assertThat(folder.resolve("b/RESULTS.md"))
        .content()
        .contains("Measured on models of seed 2. By their checkpoints' hashes")
        .contains("heads need not be the same: the causal.\n");
  }

  private static void put(Path file, String field, Object value) throws IOException {
    ObjectNode o = (ObjectNode) Json.read(file);
    o.set(field, parsed(value instanceof String ? "\"" + value + "\"" : value.toString()));
    Files.writeString(file, ReadableJson.text(o));
  }

  @Test
  void oneSeedIsCalledOne() throws Exception {
    study(cells().stream().filter(c -> c.seed() == 1).toList());
    new StudyReport(folder).write(folder.resolve("out"), "x");
    assertThat(folder.resolve("out/RESULTS.md")).content().contains("| **the causal** | 1 | 24 |");
  }

  @Test
  void theSameFilesGiveTheSameDocument() throws Exception {
    study(cells().subList(0, 200));
    new StudyReport(folder).write(folder.resolve("a"), "x");
    new StudyReport(folder).write(folder.resolve("b"), "x");
    assertThat(folder.resolve("a/RESULTS.md"))
        .hasSameTextualContentAs(folder.resolve("b/RESULTS.md"));
  }

  @Test
  void whatIsKeptMakesTheSameDocument() throws Exception {
    study(cells().stream().filter(c -> c.spec().length() < 20_000).toList());
    new StudyReport(folder).write(folder.resolve("a"), "x");
    Path raw = folder.resolve("a/study/raw");
    try (Stream<Path> all = Files.walk(raw)) {
      assertThat(all.filter(Files::isRegularFile)).hasSize(1 + 3 * 3 * HEADS.size());
    }
    new StudyReport(raw).write(folder.resolve("b"), "x");
    assertThat(folder.resolve("b/RESULTS.md"))
        .hasSameTextualContentAs(folder.resolve("a/RESULTS.md"));
    assertThat(folder.resolve("b/study/raw/causal/seed-1/cells.jsonl.gz"))
        .hasSameBinaryContentAs(raw.resolve("causal/seed-1/cells.jsonl.gz"));
    new StudyReport(raw).write(folder.resolve("a"), "x");
  }

  @Test
  void oneArmAloneStillMakesADocumentThatSaysWhatIsMissing() throws Exception {
    study(cells().stream().filter(c -> c.arm().equals("causal")).toList());
    new StudyReport(folder).write(folder.resolve("out"), "x");
    assertThat(folder.resolve("out/RESULTS.md"))
        .content()
        .contains(
            "as layer-3-1?** Not answered",
            "near 7:1?** Not answered",
            "not measured on the teacher");
  }

  @Test
  void whatIsNoStudyIsRefused() throws Exception {
    assertThatThrownBy(() -> new StudyReport(folder))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("study.json");
    study(cells().subList(0, 1));
    Path cell;
    try (Stream<Path> all = Files.walk(folder)) {
      cell = all.filter(p -> p.getParent().endsWith("cells")).findFirst().orElseThrow();
    }
    Files.writeString(cell, Files.readString(cell).replace("\"scores\"", "\"scored\""));
    assertThatThrownBy(() -> new StudyReport(folder))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(cell.getFileName().toString())
        .hasMessageContaining("scores");
  }

  private static JsonNode parsed(String json) {
    return Json.parse(json, "test");
  }

  @Test
  void commitsOfAllArmsAreListedWhereTheyAreSeveral() throws Exception {
    study(cells());
    Path out = folder.resolve("out");
    new StudyReport(folder).write(out, "hydrahead study --recipe 'my recipe.json' -o here");
    assertThat(out.resolve("RESULTS.md"))
        .content()
        .contains("hydrahead study --recipe 'my recipe.json' -o again --stage report\n")
        .doesNotContain("of the arms |");
    tell("causal", 0, "abc1234", "cuda:0: a GPU");
    tell("causal", 1, "def5678", "cuda:3: a GPU");
    tell("vanilla", 1, "def5678", "cpu: 2 threads");
    new StudyReport(folder).write(out, "c");
    assertThat(out.resolve("RESULTS.md"))
        .content()
        .contains("| commit | abc1234 |")
        .contains("| commits of the arms | abc1234 (1 model); def5678 (2 models) |")
        .contains("| commands of the arms | study abc1234 (1 model); study def5678 (2 models) |")
        .contains("| devices of the arms | a GPU (2 models); cpu: 2 threads (1 model) |");
  }

  private void tell(String arm, int seed, String commit, String device) throws IOException {
    Path file = folder.resolve(arm).resolve("seed-" + seed).resolve("arm.json");
    ObjectNode o = (ObjectNode) Json.read(file);
    o.put("commit", commit).put("command", "study " + commit).put("device", device);
    Files.writeString(file, ReadableJson.text(o));
  }
}
