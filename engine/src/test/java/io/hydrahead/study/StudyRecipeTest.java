package io.hydrahead.study;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.Repository;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.model.Style;
import io.hydrahead.plan.HeadScores;
import io.hydrahead.plan.HeadShape;
import io.hydrahead.plan.PlanRequest;
import io.hydrahead.plan.PlanRules;
import io.hydrahead.study.stats.Roles;
import io.hydrahead.transfer.TransferRecipe;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The study that is in the repository. */
class StudyRecipeTest {
  private static Path recipes() {
    return Repository.root().resolve("recipes");
  }

  @Test
  void theStudysArmsSeeTheSameTokens() {
    StudyRecipe study = StudyRecipe.read(recipes().resolve("study.json"));
    assertThat(study.seeds()).hasSizeGreaterThanOrEqualTo(3);
    assertThat(study.pretrains()).isTrue();
    for (ArmRecipe arm : study.arms().values()) {
      if (arm.trained() && arm.group() != ArmRecipe.Group.FINAL) {
        TransferRecipe r = arm.recipe(arm.transfer(0, 1, 1));
        assertThat(r.stages().stream().mapToLong(s -> s.tokens()).sum())
            .as(arm.name())
            .isEqualTo(16_000_000);
        assertThat(r.settings().seed()).isEqualTo(101);
      }
    }
    assertThat(study.arms().keySet())
        .contains("vanilla", "vanilla-yarn", "vanilla-long", "all-full", "all-linear")
        .contains("layer-3-1", "layer-5-1", "layer-11-1", "head-7-1", "random-3", "head-15-1")
        .contains("no-norm", "no-gamma", "no-gate", "full-rotary", "log-scale", "conv", "beta-2");
  }

  @Test
  void whatPartsPositionsFromTheRestOfAConversion() {
    StudyRecipe study = StudyRecipe.read(recipes().resolve("study.json"));
    ArmRecipe rotary = study.arm("all-full-rotary");
    Style style = rotary.recipe(rotary.transfer()).conversion().style();
    assertThat(style.fullRotary()).isTrue();
    assertThat(style.isVanilla()).isFalse();
    assertThat(style.gate()).isEqualTo(Style.HYDRAHEAD.gate());
    ArmRecipe mirrored = study.arm("full-168");
    ArmRecipe.Rules rules = (ArmRecipe.Rules) ((ArmRecipe.Student) mirrored.source()).selection();
    double[][] scores = new double[12][16];
    for (int l = 0; l < 12; l++) {
      for (int h = 0; h < 16; h++) {
        scores[l][h] = (7 * h + l) % 16;
      }
    }
    HeadPlan plan =
        PlanRules.select(
            new PlanRequest(
                new HeadShape(12, 16, 8),
                rules.ratio(),
                rules.choices(),
                HeadScores.of(scores),
                0));
    for (int l = 0; l < 12; l++) {
      assertThat(plan.fullHeads(l)).hasSize(14);
      for (int h : plan.fullHeads(l)) {
        assertThat(scores[l][h]).isGreaterThanOrEqualTo(2);
      }
    }
  }

  @Test
  void everyModelIsMeasuredOnceOnEachGrid() {
    StudyRecipe study = StudyRecipe.read(recipes().resolve("study.json"));
    List<String> measured = new ArrayList<>();
    for (StudyRecipe.Round round : study.rounds()) {
      for (int seed : round.seeds()) {
        for (String arm : round.arms()) {
          round.grids().stream().map(g -> arm + " " + seed + " " + g).forEach(measured::add);
        }
      }
    }
    assertThat(measured).doesNotHaveDuplicates();
    Roles roles = Roles.read(study.roles());
    for (int seed : study.seeds()) {
      for (String arm : roles.compared()) {
        assertThat(measured).contains(arm + " " + seed + " short");
      }
      assertThat(measured).contains(roles.yarn() + " " + seed + " native");
      assertThat(measured).contains(roles.allFull() + " " + seed + " native");
    }
    assertThat(study.arms().keySet()).containsAll(roles.core()).containsAll(roles.followed());
  }

  @Test
  void aRunsRecipeHasItsSeedRateAndShare() {
    ArmRecipe arm = StudyRecipe.read(recipes().resolve("study.json")).arm("head-7-1");
    TransferRecipe a = arm.recipe(arm.transfer(0, 1, 1));
    TransferRecipe b = arm.recipe(arm.transfer(2, 3, 0.5));
    assertThat(b.settings().seed()).isEqualTo(a.settings().seed() + 2);
    assertThat(b.conversion().options().seed()).isEqualTo(a.conversion().options().seed() + 2);
    for (int i = 0; i < a.stages().size(); i++) {
      assertThat(b.stages().get(i).tokens()).isEqualTo(a.stages().get(i).tokens() / 2);
      assertThat(b.stages().get(i).schedule().peak())
          .isEqualTo(3 * a.stages().get(i).schedule().peak());
      assertThat(b.stages().get(i).schedule().last())
          .isEqualTo(3 * a.stages().get(i).schedule().last());
    }
  }

  @Test
  void aLogarithmicLengthScaleHasABase() {
    Path arms = recipes().resolve("study");
    assertThat(ArmRecipe.read(arms.resolve("final-7-1-log-150.json")).source())
        .isEqualTo(new ArmRecipe.Of("final-7-1", Style.LengthScale.LOG, 150));
    assertThat(ArmRecipe.read(arms.resolve("final-7-1-log.json")).source())
        .isEqualTo(new ArmRecipe.Of("final-7-1", Style.LengthScale.LOG, 500));
  }

  @Test
  void theTinyHybridsRecipeIsComplete() {
    StudyRecipe study = StudyRecipe.read(recipes().resolve("tiny-hybrid.json"));
    assertThat(study.pretrains()).isFalse();
    assertThat(study.arm("tiny-hybrid").trained()).isTrue();
  }

  @Test
  void operationsOfAPassByHand() {
    ModelConfig c =
        new ModelConfig(
            10, 8, 12, 1, 2, 1, 4, 64, 1e-6f, RotaryConfig.plain(1e4), true, -1, List.of());
    HeadPlan plan = HeadPlan.allFull(1, 2);
    // q 8×8, k and v 4×8, o 8×8, gate, up and down 12×8, LM head 10×8
    double matrices = 64 + 2 * 32 + 64 + 3 * 96 + 80;
    assertThat(Flops.perToken(c, plan, Style.VANILLA, 9)).isEqualTo(2 * matrices + 2 * 4 * 4 * 5);
    HeadPlan linear = HeadPlan.of(new boolean[1][2]);
    // q, k, v, gate and o 8×8, a and b 2×8
    double more = 5 * 64 + 2 * 16 + 3 * 96 + 80;
    assertThat(Flops.perToken(c, linear, Style.HYDRAHEAD, 9)).isEqualTo(2 * more + 2 * 7 * 16);
    // no a and b; 1, 2, 3, 3, 3, 3 positions seen
    assertThat(Flops.perToken(c, linear, Style.HYDRAHEAD.withWindow(2, 1), 6))
        .isEqualTo(2 * (more - 2 * 16) + 2 * 4 * 4 * 15 / 6.0);
  }
}
