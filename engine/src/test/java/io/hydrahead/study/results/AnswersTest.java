package io.hydrahead.study.results;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Statements;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class AnswersTest {
  private static Estimate estimate(double value, double half) {
    return new Estimate(value, value - half, value + half, Map.of(), 1, new double[0]);
  }

  /** A test of B whose seeds have these differences, known to one point. */
  private static Statements.Test test(String name, double... seeds) {
    Map<Integer, Estimate> by = new TreeMap<>();
    double sum = 0;
    for (int s = 0; s < seeds.length; s++) {
      by.put(s, estimate(seeds[s], 0.01));
      sum += seeds[s];
    }
    Estimate mean = estimate(sum / seeds.length, 0.005);
    double p = mean.low() > 0 ? 0.001 : 0.9;
    return new Statements.Test("B", name, mean, by, 0, p, p, List.of());
  }

  @Test
  void theSentenceTellsInWhichSeedsTheMeanIsSeen() {
    assertThat(Answers.sentence(List.of(test("x", .03, .02), test("y", .05, .06))))
        .isEqualTo(
            "In the mean over seeds it is better than all of these, and so it is in every seed.");
    assertThat(Answers.sentence(List.of(test("x", .03, .02), test("y", .001, .08, .002))))
        .isEqualTo(
            "In the mean over seeds it is better than all of these; told apart from y in seed 1 only.");
    assertThat(Answers.sentence(List.of(test("x", .09, -.02), test("y", .001, .002))))
        .isEqualTo(
            "In the mean over seeds it is better than x, not told apart from y; worse than x in seed 1, better in seed 0; told apart from y in no single seed.");
    assertThat(Answers.sentence(List.of(test("x", -.03, -.02), test("y", .05, .06))))
        .isEqualTo(
            "In the mean over seeds it is better than y, worse than x; worse than x in seeds 0, 1.");
  }

  @Test
  void withSeedsAsTheUnitTheIntervalIsSaidAndWhetherItHoldsZero() {
    assertThat(Answers.acrossSeeds(List.of(test("x", -.01, .08, .05)), List.of()))
        .isEqualTo(
            " Taking seeds as the unit, n = 3, the interval is -7.4 to +15.4, which includes 0.");
    assertThat(
            Answers.acrossSeeds(
                List.of(test("x", .03, .05, .04), test("y", .01, .09, .02)), List.of()))
        .isEqualTo(
            " Taking seeds as the unit, n = 3, the intervals are: x +1.5 to +6.5, excludes 0; y -6.8 to +14.8, includes 0.");
    assertThat(
            Answers.acrossSeeds(
                List.of(test("x", .03, .05, .04)),
                List.of(test("y", .01, .09, .02), test("z", .03, .05, .04))))
        .endsWith("excludes 0; family by family the interval lies above -3 in 1 of 2.");
    assertThat(Answers.acrossSeeds(List.of(test("x", .03)), List.of())).isEmpty();
  }

  @Test
  void theFewestFamiliesThatMakeHalfOfALead() {
    Map<String, Double> parts = new LinkedHashMap<>();
    parts.put("a", 0.1);
    parts.put("b", 0.5);
    parts.put("c", -0.2);
    parts.put("d", 0.4);
    assertThat(LeadSection.half(parts)).containsExactly("b");
    parts.put("c", 0.3);
    assertThat(LeadSection.half(parts)).containsExactly("b", "d");
  }
}
