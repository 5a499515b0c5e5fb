package io.hydrahead.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.plan.PlanChoices.Align;
import io.hydrahead.plan.PlanChoices.Axis;
import io.hydrahead.plan.PlanChoices.Floor;
import io.hydrahead.plan.PlanChoices.Quota;
import io.hydrahead.plan.PlanChoices.Rule;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class PlanRulesTest {
  private static final HeadShape SHAPE = new HeadShape(12, 16, 8);
  private static final PlanChoices HEADS = PlanChoices.DEFAULT;

  private static HeadScores randomScores(HeadShape s, long seed) {
    Random random = new Random(seed);
    double[][] m = new double[s.layers()][s.heads()];
    for (double[] row : m) {
      for (int h = 0; h < row.length; h++) {
        row[h] = random.nextDouble() < 0.7 ? 0 : random.nextDouble();
      }
    }
    return HeadScores.of(m, Map.of(HeadScores.ATTENTION, m), Map.of());
  }

  private static HeadPlan plan(HeadScores scores, String ratio, PlanChoices choices) {
    return PlanRules.select(new PlanRequest(SHAPE, Ratio.parse(ratio), choices, scores, 5));
  }

  private static HeadScores scores(
      Map<List<Integer>, Double> cells, Map<List<Integer>, Double> raw) {
    double[][] m = new double[12][16];
    cells.forEach((cell, v) -> m[cell.get(0)][cell.get(1)] = v);
    double[][] r = new double[12][16];
    raw.forEach((cell, v) -> r[cell.get(0)][cell.get(1)] = v);
    return HeadScores.of(m, Map.of(HeadScores.EFFECT, r), Map.of());
  }

  @Test
  void theExampleOfTheMethodGives192And48And24() {
    HeadScores scores = randomScores(SHAPE, 1);
    assertThat(plan(scores, "full", HEADS).fullCount()).isEqualTo(192);
    assertThat(plan(scores, "3:1", PlanChoices.LAYER_WISE).fullCount()).isEqualTo(48);
    assertThat(plan(scores, "7:1", HEADS).fullCount()).isEqualTo(24);
    assertThat(plan(scores, "all-linear", HEADS).fullCount()).isZero();
    assertThat(plan(scores, "0", HEADS).fullCount()).isZero();
  }

  @Test
  void layerWisePlansTakeWholeRowsAtTheirPlaces() {
    HeadPlan p = plan(HeadScores.none(SHAPE), "3:1", PlanChoices.LAYER_WISE);
    for (int l = 0; l < 12; l++) {
      assertThat(p.fullHeads(l)).hasSize(l % 4 == 3 ? 16 : 0);
    }
    HeadPlan seven = plan(HeadScores.none(SHAPE), "7:1", PlanChoices.LAYER_WISE);
    assertThat(seven.fullHeads(5)).hasSize(16);
    assertThat(seven.fullHeads(11)).hasSize(16);
    assertThat(seven.fullCount()).as("n is rounded up").isEqualTo(32);
    assertThat(Ratio.real(seven.headShare())).isEqualTo("5:1");
  }

  @Test
  void rowsCanBeChosenByScore() {
    HeadScores s =
        scores(Map.of(List.of(2, 7), 1.0, List.of(9, 0), 0.4, List.of(9, 1), 0.4), Map.of());
    HeadPlan p = plan(s, "5:1", HEADS.with(Axis.LAYER).with(Rule.CAUSAL));
    assertThat(p.fullHeads(2)).hasSize(16);
    assertThat(p.fullHeads(9)).hasSize(16);
    assertThat(p.fullCount()).isEqualTo(32);
  }

  @ParameterizedTest
  @CsvSource({
    "28, 16, 8, 7:1, 56",
    "28, 16, 8, 3:1, 112",
    "5, 3, 1, 7:1, 2",
    "1, 8, 2, 1:1, 4",
    "12, 16, 8, 2.5:1, 55",
    "3, 4, 2, 7:1, 2",
    "64, 64, 8, 31:1, 128"
  })
  void theBudgetIsRoundedAndSpentExactly(int layers, int heads, int kv, String ratio, int k) {
    HeadShape s = new HeadShape(layers, heads, kv);
    for (Align align : Align.values()) {
      for (Quota quota : Quota.values()) {
        PlanChoices c = HEADS.with(align).with(Floor.NONE).with(quota);
        HeadPlan p =
            PlanRules.select(new PlanRequest(s, Ratio.parse(ratio), c, randomScores(s, 3), 0));
        assertThat(p.fullCount()).as("%s %s", align, quota).isEqualTo(k);
      }
    }
  }

  static List<PlanChoices> allHeadChoices() {
    List<PlanChoices> out = new ArrayList<>();
    for (Rule rule : Rule.values()) {
      for (Align align : Align.values()) {
        for (Floor floor : Floor.values()) {
          for (Quota quota : Quota.values()) {
            out.add(new PlanChoices(Axis.HEAD, rule, align, floor, quota));
          }
        }
      }
    }
    return out;
  }

  @ParameterizedTest
  @MethodSource("allHeadChoices")
  void everyCombinationKeepsItsPromises(PlanChoices c) {
    for (long seed = 0; seed < 4; seed++) {
      HeadScores scores = randomScores(SHAPE, seed);
      PlanRequest request = new PlanRequest(SHAPE, Ratio.parse("5:1"), c, scores, seed);
      HeadPlan p = PlanRules.select(request);
      assertThat(p.fullCount()).isEqualTo(32);
      assertThat(PlanRules.select(request)).as("the same again").isEqualTo(p);
      for (int l = 0; l < 12; l++) {
        int full = p.fullHeads(l).length;
        if (c.floor() != Floor.NONE) {
          assertThat(full).as("floor of layer %s", l).isPositive();
        }
        if (c.floor() == Floor.GROUP) {
          assertThat(wholeGroups(p, l)).as("whole groups of layer %s", l).isPositive();
        }
        if (c.quota() == Quota.LAYER || c.rule() == Rule.FIXED) {
          assertThat(full).isBetween(2, 3);
        }
      }
      if (c.align() == Align.GROUP
          && c.floor() != Floor.HEAD
          && c.quota() == Quota.GLOBAL
          && c.rule() != Rule.FIXED) {
        assertThat(p.cacheShare(8)).as("whole groups only").isEqualTo(p.headShare());
      }
    }
  }

  private static int wholeGroups(HeadPlan p, int l) {
    int n = 0;
    for (int g = 0; g < 8; g++) {
      n += p.isFull(l, 2 * g) && p.isFull(l, 2 * g + 1) ? 1 : 0;
    }
    return n;
  }

  @Test
  void theHeadFloorLeavesPartnersToTheScores() {
    // Every layer's head 0 is best. Partner 1 of layer 3 matters, other partners do not; layer 6
    // has a
    // whole group (4, 5) worth more than any idle partner.
    Map<List<Integer>, Double> cells = new java.util.HashMap<>();
    for (int l = 0; l < 12; l++) {
      cells.put(List.of(l, 0), 1.0);
    }
    cells.put(List.of(3, 1), 0.9);
    cells.put(List.of(6, 4), 0.8);
    cells.put(List.of(6, 5), 0.2);
    HeadPlan p = plan(scores(cells, Map.of()), "12:1", HEADS); // 15 heads
    assertThat(p.fullCount()).isEqualTo(15);
    assertThat(p.fullHeads(3)).containsExactly(0, 1);
    assertThat(p.fullHeads(6)).containsExactly(0, 4, 5);
    assertThat(p.fullHeads(0)).as("its partner is not automatic").containsExactly(0);
    assertThat(p.cacheShare(8)).isEqualTo(13 / 96.0);
  }

  @Test
  void tiesGoByEffectThenToKeptGroupsThenByIndex() {
    PlanChoices c = HEADS.with(Align.QUERY).with(Floor.NONE);
    HeadScores byEffect = scores(Map.of(List.of(4, 4), 1.0), Map.of(List.of(7, 9), 0.004));
    HeadPlan p = plan(byEffect, "63:1", c); // 3 heads
    assertThat(p.fullHeads(4)).as("then the partner in a kept group").containsExactly(4, 5);
    assertThat(p.fullHeads(7)).as("then effect before the threshold").containsExactly(9);
    HeadPlan more = plan(byEffect, "31:1", c); // 6 heads: effect, kept groups, then index
    assertThat(more.fullHeads(7)).containsExactly(8, 9);
    assertThat(more.fullHeads(0)).containsExactly(0, 1);
  }

  @Test
  void fillingUpWithHalfAGroupPrefersPartners() {
    HeadShape s = new HeadShape(2, 8, 2);
    double[][] m = {{1, 0, 0, 0, .9, .9, .9, .9}, {1, 0, 0, 0, .8, .8, .8, .8}};
    HeadPlan p =
        PlanRules.select(PlanRequest.of(s, Ratio.parse("1:1"), HeadScores.of(m))); // 8 heads
    // Floor 2 heads, one group of four, and then two left: too few for the other group.
    assertThat(p.fullHeads(0)).containsExactly(0, 1, 2, 4, 5, 6, 7);
    assertThat(p.fullHeads(1)).containsExactly(0);
  }

  @Test
  void randomSevenToOneKeepsTheCacheThatChanceGivesIt() {
    double sum = 0;
    PlanChoices c = HEADS.with(Rule.RANDOM).with(Align.QUERY).with(Floor.NONE);
    for (long seed = 0; seed < 200; seed++) {
      sum += PlanRules.select(PlanRequest.of(SHAPE, Ratio.parse("7:1"), c, seed)).cacheShare(8);
    }
    assertThat(sum / 200).as("1 − (168·167)/(192·191)").isBetween(0.230, 0.240);
  }

  @Test
  void randomPlansDifferBySeed() {
    PlanChoices c = HEADS.with(Rule.RANDOM);
    assertThat(PlanRules.select(PlanRequest.of(SHAPE, Ratio.parse("7:1"), c, 1)))
        .isNotEqualTo(PlanRules.select(PlanRequest.of(SHAPE, Ratio.parse("7:1"), c, 2)));
  }

  @Test
  void fixedPlansTakeTheSameHeadsInEveryLayer() {
    HeadPlan p =
        PlanRules.select(PlanRequest.of(SHAPE, Ratio.parse("3:1"), HEADS.with(Rule.FIXED), 0));
    for (int l = 0; l < 12; l++) {
      assertThat(p.fullHeads(l)).containsExactly(0, 1, 8, 9);
    }
    HeadPlan single =
        PlanRules.select(
            PlanRequest.of(SHAPE, Ratio.parse("3:1"), HEADS.with(Rule.FIXED).with(Align.QUERY), 0));
    assertThat(single.fullHeads(4)).containsExactly(0, 4, 8, 12);
  }

  @Test
  void aRatioThatTheFloorCannotMeetIsRefused() {
    HeadScores s = randomScores(SHAPE, 1);
    assertThatThrownBy(() -> plan(s, "31:1", HEADS))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("31:1", "--floor head", "6 of 192", "12", "15:1", "--floor none");
    assertThatThrownBy(() -> plan(s, "9:1", HEADS.with(Floor.GROUP)))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("9:1", "--floor group", "24", "7:1", "--floor head");
    assertThat(plan(s, "15:1", HEADS).fullCount()).isEqualTo(12);
    assertThat(plan(s, "7:1", HEADS.with(Floor.GROUP)).fullCount()).isEqualTo(24);
    assertThatThrownBy(() -> plan(s, "9999:1", HEADS.with(Floor.NONE)))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("9999:1", "all-linear");
  }

  @Test
  void rulesSayWhichScoresTheyMiss() {
    assertThatThrownBy(() -> plan(HeadScores.none(SHAPE), "7:1", HEADS))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("--rule causal", "--heads");
    HeadScores bare = HeadScores.of(new double[12][16]);
    assertThatThrownBy(() -> plan(bare, "7:1", HEADS.with(Rule.ATTENTION)))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("attention_score");
    assertThatThrownBy(() -> plan(HeadScores.of(new double[4][4]), "7:1", HEADS))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("4 layers", "12");
  }

  @ParameterizedTest
  @CsvSource({"7", "7:2", "0:1", "-3:1", "x", "''", "7 : 1", "1e3:1"})
  void badRatiosAreNamed(String text) {
    assertThatThrownBy(() -> Ratio.parse(text))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("'" + text + "'", "7:1");
  }
}
