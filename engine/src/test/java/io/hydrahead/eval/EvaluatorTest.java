package io.hydrahead.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.data.Fit;
import io.hydrahead.data.TaskStyle;
import io.hydrahead.data.TextCorpus;
import io.hydrahead.data.ToyCodec;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class EvaluatorTest {
  private final ToyCodec codec = new ToyCodec();
  private final EvalModel reader = new ReadingModel(codec, Integer.MAX_VALUE);

  private static List<EvalTask> lookUps() {
    Set<EvalTask> out = EnumSet.range(EvalTask.NIAH_SINGLE_1, EvalTask.NIAH_MULTIQUERY);
    out.add(EvalTask.MQAR);
    out.add(EvalTask.PHONEBOOK);
    return List.copyOf(out);
  }

  private List<Cell> run(
      EvalModel model, EvalOptions options, List<EvalTask> tasks, int... lengths) {
    List<Integer> all = java.util.Arrays.stream(lengths).boxed().toList();
    return new Evaluator(options).run(model, tasks, all, 4, 11, Progress.SILENT);
  }

  @Test
  void aModelThatReadsAllFindsAllInBothStylesAndScorings() {
    for (TaskStyle style : List.of(TaskStyle.RULER, TaskStyle.SHORT)) {
      for (Scoring scoring : Scoring.values()) {
        EvalOptions o = EvalOptions.ruler().withStyle(style).withScoring(scoring);
        for (Cell c : run(reader, o, lookUps(), 700, 1300)) {
          assertThat(c.measured().accuracy()).as("%s %s %s", c, style, scoring).isEqualTo(1);
          assertThat(c.measured().interval().low()).isBetween(0.5, 0.52);
        }
      }
    }
  }

  @Test
  void aModelThatSeesTooLittleMissesMost() {
    EvalModel shortSighted = new ReadingModel(codec, 300);
    for (Cell c : run(shortSighted, EvalOptions.small(), lookUps(), 3000)) {
      assertThat(c.measured().accuracy()).as(c.toString()).isLessThan(0.6);
    }
  }

  @ParameterizedTest
  @EnumSource(EvalTask.class)
  void examplesFillTheLengthAndNeverExceedIt(EvalTask task) {
    for (TaskStyle style : TaskStyle.values()) {
      ExampleSource source = new ExampleSource(EvalOptions.ruler().withStyle(style), codec, 5);
      for (int length : new int[] {256, 512, 1024, 4096, 9000}) {
        if (!task.isRecall()) {
          assertThat(source.text(length, 0))
              .isInstanceOfSatisfying(
                  Fit.Found.class, f -> assertThat((int[]) f.value()).hasSize(length));
          continue;
        }
        switch (source.example(task, length, 1)) {
          case Fit.DoesNotFit<Example>(int smallest) ->
              assertThat(smallest).isGreaterThan(length).isLessThan(3500);
          case Fit.Found<Example>(Example e, int size, int tokens) -> {
            assertThat(tokens).isEqualTo(e.tokens()).isLessThanOrEqualTo(length);
            int unit = length >= 4096 ? 600 : 170;
            assertThat(tokens).as("%s %s %d", task, style, length).isGreaterThan(length - unit);
            for (Example.Question q : e.questions()) {
              assertThat(e.prompt(q).length + q.maxNew()).isLessThanOrEqualTo(length);
              for (String reference : q.references()) {
                assertThat(codec.decode(e.context())).contains(reference);
              }
            }
          }
        }
      }
    }
  }

  @Test
  void whatDoesNotFitIsSkippedWithALengthThatWouldDo() {
    List<Cell> cells = run(reader, EvalOptions.ruler(), List.of(EvalTask.NIAH_MULTIKEY_3), 128);
    assertThat(cells.getFirst().outcome())
        .isInstanceOfSatisfying(
            Cell.Skipped.class,
            s -> {
              assertThat(s.smallest()).isGreaterThan(128);
              assertThat(s.reason()).contains("niah_multikey_3", Integer.toString(s.smallest()));
              Cell fits =
                  run(
                          reader,
                          EvalOptions.ruler(),
                          List.of(EvalTask.NIAH_MULTIKEY_3),
                          s.smallest() + 20)
                      .getFirst();
              assertThat(fits.measured().accuracy()).isEqualTo(1);
            });
  }

  @Test
  void examplesDependOnSeedTaskLengthAndIndexOnly() {
    Set<String> seen = new HashSet<>();
    for (long seed : new long[] {1, 2}) {
      for (EvalTask task : List.of(EvalTask.NIAH_SINGLE_1, EvalTask.NIAH_MULTIVALUE)) {
        for (int length : new int[] {512, 1024}) {
          for (int i = 0; i < 3; i++) {
            var a = new ExampleSource(EvalOptions.ruler(), codec, seed).example(task, length, i);
            var b = new ExampleSource(EvalOptions.ruler(), codec, seed).example(task, length, i);
            Example e = ((Fit.Found<Example>) a).value();
            assertThat(e.context()).isEqualTo(((Fit.Found<Example>) b).value().context());
            assertThat(seen.add(e.text())).isTrue();
          }
        }
      }
    }
  }

  @Test
  void aLongExampleComesCloseToItsLengthToo() {
    ExampleSource source = new ExampleSource(EvalOptions.ruler(), codec, 5);
    Fit<Example> fit = source.example(EvalTask.NIAH_MULTIKEY_2, 64 * 1024, 0);
    assertThat(((Fit.Found<Example>) fit).tokens()).isBetween(64 * 1024 - 100, 64 * 1024);
  }

  @Test
  void perplexityOfAUniformModelIsItsVocabulary() {
    Cell c = run(reader, EvalOptions.ruler(), List.of(EvalTask.PERPLEXITY), 300).getFirst();
    assertThat(c.measured().loss()).isEqualTo(Math.log(1024), within(1e-9));
    assertThat(c.measured().accuracy()).isEqualTo(1 / 1024.0, within(1e-9));
  }

  @Test
  void perplexityNeedsEnoughText() {
    TextCorpus tiny =
        TextCorpus.of("tiny", List.of(new TextCorpus.Document("a", "just a few words here\n")));
    EvalOptions o = EvalOptions.ruler().withText(tiny);
    assertThat(run(reader, o, List.of(EvalTask.PERPLEXITY), 300).getFirst().outcome())
        .isInstanceOf(Cell.Skipped.class);
  }

  @Test
  void wilsonsIntervals() {
    assertThat(Interval.wilson(8, 8).low()).isEqualTo(0.6756, within(1e-4));
    assertThat(Interval.wilson(8, 8).high()).isEqualTo(1);
    assertThat(Interval.wilson(0, 8).high()).isEqualTo(0.3244, within(1e-4));
    assertThat(Interval.wilson(45, 100).low()).isEqualTo(0.3561, within(1e-4));
    assertThat(Interval.wilson(45, 100).high()).isEqualTo(0.5476, within(1e-4));
  }

  @Test
  void rulersMetricIgnoresCaseAndCountsParts() {
    assertThat(Metric.stringMatchAll("they are ABC, def", List.of("abc", "DEF", "x")))
        .isEqualTo(2 / 3.0);
    assertThat(Metric.stringMatchPart("they are ABC", List.of("x", "abc"))).isEqualTo(1);
    assertThat(Metric.stringMatchPart("none", List.of("x", "abc"))).isEqualTo(0);
  }

  @Test
  void lengthsAndTasksAreParsed() {
    assertThat(Lengths.parse("512K, 4k,256,4096")).containsExactly(256, 4096, 524_288);
    assertThat(Lengths.format(524_288)).isEqualTo("512K");
    for (String bad : List.of("", "4G", "-1", "3", "99999999M", "4K,,8K")) {
      assertThatThrownBy(() -> Lengths.parse(bad)).isInstanceOf(InputException.class);
    }
    assertThat(EvalTask.parse("vt, niah")).hasSize(9);
    assertThat(EvalTask.parse("ruler")).hasSize(11);
    assertThat(EvalTask.parse("all")).hasSize(EvalTask.values().length);
    assertThatThrownBy(() -> EvalTask.parse("vt,qa_1"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("qa_1");
  }

  @Test
  void resultsComeBackAsTheyWere(@TempDir Path folder) throws IOException {
    List<EvalTask> tasks =
        List.of(EvalTask.NIAH_SINGLE_1, EvalTask.NIAH_MULTIKEY_3, EvalTask.PERPLEXITY);
    Results results =
        new Results(
            new Results.Source("tiny", "abc123", 11, "hydrahead eval tiny"),
            Map.of("style", "ruler"),
            run(reader, EvalOptions.ruler(), tasks, 256));
    Path file = folder.resolve("results.json");
    results.write(file, false);
    Results back = Results.read(file);
    assertThat(back.source()).isEqualTo(results.source());
    assertThat(back.settings()).isEqualTo(results.settings());
    assertThat(back.cells()).containsExactlyInAnyOrderElementsOf(results.cells());
    assertThatThrownBy(() -> results.write(file, false)).isInstanceOf(InputException.class);
    results.write(file, true);
    Files.writeString(
        file, Files.readString(file).replaceFirst("\"accuracy\": 1.0", "\"accuracy\": 7"));
    assertThatThrownBy(() -> Results.read(file))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("cells[0].accuracy");
  }
}
