package io.hydrahead.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class TaskFamilyTest {
  private final ToyCodec codec = new ToyCodec();

  static Stream<TaskFamily> needles() {
    return Arrays.stream(TaskFamily.values()).filter(TaskFamily::isNeedle);
  }

  private static final List<TaskStyle> FIXED = List.of(TaskStyle.RULER, TaskStyle.SHORT);

  private static TaskText text(TaskFamily f, TaskStyle style, int size, long seed) {
    return f.generator(TaskOptions.of(style, Split.TEST)).build(size, new Dice(seed));
  }

  @Test
  void rulersPromptForOneNeedleWordForWord() {
    TaskText t = text(TaskFamily.NIAH_SINGLE_1, TaskStyle.RULER, 2, 7);
    String prompt = t.context() + t.asks().get(0).question();
    String value = t.asks().get(0).references().get(0);
    String key = prompt.replaceAll("(?s).*magic number for (\\S+) mentioned.*", "$1");
    String noise = Templates.NOISE;
    assertThat(prompt)
        .startsWith(
            "A special magic number is hidden within the following text. Make sure to memorize it. I"
                + " will quiz you about the number afterwards.\n")
        .endsWith(
            "\nWhat is the special magic number for "
                + key
                + " mentioned in the provided text? The"
                + " special magic number for "
                + key
                + " mentioned in the provided text is")
        .contains("One of the special magic numbers for " + key + " is: " + value + ".")
        .contains(noise);
    assertThat(key).matches("[a-z]+-[a-z]+");
    assertThat(value).matches("[1-9]\\d{6}");
  }

  @Test
  void rulersPromptForSeveralNeedlesWordForWord() {
    TaskText t = text(TaskFamily.NIAH_MULTIQUERY, TaskStyle.RULER, 3, 7);
    String prompt = t.context() + t.asks().get(0).question();
    assertThat(prompt)
        .startsWith(
            "Some special magic numbers are hidden within the following text. Make sure to memorize"
                + " it. I will quiz you about the numbers afterwards.\n")
        .matches(
            "(?s).*\nWhat are all the special magic numbers for (\\S+, \\S+, \\S+, and \\S+) mentioned"
                + " in the provided text\\? The special magic numbers for \\1 mentioned in the"
                + " provided text are");
    assertThat(t.asks().get(0).references()).hasSize(4);
  }

  @Test
  void rulersOtherPromptsWordForWord() {
    TaskText vt = text(TaskFamily.VT, TaskStyle.RULER, 3, 1);
    String q = vt.asks().get(0).question();
    String value = q.replaceAll("(?s).*assigned the value (\\d{5}) in.*", "$1");
    assertThat(q)
        .isEqualTo(
            "\nQuestion: Find all variables that are assigned the value "
                + value
                + " in the text"
                + " above. Answer: According to the chain(s) of variable assignment in the text above,"
                + " 5 variables are assigned the value "
                + value
                + ", they are: ");
    assertThat(vt.context())
        .startsWith(
            "Memorize and track the chain(s) of variable assignment hidden in the following"
                + " text.\n\n");
    assertThat(text(TaskFamily.CWE, TaskStyle.RULER, 20, 1).asks().get(0).question())
        .isEqualTo(
            "\nQuestion: What are the 10 most common words in the above list? Answer: The top 10 words"
                + " that appear most often in the list are:");
    TaskText fwe = text(TaskFamily.FWE, TaskStyle.RULER, 50, 1);
    assertThat(fwe.context())
        .startsWith(
            "Read the following coded text and track the frequency of each coded word. Find the three"
                + " most frequently appeared coded words. ");
    assertThat(fwe.asks().get(0).question())
        .isEqualTo(
            "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the"
                + " three most frequently appeared words in the above coded text? Answer: According to"
                + " the coded text above, the three most frequently appeared words are:");
  }

  @ParameterizedTest
  @MethodSource("needles")
  void everyAnswerStandsOnceInTheContextBesideItsKey(TaskFamily family) {
    for (TaskStyle style : FIXED) {
      for (int seed = 0; seed < 20; seed++) {
        TaskText t = text(family, style, seed % 5 + 1, seed);
        for (TaskText.Ask ask : t.asks()) {
          for (String r : ask.references()) {
            var m =
                Pattern.compile("for (\\S+) is: " + Pattern.quote(r) + "\\.").matcher(t.context());
            assertThat(m.find()).isTrue();
            assertThat(ask.question()).contains(m.group(1));
            assertThat(m.find()).isFalse();
          }
          assertThat(ask.continuation()).contains(ask.references());
        }
      }
    }
  }

  @Test
  void chainsLeadBackToTheValue() {
    for (TaskStyle style : FIXED) {
      TaskText t = text(TaskFamily.VT, style, 5, 3);
      List<String> vars = t.asks().get(0).references();
      String value = t.asks().get(0).question().replaceAll("(?s).*?value (\\d+).*", "$1");
      assertThat(t.context()).contains("VAR " + vars.get(0) + " = " + value);
      for (int i = 1; i < vars.size(); i++) {
        assertThat(t.context()).contains("VAR " + vars.get(i) + " = VAR " + vars.get(i - 1));
      }
    }
  }

  @Test
  void commonWordsAreTheMostFrequentOnes() {
    for (int size : new int[] {34, 40, 53, 100, 999}) {
      TaskText t = text(TaskFamily.FWE, TaskStyle.SHORT, size, size);
      List<String> top = t.asks().get(0).references();
      List<Long> counts = top.stream().map(w -> count(t.context(), w)).toList();
      assertThat(counts.get(0)).isGreaterThan(counts.get(1));
      assertThat(counts.get(1)).isGreaterThan(counts.get(2));
      Set<String> others = new HashSet<>(List.of(t.context().split(" ")));
      others.removeAll(top);
      others.remove("...");
      for (String o : others) {
        assertThat(count(t.context(), o)).isLessThan(counts.get(2));
      }
    }
    TaskText cwe = text(TaskFamily.CWE, TaskStyle.SHORT, 9, 5);
    for (String w : cwe.asks().get(0).references()) {
      assertThat(count(cwe.context(), w)).isEqualTo(6);
    }
  }

  private static long count(String text, String word) {
    return Arrays.stream(text.split(" ")).filter(word::equals).count();
  }

  @Test
  void listsAnswerEveryKeyWithItsOwnValue() {
    TaskText t = text(TaskFamily.KEY_VALUE, TaskStyle.SHORT, 30, 3);
    assertThat(t.asks()).hasSize(30);
    for (TaskText.Ask a : t.asks()) {
      assertThat("\n" + t.context() + "\n")
          .contains("\n" + a.question().strip() + a.continuation() + "\n");
    }
    TaskText p = text(TaskFamily.PHONEBOOK, TaskStyle.SHORT, 12, 3);
    String name =
        p.asks().get(0).question().replace("\nThe phone number of ", "").replace(" is", "");
    assertThat("\n" + p.context() + "\n")
        .contains("\n" + name + ": " + p.asks().get(0).references().get(0) + "\n");
  }

  @ParameterizedTest
  @EnumSource(TaskFamily.class)
  void aFittedTextStaysWithinTheBudgetAndComesClose(TaskFamily family) {
    for (int budget : new int[] {900, 2048, 5000}) {
      for (TaskStyle style : TaskStyle.values()) {
        TaskGenerator g = family.generator(TaskOptions.of(style, Split.TEST));
        var fit =
            Fit.largest(
                g,
                new Dice(budget),
                budget,
                1,
                t -> codec.encode(t.transcript()),
                ids -> ids.length);
        if (fit instanceof Fit.DoesNotFit<int[]>(int smallest)) {
          assertThat(smallest).isGreaterThan(budget);
        } else if (fit instanceof Fit.Found<int[]> found) {
          assertThat(found.value().length).isEqualTo(found.tokens()).isLessThanOrEqualTo(budget);
          assertThat(found.tokens()).isGreaterThan(budget - 160);
        }
      }
    }
  }

  @Test
  void aBudgetTooSmallSaysWhatWouldDo() {
    TaskGenerator g = TaskFamily.CWE.generator(TaskOptions.of(TaskStyle.RULER, Split.TEST));
    var fit =
        Fit.largest(g, new Dice(1), 64, 1, t -> codec.encode(t.transcript()), ids -> ids.length);
    assertThat(fit).isInstanceOf(Fit.DoesNotFit.class);
    int smallest = ((Fit.DoesNotFit<int[]>) fit).smallest();
    assertThat(
            Fit.largest(
                g, new Dice(1), smallest, 1, t -> codec.encode(t.transcript()), ids -> ids.length))
        .isInstanceOf(Fit.Found.class);
  }

  @Test
  void theSplitsShareNoWord() {
    Set<String> seen = new HashSet<>();
    for (Split split : Split.values()) {
      Words words = Words.of(split);
      Set<String> own = new HashSet<>(words.plain());
      own.addAll(words.single(500, 0.5, new Dice(1)));
      own.addAll(words.letters(500, 3, 'A', new Dice(1)));
      words.compound(500, new Dice(1)).forEach(w -> own.addAll(List.of(w.split("-"))));
      own.addAll(words.numbers(500, 5, new Dice(1)));
      own.addAll(words.numbers(500, 18, new Dice(1)));
      own.addAll(words.codes(500, new Dice(1)));
      own.addAll(words.uuids(500, new Dice(1)));
      assertThat(own).allMatch(w -> Split.ofWord(w) == split).noneMatch(seen::contains);
      seen.addAll(own);
    }
    assertThat(Words.of(Split.TEST).plain()).hasSizeGreaterThan(200);
  }

  @Test
  void asMuchAsNeededNeverEnds() {
    assertThat(Words.of(Split.TEST).compound(30_000, new Dice(1))).doesNotHaveDuplicates();
    for (Split split : Split.values()) {
      Words words = Words.of(split);
      assertThatThrownBy(() -> words.numbers(100, 1, new Dice(1)))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("digits");
      assertThat(words.numbers(9, 1, new Dice(1))).hasSize(9);
      int most = words.differentNumbers(5);
      assertThat(words.numbers(most, 5, new Dice(1))).doesNotHaveDuplicates().hasSize(most);
    }
  }
}
