package io.hydrahead.study.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.stats.Statements.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class StatementsTest {
  private static final List<String> ARMS =
      List.of(
          "causal",
          "layer-3-1",
          "layer-5-1",
          "layer-11-1",
          "random-1",
          "random-2",
          "vanilla",
          "yarn",
          "all-full");
  private static final List<String> TASKS =
      List.of("niah_single_1", "niah_multikey_1", "mqar", "vt", "cwe");
  private static final List<Integer> LENGTHS = List.of(4096, 16384, 32768);

  private static double truth(String arm, String task, int length) {
    boolean far = length > 4096;
    if (task.equals("niah_single_1")) {
      return arm.equals("vanilla") && far ? 0 : 1;
    }
    if (task.equals("cwe")) {
      return 0.3;
    }
    return switch (arm) {
      case "causal" -> far ? 0.9 : 0.92;
      case "layer-3-1" -> task.equals("vt") ? 0.98 : 0.8;
      case "layer-5-1" -> 0.7;
      case "layer-11-1" -> 0.9;
      case "random-1", "random-2" -> 0.85;
      case "vanilla" -> far ? 0.02 : 0.95;
      case "yarn" -> far ? 0.5 : 0.95;
      default -> 0.95;
    };
  }

  private static Statements statements(SyntheticStudy.Truth truth) {
    StudyCells cells = new StudyCells(SyntheticStudy.cells(ARMS, TASKS, LENGTHS, truth));
    return new Statements(cells, SyntheticStudy.ROLES, 4096, new Bootstrap(1000, 1));
  }

  private static Statements few(
      List<String> tasks, List<Integer> lengths, SyntheticStudy.Truth truth) {
    StudyCells cells = new StudyCells(SyntheticStudy.cells(ARMS, tasks, lengths, truth));
    return new Statements(cells, SyntheticStudy.ROLES, 4096, new Bootstrap(100, 1));
  }

  @Test
  void familiesThatCannotDecideAreSaidSo() {
    Map<String, Verdict> verdicts =
        statements(StatementsTest::truth).families().stream()
            .collect(Collectors.toMap(Statements.Family::task, Statements.Family::verdict));
    assertThat(verdicts)
        .containsEntry("niah_single_1", Verdict.AT_CEILING)
        .containsEntry("cwe", Verdict.NOT_LEARNT)
        .containsEntry("mqar", Verdict.DECIDES)
        .containsEntry("vt", Verdict.DECIDES);
  }

  @Test
  void aHoldsWhereItIsTrueAndIsRefutedWhereItIsNot() {
    Map<String, Statements.Test> a =
        statements(StatementsTest::truth).tests().stream()
            .filter(t -> t.statement().equals("A"))
            .collect(Collectors.toMap(Statements.Test::name, t -> t));
    assertThat(a.keySet()).containsExactlyInAnyOrder("niah_multikey_1", "mqar", "vt");
    assertThat(a.get("mqar").answer()).isEqualTo("holds");
    assertThat(a.get("vt").answer()).isEqualTo("does not hold");
    assertThat(a.get("mqar").difference().haystacks()).isEqualTo(3 * 3 * 50);
    assertThat(a.get("mqar").difference().bySeed()).hasSize(3);
    assertThat(a.get("mqar").difference().bySeed().values()).allMatch(d -> d > 0);
    assertThat(a.values()).allMatch(t -> t.adjusted() >= t.p() && t.bound() == -0.03);
  }

  @Test
  void eachSeedHasAnIntervalOverItsOwnHaystacks() {
    for (Statements.Test t : statements(StatementsTest::truth).tests()) {
      assertThat(t.seeds().keySet()).isEqualTo(t.difference().bySeed().keySet());
      t.seeds()
          .forEach((seed, e) -> {
            assertThat(e.value()).isEqualTo(t.difference().bySeed().get(seed));
            assertThat(e.haystacks()).isEqualTo(t.difference().haystacks() / 3);
            assertThat(e.high() - e.low())
                .as("a third of the haystacks tells less")
                .isGreaterThan(1.3 * (t.difference().high() - t.difference().low()));
          });
    }
  }

  @Test
  void aDrawThatCollapsedInASeedIsNamedAndLeftOut() {
    List<CellResult> cells =
        new ArrayList<>(SyntheticStudy.cells(ARMS, TASKS, LENGTHS, StatementsTest::truth));
    cells.removeIf(c -> c.arm().equals("random-2") && c.seed() == 1);
    SyntheticStudy.cells(List.of("random-2"), TASKS, LENGTHS, (a, t, l) -> 0.3).stream()
        .filter(c -> c.seed() == 1)
        .forEach(cells::add);
    Statements s =
        new Statements(new StudyCells(cells), SyntheticStudy.ROLES, 4096, new Bootstrap(200, 1));
    assertThat(s.collapsed()).hasSize(1);
    CollapsedDraws.Draw draw = s.collapsed().getFirst();
    assertThat(draw.arm() + draw.seed()).isEqualTo("random-21");
    assertThat(draw.recall()).isCloseTo(0.3, within(0.05));
    assertThat(draw.others()).isCloseTo(0.85, within(0.05));
    Statements.Test with =
        s.tests().stream()
            .filter(t -> t.name().equals(Statements.RANDOM))
            .findFirst()
            .orElseThrow();
    Statements.Test without = s.randomWithoutCollapsed().orElseThrow();
    assertThat(without.seeds().get(0).value()).isEqualTo(with.seeds().get(0).value());
    assertThat(with.seeds().get(1).value()).isCloseTo(0.33, within(0.05));
    assertThat(without.seeds().get(1).value()).isCloseTo(0.05, within(0.03));
    assertThat(s.eachDraw().get("random-2").seeds().get(1).value()).isCloseTo(0.6, within(0.05));
    Statements none = statements(StatementsTest::truth);
    assertThat(none.collapsed()).isEmpty();
    assertThat(none.randomWithoutCollapsed()).isEmpty();
  }

  @Test
  void aFamilyInWhichOneArmAloneIsBelowTheCeilingSaysThroughWhich() {
    Map<String, Statements.Family> families =
        statements((arm, task, length) ->
                task.equals("mqar") && !arm.equals("random-2") ? 1 : truth(arm, task, length))
            .families()
            .stream()
            .collect(Collectors.toMap(Statements.Family::task, f -> f));
    assertThat(families.get("mqar").only()).contains("random-2");
    assertThat(families.get("niah_multikey_1").only()).isEmpty();
    assertThat(families.get("niah_single_1").only()).as("decides nothing").isEmpty();
  }

  @Test
  void bComparesWithTheMeanOfTheDraws() {
    Map<String, Statements.Test> b =
        statements(StatementsTest::truth).tests().stream()
            .filter(t -> t.statement().equals("B"))
            .collect(Collectors.toMap(Statements.Test::name, t -> t));
    assertThat(b).hasSize(3);
    assertThat(b.get("layer-wise 5:1").holds()).isTrue();
    assertThat(b.get("random heads, equal cache").holds()).isTrue();
    assertThat(b.get("random heads, equal cache").difference().value())
        .isCloseTo(0.057, within(0.03));
    assertThat(b.get("layer-wise 11:1").holds()).isFalse();
  }

  @Test
  void cFollowsWhatIsKept() {
    List<Statements.Kept> kept = statements(StatementsTest::truth).kept();
    Statements.Kept single = find(kept, "causal", "single-key");
    assertThat(single.answer()).isEqualTo("holds");
    assertThat(single.recall().haystacks()).isEqualTo(150);
    assertThat(find(kept, "causal", "multi-key").kept().value()).isCloseTo(0.98, within(0.03));
    assertThat(find(kept, "vanilla", "multi-key").answer()).isEqualTo("does not hold");
    assertThat(find(kept, "layer-11-1", "multi-key").recall().value())
        .as("followed besides")
        .isBetween(0.8, 0.97);
    assertThat(find(kept, "yarn", "multi-key").answer()).isEqualTo("does not hold");
  }

  @Test
  void cFollowsTheFamilyWhoseEveryLineIsANeedleAloneToo() {
    List<String> tasks = List.of("niah_single_1", "niah_multikey_1", "niah_multikey_2");
    Statements s =
        few(
            tasks,
            List.of(4096, 32768),
            (arm, task, length) -> task.equals("niah_multikey_2") && length > 4096 ? 0.5 : 1);
    assertThat(s.groups())
        .extracting(g -> g.name() + " " + g.tasks())
        .containsExactly(
            "single-key [niah_single_1]",
            "multi-key [niah_multikey_1, niah_multikey_2]",
            "multi-key, every line a needle [niah_multikey_2]");
    assertThat(find(s.kept(), "causal", "multi-key").kept().value()).isCloseTo(.75, within(.03));
    assertThat(find(s.kept(), "causal", "multi-key, every line a needle").kept().value())
        .isCloseTo(.5, within(.03));
    assertThat(few(List.of("niah_multikey_2"), LENGTHS, (arm, task, length) -> 1).groups())
        .as("where it is alone in its kind, once is enough")
        .hasSize(1);
  }

  @Test
  void cFollowsTheSameFamiliesAtEveryLengthAndAllOfThemWhereMeasured() {
    List<String> tasks = List.of("niah_single_1", "niah_multikey_1", "niah_multikey_3");
    Statements s =
        few(
            tasks,
            List.of(4096, 8192, 16384, 32768),
            (arm, task, length) ->
                length > 8192 && task.equals("niah_multikey_3") ? Double.NaN : 0.95);
    assertThat(s.groups())
        .extracting(g -> g.name() + " " + g.tasks() + " " + g.whole())
        .containsExactly(
            "single-key [niah_single_1] true",
            "multi-key [niah_multikey_1] false",
            "multi-key [niah_multikey_1, niah_multikey_3] true");
    assertThat(s.kept())
        .filteredOn(k -> k.arm().equals("causal") && k.group().name().equals("multi-key"))
        .extracting(k -> k.length() + " " + k.group().tasks().size())
        .containsExactly("8192 1", "16384 1", "32768 1", "8192 2");
  }

  @Test
  void aHandfulOfHaystacksLeavesCOpen() {
    Statements.Kept kept = find(statements(StatementsTest::truth).kept(), "causal", "single-key");
    Bootstrap.Estimate e = kept.recall();
    Bootstrap.Estimate two =
        new Bootstrap.Estimate(e.value(), e.low(), e.high(), e.bySeed(), 2, e.draws());
    assertThat(kept.answer()).isEqualTo("holds");
    assertThat(
            new Statements.Kept("causal", kept.group(), 32768, kept.near(), two, kept.kept())
                .answer())
        .isEqualTo("open");
  }

  @Test
  void aLengthOfOneSeedDoesNotLeaveTheOthersOut() {
    int longest = LENGTHS.getLast();
    List<CellResult> some =
        SyntheticStudy.cells(ARMS, TASKS, LENGTHS, StatementsTest::truth).stream()
            .filter(c -> c.seed() == 0 || c.spec().length() < longest)
            .toList();
    Statements s =
        new Statements(new StudyCells(some), SyntheticStudy.ROLES, 4096, new Bootstrap(100, 1));
    for (Statements.Test t : s.tests()) {
      assertThat(t.difference().bySeed()).hasSize(3);
      assertThat(t.places()).extracting(StudyCells.Place::length).doesNotContain(longest);
    }
  }

  private static Statements.Kept find(List<Statements.Kept> kept, String arm, String group) {
    return kept.stream()
        .filter(k -> k.arm().equals(arm) && k.group().name().equals(group) && k.length() == 32768)
        .findFirst()
        .orElseThrow();
  }

  @Test
  void whereNothingDiffersNothingIsFoundBetter() {
    int found = 0;
    for (Statements.Test t : statements((arm, task, length) -> 0.9).tests()) {
      found += t.statement().equals("B") && t.holds() ? 1 : 0;
    }
    assertThat(found).isZero();
  }

  @Test
  void whatWasNotMeasuredIsNotAnswered() {
    StudyCells some =
        new StudyCells(
            SyntheticStudy.cells(
                List.of("causal", "vanilla"), TASKS, LENGTHS, StatementsTest::truth));
    Statements s = new Statements(some, SyntheticStudy.ROLES, 4096, new Bootstrap(100, 1));
    assertThat(s.families()).allMatch(f -> f.verdict() == Verdict.MISSING);
    assertThat(s.tests()).isEmpty();
    assertThat(s.pooledA()).isEmpty();
    assertThat(s.kept()).isNotEmpty();
  }
}
