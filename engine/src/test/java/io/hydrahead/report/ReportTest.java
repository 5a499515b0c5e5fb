package io.hydrahead.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Json;
import io.hydrahead.report.ReportInput.Cell;
import io.hydrahead.report.ReportInput.HeadScoreMap;
import io.hydrahead.tensor.InputException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class ReportTest {
  private static Document parse(String html) throws Exception {
    String body = html.substring(html.indexOf('\n') + 1);
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(body)));
  }

  private static List<Element> all(Document d, String tag, String css) {
    List<Element> out = new ArrayList<>();
    NodeList nodes = d.getElementsByTagName(tag);
    for (int i = 0; i < nodes.getLength(); i++) {
      Element e = (Element) nodes.item(i);
      if (css.isEmpty() || List.of(e.getAttribute("class").split(" ")).contains(css)) {
        out.add(e);
      }
    }
    return out;
  }

  @Test
  void thePageIsWellFormedAndNeedsNothingFromOutside() throws Exception {
    String html = Report.html(SampleReport.input());
    Path file = Path.of("target", "report-sample.html");
    Files.createDirectories(file.getParent());
    Files.writeString(file, html);
    Document page = parse(html);
    assertThat(html).startsWith("<!doctype html>\n").doesNotContain("<script", "@import", "url(");
    for (String name : List.of("src", "href")) {
      Matcher m = Pattern.compile(name + "=\"([^\"]*)\"").matcher(html);
      while (m.find()) {
        assertThat(m.group(1)).as(name).startsWith("#source-");
      }
    }
    assertThat(html).contains("prefers-color-scheme: dark", "name=\"viewport\"");
    assertThat(all(page, "section", ""))
        .extracting(e -> e.getAttribute("id"))
        .containsExactly(
            "summary", "recall", "text", "heads", "memory", "training", "cells", "sources");
    assertThat(html).hasSizeLessThan(600_000);
    assertThat(Report.html(SampleReport.input())).as("the same again").isEqualTo(html);
  }

  @Test
  void everyNumberIsThereWithItsSource() throws Exception {
    ReportInput in = SampleReport.input();
    Document page = parse(Report.html(in));
    List<Element> shares = all(page, "td", "share");
    int summary = in.models().size() * 5; // few enough lengths: all of them
    assertThat(shares)
        .hasSize(summary + (int) in.cells().stream().filter(Cell::isAccuracy).count());
    String text = page.getDocumentElement().getTextContent();
    for (ReportInput.Source s : in.sources()) {
      assertThat(text).contains(s.file(), s.command(), s.commit());
    }
    in.system().forEach((k, v) -> assertThat(text).contains(k, v));
    long rows = in.cells().stream().map(c -> c.task() + c.length()).distinct().count();
    assertThat(all(page, "a", "cite")).hasSizeGreaterThan((int) rows);
  }

  @Test
  void headMapsOutlineExactlyThePlan() throws Exception {
    ReportInput in = SampleReport.input();
    Document page = parse(Report.html(in));
    long outlined =
        all(page, "rect", "full").stream()
            .filter(e -> e.getTextContent().strip().endsWith("full attention"))
            .count();
    int expected = in.models().get(1).fullCount() + in.models().get(2).fullCount();
    assertThat(outlined).isEqualTo(expected);
    assertThat(page.getDocumentElement().getTextContent())
        .contains("layer 3, head 6: score 1.000, full attention");
  }

  @Test
  void findingsAreMadeFromTheNumbers() {
    List<String> said =
        new Findings(SampleReport.input(), new Recall(SampleReport.input())).sentences();
    assertThat(said.getFirst())
        .contains("**HydraHead 7:1** keeps 16 of 128 heads full and 12.5% of the KV cache")
        .contains("**Layer-wise 3:1** keeps 32 of 128 heads full and 25.0% of the KV cache")
        .doesNotContain("Teacher");
    assertThat(said.get(1))
        .startsWith("Recall from 512 tokens, the native context, to 2K (4× native) goes: ")
        .containsPattern("\\*\\*Teacher\\*\\* from 9\\d\\.\\d% to 0%");
    assertThat(said.get(2))
        .startsWith("**HydraHead 7:1** is at or above **Layer-wise 3:1** at 5 of 5");
    assertThat(said.get(3)).contains("**Teacher** 4.00 GiB", "**HydraHead 7:1** 512 MiB (÷ 8)");
  }

  /** What a lengthened model was trained for is not its native context. */
  @Test
  void aLengthenedModelKeepsItsNativeContext() {
    String cells =
        """
        {"cells": [{"model": "m", "task": "niah_single_1", "length": 256, "accuracy": 1, "samples": 9},
                   {"model": "m", "task": "niah_single_1", "length": 2048, "accuracy": 1, "samples": 9}],
         "models": [{"name": "m", "heads": 2, "full_attention_heads": [[0], [1]], %s}]}
        """;
    String both = report(cells.formatted("\"native_length\": 256, \"trained_length\": 2048"));
    assertThat(both)
        .contains("native 256", "the native context", "trained further: m to 2K", "(8× native)")
        .doesNotContain("native 2K");
    for (String one : List.of("\"native_length\": 2048", "\"trained_length\": 2048")) {
      String trained = report(cells.formatted(one));
      assertThat(trained)
          .contains("trained 2K", "the context that was trained for")
          .doesNotContain("native", "trained further");
    }
  }

  private static String report(String json) {
    return Report.html(ReportFiles.read(Json.parse(json, "results.json"), "results.json"));
  }

  @Test
  void comparisonsSayWhenTheyGoAgainstTheHeadWiseHybrid() {
    ReportInput in = SampleReport.input();
    List<Cell> swapped =
        in.cells().stream()
            .map(c ->
                new Cell(
                    switch (c.model()) {
                      case "HydraHead 7:1" -> "Layer-wise 3:1";
                      case "Layer-wise 3:1" -> "HydraHead 7:1";
                      default -> c.model();
                    },
                    c.task(),
                    c.length(),
                    c.metric(),
                    c.value(),
                    c.low(),
                    c.high(),
                    c.samples(),
                    c.seed(),
                    c.source()))
            .toList();
    ReportInput other =
        new ReportInput(
            in.title(),
            "",
            in.models(),
            swapped,
            List.of(),
            in.heads(),
            List.of(),
            List.of(),
            Map.of());
    assertThat(new Findings(other, new Recall(other)).sentences())
        .anySatisfy(s -> assertThat(s).contains("at 0 of 5 lengths", "at 0 in its favour"));
  }

  @Test
  void theInputSurvivesItsJson() {
    ReportInput in = SampleReport.input();
    ReportInput back =
        ReportFiles.read(
            Json.parse(Json.write(ReportFiles.toJson(in)), "report.json"), "report.json");
    assertThat(Report.html(back)).isEqualTo(Report.html(in));
  }

  @Test
  void filesOfTheOtherStepsAreTakenForWhatTheyHold(@TempDir Path folder) throws Exception {
    Path results = folder.resolve("a.json");
    Files.writeString(
        results,
        """
        {"cells": [{"model": "A", "task": "vt", "length": 4096, "accuracy": 0.5, "low": 0.4,
          "high": 0.6, "samples": 90, "seed": 3}, {"model": "A", "task": "text", "length": 4096,
          "accuracy": 0.5, "low": 0.25, "high": 0.75, "loss": 0.6931472, "samples": 9}],
          "skipped": [{"model": "A", "task": "cwe", "length": 64, "reason": "too short"}],
          "settings": {"style": "ruler"},
          "checkpoint": "x", "commit": "c1", "seed": 3, "command": "eval x"}
        """);
    Path heads = folder.resolve("heads.json");
    Files.writeString(
        heads, "{\"layers\":1,\"heads\":2,\"scores\":[[0,1]],\"command\":\"probe x\"}");
    Path plan = folder.resolve("my-plan.json");
    Files.writeString(
        plan, "{\"full_attention_heads\":[[1]],\"layers\":1,\"heads\":2,\"kv_heads\":1}");
    Path log = folder.resolve("log.jsonl");
    Files.writeString(
        log,
        """
        {"kind":"note","text":"start"}
        {"kind":"step","stage":"s","step":1,"tokens":10,"model":"A","kl":3.5,"lr":0.1,"seconds":1}
        {"kind":"step","stage":"s","step":2,"tokens":20,"model":"A","kl":2.5,"lr":0.1,"seconds":1}
        """);
    ReportInput in = ReportFiles.read(List.of(results, heads, plan, log));
    assertThat(in.cells()).hasSize(2);
    Cell text = in.cells().get(1);
    assertThat(text.metric()).isEqualTo("loss");
    assertThat(text.value()).isEqualTo(0.6931472);
    assertThat(text.low()).as("the best likelihood").isCloseTo(-Math.log(.75), within(1e-12));
    assertThat(text.high()).isCloseTo(-Math.log(.25), within(1e-12));
    assertThat(in.skipped()).singleElement().extracting("reason").isEqualTo("too short");
    assertThat(in.sources().getFirst().settings()).isEqualTo("style ruler");
    assertThat(in.heads().scores()).isDeepEqualTo(new double[][] {{0, 1}});
    assertThat(in.models()).singleElement().extracting(ModelFacts::name).isEqualTo("my-plan");
    assertThat(in.curves())
        .singleElement()
        .satisfies(c -> {
          assertThat(c.quantity()).isEqualTo("kl");
          assertThat(c.values()).containsExactly(3.5, 2.5);
        });
    assertThat(in.sources()).hasSize(4);
    assertThat(in.sources().getFirst().command()).isEqualTo("eval x");
    parse(Report.html(in));
  }

  @Test
  void aPlanIsOfTheModelWithItsHeads(@TempDir Path folder) throws Exception {
    String heads = "\"heads\": 2, \"kv_heads\": 2, \"full_attention_heads\": [[0], []]";
    Path plan = Files.writeString(folder.resolve("plan-7-1.json"), "{" + heads + "}");
    Path other =
        Files.writeString(
            folder.resolve("plan-other.json"), "{" + heads.replace("[0]", "[1]") + "}");
    Path results =
        Files.writeString(
            folder.resolve("results.json"),
            "{\"models\": [{\"name\": \"hybrid\", "
                + heads
                + "}], \"cells\": [{\"model\": \"hybrid\", \"task\": \"niah\", \"length\": 4,"
                + " \"accuracy\": 1}]}");
    assertThat(ReportFiles.read(List.of(results, plan, other)).modelNames())
        .containsExactly("hybrid", "plan-other");
    // Two models with these heads: it is not certain whose plan it is.
    Path twin =
        Files.writeString(
            folder.resolve("twin.json"), Files.readString(results).replace("hybrid", "twin"));
    assertThat(ReportFiles.read(List.of(results, twin, plan)).modelNames())
        .containsExactly("hybrid", "twin", "plan-7-1");
  }

  @Test
  void everyPartMayBeMissing() throws Exception {
    ReportInput full = SampleReport.input();
    parse(Report.html(ReportInput.empty("Nothing")));
    List<ReportInput> parts =
        List.of(
            part(full.models(), List.of(), HeadScoreMap.NONE),
            part(List.of(), full.cells(), HeadScoreMap.NONE),
            part(List.of(), full.cells().subList(0, 1), HeadScoreMap.NONE),
            part(List.of(), List.of(), full.heads()));
    for (ReportInput p : parts) {
      assertThat(all(parse(Report.html(p)), "section", "")).isNotEmpty();
    }
  }

  private static ReportInput part(List<ModelFacts> models, List<Cell> cells, HeadScoreMap heads) {
    return new ReportInput(
        "T", "", models, cells, List.of(), heads, List.of(), List.of(), Map.of());
  }

  @Test
  void namesFromOutsideAreEscaped() throws Exception {
    Cell evil = new Cell("<script>\"&", "a<b", 512, Cell.ACCURACY, .5, .4, .6, 10, 1, "x\"><img>");
    String html = Report.html(part(List.of(), List.of(evil), HeadScoreMap.NONE));
    parse(html);
    assertThat(html).doesNotContain("<script>", "<img>");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[]                                                  | JSON object",
        "{\"a\":1}                                           | nothing to report",
        "{\"cells\":3}                                       | cells should be a list",
        "{\"cells\":[{\"task\":\"t\",\"length\":1,\"accuracy\":1}]}                   | cells[0].model is missing",
        "{\"cells\":[{\"model\":\"m\",\"task\":\"t\",\"length\":1,\"accuracy\":1.5}]} | cells[0].accuracy is 1.5",
        "{\"cells\":[{\"model\":\"m\",\"task\":\"t\",\"length\":1}]}                  | cells[0].accuracy is missing",
        "{\"cells\":[{\"model\":\"m\",\"task\":\"t\",\"accuracy\":1}]}                | cells[0].length is missing",
        "{\"scores\":[[1],[1,2]]}                            | scores[1]",
        "{\"full_attention_heads\":[[7]],\"heads\":4}        | heads is 4"
      })
  void badFilesAreNamed(String json, String said) {
    assertThatThrownBy(() -> ReportFiles.read(Json.parse(json, "r.json"), "r.json"))
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith("r.json: ")
        .hasMessageContaining(said);
  }

  @Test
  void intervalsAreWilsons() {
    Recall.Pool p = Recall.wilson(1, 8);
    assertThat(p.low()).isCloseTo(0.6756, within(1e-4));
    assertThat(p.high()).isEqualTo(1);
    Recall.Pool half = Recall.wilson(0.5, 100);
    assertThat(half.low()).isCloseTo(0.4038, within(1e-4));
    assertThat(half.high()).isCloseTo(0.5962, within(1e-4));
  }

  @Test
  void cellsOfSeveralSeedsArePooledInTheirTable() throws Exception {
    List<Cell> cells =
        List.of(
            new Cell("A", "vt", 512, Cell.ACCURACY, 1, .9, 1, 20, 1, ""),
            new Cell("A", "vt", 512, Cell.ACCURACY, .5, .3, .7, 60, 2, ""));
    Document page = parse(Report.html(part(List.of(), cells, HeadScoreMap.NONE)));
    assertThat(all(page, "td", "share"))
        .singleElement()
        .satisfies(e -> assertThat(e.getTextContent()).startsWith("62.5"));
    assertThat(all(page, "td", "num")).extracting(Element::getTextContent).contains("80", "1 / 2");
  }

  @Test
  void poolsOnlyWhatEveryModelWasAsked() {
    List<Cell> cells =
        List.of(
            new Cell("A", "vt", 512, Cell.ACCURACY, 1, .9, 1, 20, 1, ""),
            new Cell("A", "cwe", 512, Cell.ACCURACY, 0, 0, .1, 20, 1, ""),
            new Cell("B", "vt", 512, Cell.ACCURACY, .5, .3, .7, 20, 1, ""),
            new Cell("A", "vt", 1024, Cell.ACCURACY, .8, .6, .9, 20, 1, ""),
            new Cell("A", "cwe", 1024, Cell.ACCURACY, .4, .3, .5, 60, 1, ""));
    Recall r = new Recall(part(List.of(), cells, HeadScoreMap.NONE));
    Map<String, Map<Integer, Recall.Pool>> pooled = r.pooled(r.tasks());
    assertThat(pooled.get("A").get(512).accuracy()).isEqualTo(1);
    assertThat(pooled.get("B").get(512).accuracy()).isEqualTo(.5);
    assertThat(pooled.get("A").get(1024).accuracy()).isCloseTo(.5, within(1e-12));
    assertThat(pooled.get("A").get(1024).samples()).isEqualTo(80);
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0 B",
    "999, 999 B",
    "1024, 1.00 KiB",
    "1048576, 1.00 MiB",
    "1000, 0.98 KiB",
    "68719476736, 64.0 GiB",
    "1536, 1.50 KiB"
  })
  void bytesReadEasily(double bytes, String text) {
    assertThat(Show.bytes(bytes)).isEqualTo(text);
  }

  @Test
  void otherNumbersReadEasily() {
    assertThat(Show.length(4096)).isEqualTo("4K");
    assertThat(Show.length(1000)).isEqualTo("1000");
    assertThat(Show.length(1 << 19)).isEqualTo("512K");
    assertThat(Show.count(24_412_345)).isEqualTo("24.4M");
    assertThat(Show.percent(1)).isEqualTo("100%");
    assertThat(Show.percent(0.125)).isEqualTo("12.5%");
    assertThat(Show.loss(1.75149)).isEqualTo("1.751");
    assertThat(Show.factor(7)).isEqualTo("7");
  }
}
