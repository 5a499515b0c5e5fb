package io.hydrahead.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class WordingsTest {
  private static TaskText text(TaskFamily f, Split split, int asks, int size, long seed) {
    TaskOptions o =
        TaskOptions.of(TaskStyle.VARIED, split).withAsks(asks).withLongContext(size > 100);
    return f.generator(o).build(size, new Dice(seed));
  }

  private static List<String> wordings(Split split, int i) {
    Dice dice = new Dice(i);
    List<String> out = new ArrayList<>();
    for (boolean codes : new boolean[] {false, true}) {
      for (boolean one : new boolean[] {false, true}) {
        Wordings.Needle n = Wordings.needle(split, codes, one, dice);
        out.add(n.sentence());
        out.add(n.question());
      }
    }
    out.add(Wordings.assignment(split, dice));
    out.add(Wordings.variables(split, dice));
    out.add(Wordings.commonWords(split, dice));
    out.add(Wordings.frequentWords(split, dice));
    out.add(Wordings.phonebook(split, dice));
    return out;
  }

  @Test
  void theSplitsShareNoWordingButEveryWord() {
    Map<Split, Set<String>> wordings = new EnumMap<>(Split.class);
    Set<String> trained = new HashSet<>();
    for (Split split : Split.values()) {
      Set<String> own = wordings.computeIfAbsent(split, s -> new HashSet<>());
      for (int i = 0; i < (split == Split.TRAIN ? 3000 : 100); i++) {
        own.addAll(wordings(split, i));
      }
    }
    wordings.get(Split.TRAIN).forEach(w -> trained.addAll(List.of(w.split("[^a-zA-Z']+"))));
    for (Split a : Split.values()) {
      assertThat(wordings.get(a)).hasSizeGreaterThan(100);
      for (String w : wordings.get(a)) {
        assertThat(trained).contains(w.split("[^a-zA-Z']+"));
      }
      for (Split b : Split.values()) {
        if (a != b) {
          assertThat(wordings.get(a)).doesNotContainAnyElementsOf(wordings.get(b));
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = TaskFamily.class,
      names = {
        "NIAH_MULTIKEY_1",
        "NIAH_MULTIKEY_2",
        "NIAH_MULTIKEY_3",
        "NIAH_MULTIVALUE",
        "NIAH_MULTIQUERY",
        "VT",
        "MQAR",
        "PHONEBOOK"
      })
  void eightQuestionsOfOneHaystackWithAnswersInIt(TaskFamily family) {
    for (Split split : Split.values()) {
      TaskText t = text(family, split, 8, 200, 3);
      assertThat(t.asks()).hasSize(8);
      assertThat(t.asks().stream().map(TaskText.Ask::question)).doesNotHaveDuplicates();
      for (TaskText.Ask ask : t.asks()) {
        assertThat(t.context()).contains(ask.references());
        assertThat(ask.answers()).hasSameSizeAs(ask.references());
        assertThat(ask.question() + t.context()).doesNotContain("{");
      }
    }
  }

  @Test
  void eachValueIsSaidBesideTheKeyThatIsAskedFor() {
    for (int seed = 0; seed < 50; seed++) {
      TaskText t = text(TaskFamily.NIAH_MULTIVALUE, Split.TEST, 4, 20, seed);
      Set<String> shared = words(t.asks().getFirst().question());
      t.asks().forEach(ask -> shared.retainAll(words(ask.question())));
      for (TaskText.Ask ask : t.asks()) {
        Set<String> key = words(ask.question());
        key.removeAll(shared);
        assertThat(key).as("what tells this question from the others").hasSize(1);
        assertThat(ask.references()).hasSize(4);
        int from = -1;
        for (String value : ask.references()) {
          int at = t.context().indexOf(value);
          assertThat(at).as("answers stand in the order of the context").isGreaterThan(from);
          from = at;
          String said = t.context().substring(0, at);
          assertThat(words(said.substring(said.lastIndexOf(". ") + 1))).containsAll(key);
        }
      }
    }
  }

  private static Set<String> words(String text) {
    return new HashSet<>(List.of(text.split("\\W+")));
  }

  @Test
  void everyChainOfVariablesIsToldInOrder() {
    TaskText t = text(TaskFamily.VT, Split.TEST, 8, 60, 9);
    for (TaskText.Ask ask : t.asks()) {
      String value = ask.question().replaceAll("(?s)\\D", "");
      int at = t.context().indexOf(value);
      assertThat(value).hasSize(5);
      assertThat(at).isGreaterThan(t.context().indexOf(ask.references().getFirst()));
      List<Integer> order = ask.references().stream().map(t.context()::indexOf).toList();
      assertThat(order).isSorted();
    }
    assertThat(t.asks().stream().flatMap(a -> a.references().stream())).doesNotHaveDuplicates();
  }

  @Test
  void oneQuestionAboutVariablesHasOtherChainsAroundIt() {
    TaskText t = text(TaskFamily.VT, Split.TRAIN, 1, 30, 4);
    assertThat(t.asks()).hasSize(1);
    assertThat(t.context().lines().filter(l -> l.matches(".*\\d{5}.*"))).hasSize(3);
    assertThat(t.context()).contains(t.asks().getFirst().references());
  }

  @Test
  void theListOfCommonWordsIsMostlyOtherWords() {
    TaskOptions o = TaskOptions.of(TaskStyle.VARIED, Split.TRAIN).withLongContext(true);
    TaskGenerator g = TaskFamily.CWE.generator(o);
    TaskText t = g.build(g.smallest(), new Dice(2));
    Set<String> common = Set.copyOf(t.asks().getFirst().references());
    Set<String> all = words(t.context().replaceAll("\\d+\\. ", ""));
    all.removeAll(common);
    assertThat(common).hasSize(10);
    assertThat(all).hasSizeGreaterThanOrEqualTo(50);
  }

  @Test
  void recipesThatDoNotAskForItDoNotGetIt() {
    assertThat(
            DataRecipe.defaults()
                .drawOptions(TaskFamily.VT, Split.TRAIN, 512, 512, new Dice(1))
                .varied())
        .isFalse();
    for (int i = 0; i < 300; i++) {
      Dice dice = new Dice(i);
      assertThat(
              DataRecipe.defaults()
                  .drawOptions(TaskFamily.NIAH_MULTIKEY_1, Split.TRAIN, 512, 512, dice)
                  .varied())
          .isFalse();
    }
  }
}
