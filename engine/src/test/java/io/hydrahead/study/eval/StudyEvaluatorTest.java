package io.hydrahead.study.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.data.PlainText;
import io.hydrahead.data.Split;
import io.hydrahead.data.TextCodec;
import io.hydrahead.eval.Example;
import io.hydrahead.json.Fields;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Session;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** On the bundled teacher, which knows needles within 256 tokens. */
class StudyEvaluatorTest {
  private static final Path TEACHER = Path.of("../models/tiny-teacher");
  private static Ops ops;
  private static HybridTransformer model;
  private static TextCodec codec;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    ops = OpsFactory.cpu(OpsOptions.defaults());
    model = HybridTransformer.load(TEACHER, ops, ModelFiles.LoadOptions.FLOAT32);
    codec = TextCodec.of(Tokenizer.load(TEACHER));
  }

  @AfterAll
  static void close() {
    model.close();
    ops.close();
  }

  private static EvaluationRecipe recipe(String json) {
    Fields f = Fields.parse(json.replace('\'', '"'), "study.json", Path.of(""));
    return EvaluationRecipe.read(f);
  }

  private static final String SMALL =
      """
      {'style': 'short', 'digits': 7, 'questions': 2, 'grids': {
        'short': [{'tasks': ['niah_single_1', 'niah_multikey_2', 'mqar'],
                   'lengths': ['160', '256'], 'haystacks': 4},
                  {'tasks': ['perplexity'], 'lengths': ['600'], 'haystacks': 2}],
        'more': [{'tasks': ['mqar'], 'lengths': ['256'], 'haystacks': 6},
                 {'tasks': ['fwe'], 'lengths': ['256'], 'haystacks': 2}]},
       'dev': [{'tasks': ['niah_single_1', 'perplexity'], 'lengths': ['256'], 'haystacks': 2}]}
      """;

  private StudyEvaluator evaluator(String json) {
    return new StudyEvaluator(
        recipe(json), codec, PlainText.generated(), folder.resolve("haystacks"), 2);
  }

  private static Subject subject(int seed) {
    return new Subject("tiny", seed, model, "0011223344556677");
  }

  @Test
  void everyCellIsAFileAndAnInterruptedEvaluationGoesOn() throws IOException {
    List<CellSpec> cells = recipe(SMALL).cells(List.of("short"));
    assertThat(cells).hasSize(7);
    Path arm = folder.resolve("tiny/seed-0");
    try (StudyEvaluator e = evaluator(SMALL)) {
      int[] asked = {0};
      Progress stopper = stopAfter(asked, 6);
      assertThatThrownBy(() -> e.evaluate(subject(0), cells, arm, stopper))
          .isInstanceOf(CancellationException.class);
      assertThat(e.complete(cells, 0, arm, "0011223344556677")).isFalse();
      List<Path> before = files(arm.resolve("cells"));
      assertThat(before).hasSizeBetween(1, 2);
      long written = Files.getLastModifiedTime(before.getFirst()).toMillis();

      List<CellResult> all = e.evaluate(subject(0), cells, arm, Progress.SILENT);
      assertThat(Files.getLastModifiedTime(before.getFirst()).toMillis()).isEqualTo(written);
      assertThat(files(arm.resolve("cells"))).hasSize(7);
      assertThat(e.complete(cells, 0, arm, "0011223344556677")).isTrue();
      assertThat(e.complete(cells, 0, arm, "another")).isFalse();
      assertThat(e.complete(cells, 1, arm, "0011223344556677")).isFalse();

      CellResult single = all.getFirst();
      assertThat(single.spec()).isEqualTo(cells.getFirst());
      assertThat(single.scores()).hasSize(4);
      assertThat(single.mean()).as("the teacher knows single needles").isGreaterThan(0.7);
      CellResult loss = all.getLast();
      assertThat(loss.buckets()).extracting(CellResult.Bucket::to).containsExactly(256, 599);
      double mean =
          (256 * loss.buckets().get(0).losses()[0] + 343 * loss.buckets().get(1).losses()[0]) / 599;
      assertThat(loss.scores()[0]).isCloseTo(mean, within(1e-5));
      assertThat(loss.mean()).isBetween(0.3, 5.0);
    }
  }

  @Test
  void cellsKeptInOneFileAreFinished() throws IOException {
    List<CellSpec> cells = recipe(SMALL).cells(List.of("short"));
    Path arm = folder.resolve("kept/seed-0");
    String model = "0011223344556677";
    try (StudyEvaluator e = evaluator(SMALL)) {
      List<CellResult> all = e.evaluate(subject(0), cells, arm, Progress.SILENT);
      KeptCells.write(arm, all);
      for (Path cell : files(arm.resolve("cells"))) {
        Files.delete(cell);
      }
    }
    try (StudyEvaluator e = evaluator(SMALL)) {
      assertThat(e.complete(cells, 0, arm, model)).isTrue();
      assertThat(e.complete(cells, 0, arm, "another")).isFalse();
    }
    KeptCells.unpack(arm);
    assertThat(files(arm)).containsExactly(arm.resolve("cells"));
    assertThat(files(arm.resolve("cells"))).hasSize(7);
    KeptCells.unpack(arm); // finds nothing
    try (StudyEvaluator e = evaluator(SMALL)) {
      assertThat(e.complete(cells, 0, arm, model)).isTrue();
    }
  }

  private static Progress stopAfter(int[] asked, int most) {
    return new Progress() {
      @Override
      public void begin(String what, long total, String unit) {}

      @Override
      public void advance(long done, String note) {}

      @Override
      public void end() {}

      @Override
      public boolean cancelled() {
        return ++asked[0] > most;
      }
    };
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> list = Files.list(folder)) {
      return list.sorted().toList();
    }
  }

  @Test
  void aRepeatedEvaluationGivesTheSameScoresAndMakesNoHaystackAgain() throws IOException {
    List<CellSpec> cells = recipe(SMALL).cells(List.of("short", "more"));
    assertThat(cells).hasSize(8);
    assertThat(cells.stream().filter(c -> c.file().equals("mqar-256.json")))
        .extracting(CellSpec::haystacks)
        .containsExactly(6);
    try (StudyEvaluator e = evaluator(SMALL)) {
      e.prepare(cells, List.of(3), Progress.SILENT);
      List<Path> kept = files(folder.resolve("haystacks"));
      assertThat(kept).hasSize(8);
      List<CellResult> a = e.evaluate(subject(3), cells, folder.resolve("a"), Progress.SILENT);
      List<CellResult> b = e.evaluate(subject(3), cells, folder.resolve("b"), Progress.SILENT);
      for (int i = 0; i < a.size(); i++) {
        assertThat(b.get(i).scores()).as(a.get(i).spec().file()).containsExactly(a.get(i).scores());
        assertThat(b.get(i).haystackHash()).isEqualTo(a.get(i).haystackHash());
      }
      assertThat(files(folder.resolve("haystacks"))).isEqualTo(kept);
      List<CellResult> c = e.evaluate(subject(4), cells, folder.resolve("c"), Progress.SILENT);
      assertThat(c.getFirst().haystackHash()).isNotEqualTo(a.getFirst().haystackHash());
    }
  }

  /**
   * The claim that no decoding is needed: read answers and decoded ones agree on every question.
   */
  @Test
  void firstChoicesAreWhatGreedyDecodingGives() {
    EvaluationRecipe r = recipe(SMALL);
    HaystackMaker maker = new HaystackMaker(r, codec, PlainText.generated(), 17);
    double sum = 0;
    for (String task : List.of("niah_single_1", "niah_multikey_2", "mqar", "niah_multivalue")) {
      CellSpec cell = new CellSpec(task, 256, 4, 2, Split.TEST);
      for (int i = 0; i < 4; i++) {
        Example e = maker.make(cell, i);
        try (Asker asker = new Asker(model, codec)) {
          Asker.Score read = asker.ask(e, 256, false);
          double exact = 0;
          double share = 0;
          for (Example.Question q : e.questions()) {
            int[] made = decoded(e, q);
            exact += Arrays.equals(made, q.continuation()) ? 1 : 0;
            share += wholeAnswers(q, Arrays.mismatch(made, q.continuation()));
          }
          assertThat(read.exact()).as("%s %d", task, i).isEqualTo(exact / e.questions().size());
          assertThat(read.score()).as("%s %d", task, i).isEqualTo(share / e.questions().size());
          sum += read.exact();
        }
      }
    }
    assertThat(sum).as("some are right and some are not").isBetween(1.0, 15.9);
  }

  private static int[] decoded(Example e, Example.Question q) {
    int n = q.continuation().length;
    int[] prompt = e.prompt(q);
    try (Session s = model.newSession(prompt.length + n)) {
      float[] logits = s.prefill(prompt).toFloats();
      int next = 0;
      for (int v = 1; v < logits.length; v++) {
        next = logits[v] > logits[next] ? v : next;
      }
      int[] out = new int[n];
      for (int i = 0; i < n; i++) {
        out[i] = next;
        next = s.decodeGreedy(next);
      }
      return out;
    }
  }

  private static double wholeAnswers(Example.Question q, int mismatch) {
    int right = mismatch < 0 ? q.continuation().length : mismatch;
    int end = 0;
    int whole = 0;
    for (int[] a : q.answers()) {
      end += a.length;
      whole += end <= right ? 1 : 0;
    }
    return (double) whole / q.answers().size();
  }

  @Test
  void promptsHaveTheTokensOfTheirWholeText() {
    EvaluationRecipe r = recipe(SMALL.replace("'short', 'digits'", "'varied', 'digits'"));
    for (String task : List.of("niah_single_2", "niah_multikey_1", "vt", "mqar", "phonebook")) {
      CellSpec cell = new CellSpec(task, 1024, 1, 2, Split.DEV);
      Example e = new HaystackMaker(r, codec, PlainText.generated(), 5).make(cell, 0);
      assertThat(e.tokens()).isBetween(900, 1024);
      for (Example.Question q : e.questions()) {
        int[] prompt = e.prompt(q);
        assertThat(codec.encode(codec.decode(prompt))).as(task).containsExactly(prompt);
      }
    }
  }

  @Test
  void wordsOfTheListsGiveWayToInventedOnes() {
    CellSpec cell = new CellSpec("vt", 1024, 1, 2, Split.TEST);
    List<String> listed = io.hydrahead.data.Words.of(Split.TEST).plain();
    for (int share : List.of(0, 1)) {
      EvaluationRecipe r =
          recipe(
              SMALL.replace(
                  "'short', 'digits'", "'varied', 'invented_words': " + share + ", 'digits'"));
      Example e = new HaystackMaker(r, codec, PlainText.generated(), 5).make(cell, 0);
      List<String> asked =
          e.questions().stream().flatMap(q -> q.references().stream()).map(String::strip).toList();
      assertThat(asked).hasSizeGreaterThan(4);
      if (share == 0) {
        assertThat(listed).containsAll(asked);
      } else {
        assertThat(listed).doesNotContainAnyElementsOf(asked);
      }
    }
  }

  @Test
  void tuningSeesTheDevelopmentSplitOnly() {
    EvaluationRecipe r = recipe(SMALL);
    assertThat(r.dev()).allMatch(c -> c.split() == Split.DEV);
    assertThat(r.grids().values()).allMatch(g -> g.stream().allMatch(c -> c.split() == Split.TEST));
    try (StudyEvaluator e = evaluator(SMALL)) {
      assertThat(e.devScore(subject(0), Progress.SILENT)).isBetween(0.5, 1.0);
    }
    String none = SMALL.replaceAll("(?s),\\s+'dev'.*", "}");
    try (StudyEvaluator e = evaluator(none)) {
      assertThatThrownBy(() -> e.devScore(subject(0), Progress.SILENT))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("evaluation.dev");
    }
  }

  @Test
  void speedsAreMeasuredOnce() throws IOException {
    Path arm = folder.resolve("arm");
    SpeedMeter meter = new SpeedMeter(0.01);
    meter.measure(subject(0), List.of(64, 512), arm, Progress.SILENT);
    String text = Files.readString(arm.resolve("speed.json"));
    var json = io.hydrahead.json.Json.read(arm.resolve("speed.json"));
    assertThat(json.get("lengths")).hasSize(2);
    assertThat(json.get("lengths").get(1).get("decode_ms").doubleValue()).isPositive();
    // 4 layers × 8 KV heads × 32 × 4 bytes, keys and values
    assertThat(json.get("lengths").get(1).get("kv_bytes").asLong()).isEqualTo(2L * 4096 * 512);
    meter.measure(subject(0), List.of(64), arm, Progress.SILENT);
    assertThat(Files.readString(arm.resolve("speed.json"))).isEqualTo(text);
  }

  @Test
  void wrongRecipesNameTheField() {
    assertThatThrownBy(() ->
            recipe("{'grids': {'a': [{'tasks': ['qa'], 'lengths': ['4K'], 'haystacks': 1}]}}"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("$.grids.a[0].tasks")
        .hasMessageContaining("perplexity");
    assertThatThrownBy(() ->
            recipe("{'grids': {'a': [{'tasks': ['vt'], 'lengths': ['4Q'], 'haystacks': 1}]}}"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("$.grids.a[0].lengths");
    assertThatThrownBy(() -> recipe("{'grids': {}, 'sed': 1}"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("sed");
    assertThatThrownBy(() -> recipe(SMALL).cells(List.of("far")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("\"far\"")
        .hasMessageContaining("short");
    CellSpec tooLong = new CellSpec("niah_multikey_1", 64, 1, 8, Split.TEST);
    assertThatThrownBy(() ->
            new HaystackMaker(recipe(SMALL), codec, PlainText.generated(), 1).make(tooLong, 0))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("niah_multikey_1")
        .hasMessageContaining("fewer questions");
  }
}
