package io.hydrahead.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Fields;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class TrainingTextTest {
  private final ToyCodec codec = new ToyCodec();
  @TempDir Path folder;

  private DataRecipe recipe(String json) {
    return DataRecipe.read(Fields.parse(json.replace('\'', '"'), "recipe.json", folder));
  }

  private TrainingText text(String json, int context) {
    return new TrainingText(recipe(json), codec, Split.TRAIN, context, 42);
  }

  @Test
  void aRowIsAFunctionOfItsIndex() {
    TrainingText a = text("{}", 512);
    TrainingText b = text("{}", 512);
    TrainingText.TrainingRow late = b.row(1_000_003);
    for (long i : new long[] {0, 1, 2, 1_000_003}) {
      assertThat(a.row(i).ids()).hasSize(513).isEqualTo(b.row(i).ids());
      assertThat(a.row(i).weights()).hasSize(513).isEqualTo(b.row(i).weights());
    }
    assertThat(late.ids()).isEqualTo(a.row(1_000_003).ids()).isNotEqualTo(a.row(0).ids());
    assertThat(a.fingerprint()).isEqualTo(b.fingerprint());
    assertThat(new TrainingText(recipe("{}"), codec, Split.TRAIN, 512, 43).fingerprint())
        .isNotEqualTo(a.fingerprint());
  }

  @ParameterizedTest
  @EnumSource(TaskFamily.class)
  void everyFamilyYieldsRowsWithItsWeightOnItsAnswers(TaskFamily family) {
    String json =
        "{'plain': 0, 'styles': {'ruler': 0}, 'families': {'"
            + family.id()
            + "': 1}, 'questions':"
            + " [1, 3], 'weights': {'answer': 4, 'key_value': 3, 'second_copy': 2}}";
    float high =
        switch (family) {
          case KEY_VALUE, MQAR -> 3;
          case COPY -> 2;
          default -> 4;
        };
    TrainingText rows = text(json, 512);
    for (int i = 0; i < 5; i++) {
      TrainingText.TrainingRow row = rows.row(i);
      int answers = 0;
      for (float w : row.weights()) {
        answers += w == high ? 1 : 0;
      }
      assertThat(answers).as("answer tokens of row %d", i).isBetween(1, 400);
    }
  }

  @Test
  void theWeightOfAnAnswerLiesOnTheAnswerAlone() {
    TrainingText rows = text("{'weights': {'filler': 0.25}}", 512);
    TaskText t =
        new TaskText(
            "One is: 123.\n",
            Part.FILLER,
            List.of(
                new TaskText.Ask(
                    "What is it? It is", List.of(" 123", ", 45"), List.of(), Part.ANSWER),
                new TaskText.Ask("\nkey:", List.of(" value"), List.of(), Part.KEY_VALUE)));
    WeightedTokens w = rows.encode(t);
    assertThat(codec.decode(w.ids())).isEqualTo(t.transcript() + TextCodec.END_OF_TEXT);
    StringBuilder four = new StringBuilder();
    StringBuilder three = new StringBuilder();
    for (int i = 0; i < w.size(); i++) {
      String token = codec.decode(new int[] {w.ids()[i]});
      if (w.weights()[i] == 4) {
        four.append(token);
      } else if (w.weights()[i] == 3) {
        three.append(token);
      } else {
        assertThat(w.weights()[i]).isEqualTo(0.25f);
      }
    }
    assertThat(four).hasToString(" 123, 45");
    assertThat(three).hasToString(" value");
  }

  @Test
  void noExampleIsCut() {
    TrainingText rows =
        text("{'plain': 0, 'families': {'key_value': 1}, 'text': [{'generated': true}]}", 256);
    for (int i = 0; i < 20; i++) {
      TrainingText.TrainingRow row = rows.row(i);
      int last = -1;
      for (int j = 0; j < row.weights().length; j++) {
        last = row.weights()[j] == 3 ? j : last;
      }
      String until = codec.decode(Arrays.copyOf(row.ids(), last + 2));
      assertThat(until).endsWith(TextCodec.END_OF_TEXT);
    }
  }

  @Test
  void plainRowsAreTextFromTheCorpus() throws IOException {
    String line = "the quick brown fox jumps over the lazy dog and runs away\n";
    Files.writeString(folder.resolve("a.txt"), line.repeat(400));
    TrainingText rows = text("{'plain': 1, 'text': [{'files': '*.txt'}]}", 100);
    assertThat(codec.decode(rows.row(3).ids())).contains("quick brown fox");
    assertThat(rows.row(3).weights()).containsOnly(1f);
  }

  @Test
  void rulersTemplateFitsTheSmallModelsContext() {
    TrainingText rows =
        text("{'plain': 0, 'styles': {'short': 0}, 'families': {'niah_multikey_1': 1}}", 512);
    String row = codec.decode(rows.row(0).ids());
    assertThat(row)
        .contains("hidden within the following text")
        .contains("Make sure to memorize it");
  }

  @Test
  void aCorpusWithoutTextIsRefused() throws IOException {
    Files.createDirectories(folder.resolve("empty"));
    Files.writeString(folder.resolve("empty/blank.txt"), " \n\n");
    Files.write(folder.resolve("empty/binary.txt"), new byte[] {1, 0, 2});
    for (String json :
        List.of(
            "{'text': [{'files': 'empty/*.txt'}]}",
            "{'text': [{'files': 'nowhere/**/*.java'}]}",
            "{'text': [{'files': 'missing.txt'}]}",
            "{'text': [{'jsonl': 'missing.jsonl'}]}")) {
      assertThatThrownBy(() -> recipe(json))
          .isInstanceOf(InputException.class)
          .hasMessageNotContaining("\n");
    }
  }

  @Test
  void aBrokenRecipeNamesTheField() {
    for (String[] c :
        new String[][] {
          {"{'plain': 2}", "$.plain"},
          {"{'families': {'niah': 1}}", "$.families.niah"},
          {"{'families': {'copy': 0}}", "$.families"},
          {"{'needles': [3, 1]}", "$.needles"},
          {"{'text': [{'share': 1}]}", "$.text[0].files"},
          {"{'digits': 0}", "$.digits"},
          {"{'wieghts': {}}", "$.wieghts"}
        }) {
      assertThatThrownBy(() -> recipe(c[0]))
          .isInstanceOf(InputException.class)
          .hasMessageContaining(c[1]);
    }
  }

  @Test
  void jsonLinesAndArchivesAreRead() throws IOException {
    Files.writeString(
        folder.resolve("d.jsonl"), "{\"text\": \"first\"}\n\n{\"text\": \"second\"}\n");
    assertThat(TextCorpus.jsonLines(folder.resolve("d.jsonl"), "text").documents())
        .extracting(TextCorpus.Document::text)
        .containsExactly("first", "second");
    Files.writeString(folder.resolve("bad.jsonl"), "{\"text\": \"first\"}\n{\"body\": 1}\n");
    assertThatThrownBy(() -> TextCorpus.jsonLines(folder.resolve("bad.jsonl"), "text"))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("line 2");
    Path zip = folder.resolve("src.zip");
    try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip))) {
      for (String name : List.of("z.mod/B.java", "java.base/A.java", "java.base/note.txt")) {
        out.putNextEntry(new ZipEntry(name));
        out.write(("class " + name + " {}\n").getBytes());
      }
    }
    TextCorpus corpus = JdkSources.upTo(1000).open(zip);
    assertThat(corpus.documents())
        .extracting(TextCorpus.Document::name)
        .containsExactly("java.base/A.java", "z.mod/B.java");
    assertThat(corpus.notices()).anyMatch(n -> n.matches(".*sha256 [0-9a-f]{64}"));
    assertThatThrownBy(() -> JdkSources.upTo(1).open(folder.resolve("none.zip")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("no sources");
  }

  @Test
  void blocksOfACorpusAreDividedAmongTheSplits() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 60_000; i++) {
      text.append("line ").append(i).append(" of the text\n");
    }
    TextCorpus corpus =
        TextCorpus.of("test", List.of(new TextCorpus.Document("a.txt", text.toString())));
    long all = 0;
    for (Split s : Split.values()) {
      all += corpus.chars(s);
    }
    assertThat(all).isEqualTo(text.length());
    assertThat(corpus.chars(Split.DEV)).isPositive().isLessThan(all / 10);
    assertThat(corpus.notices()).isEmpty();
  }

  @Test
  void theTokenizersTextIsTheSameMix() {
    TokenizerCorpus corpus = new TokenizerCorpus(recipe("{}"), 1, 80_000);
    StringBuilder all = new StringBuilder();
    corpus.forEach(all::append);
    assertThat(all.length()).isBetween(80_000, 100_000);
    assertThat(all)
        .contains("special magic number", "VAR ", "The phone number of", "grass is green");
    assertThat(new TokenizerCorpus(recipe("{}"), 1, 1).text(77)).isEqualTo(corpus.text(77));
  }

  @Test
  void tokenizersSeeNoListedWordsOfTheTasks() {
    String only =
        "{'plain': 0, 'families': {'vt': 1}, 'styles': {'varied': 1}, 'invented_words': 0}";
    TokenizerCorpus corpus = new TokenizerCorpus(recipe(only.replace('\'', '"')), 1, 20_000);
    StringBuilder all = new StringBuilder();
    corpus.forEach(all::append);
    long seen = Words.of(Split.TRAIN).plain().stream().filter(w -> named(all, w)).count();
    assertThat(seen).isZero();
  }

  /** Whether a word stands where an assignment names a variable. */
  private static boolean named(CharSequence text, String word) {
    return java.util.regex.Pattern.compile("(?m)^[A-Z]+ " + word + "\\b").matcher(text).find();
  }
}
