package io.hydrahead.study.run;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Style;
import io.hydrahead.plan.Conversion;
import io.hydrahead.study.ArmRecipe;
import io.hydrahead.study.Flops;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.train.PretrainRecipe;
import io.hydrahead.train.Stage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** All units of a study in the order in which they are made. */
final class Units {
  private static final String TOKENIZER = "tokenizer";

  private final Workshop shop;
  private final StudyRecipe recipe;
  private final TeacherWork teachers;
  private final ProbeWork probe;
  private final ArmWork arms;
  private final SweepWork sweep;
  private final ArmFacts facts;
  private final EvaluationWork evaluation;
  private final double forward;
  private final Map<String, Unit> units = new LinkedHashMap<>();

  Units(Workshop shop) {
    this.shop = shop;
    recipe = shop.recipe();
    teachers = new TeacherWork(shop);
    probe = new ProbeWork(shop);
    arms = new ArmWork(shop, probe);
    sweep = new SweepWork(shop, arms);
    facts = new ArmFacts(shop);
    evaluation = shop.own(new EvaluationWork(shop, facts));
    forward = forward();
  }

  /** Operations of a token in a forward pass of the Transformer. */
  private double forward() {
    ModelConfig c;
    if (recipe.pretrains()) {
      PretrainRecipe r = teachers.recipe(recipe.seeds().getFirst());
      c =
          r.tokenizer() instanceof PretrainRecipe.Trained t
              ? r.shape().withVocabulary(t.vocabulary(), List.of())
              : r.shape();
    } else {
      Conversion.refuseQwen35(recipe.teacher());
      Path config = recipe.teacher().resolve("config.json");
      c = ConfigJson.read(Checkpoint.config(recipe.teacher()), config);
    }
    HeadPlan full = HeadPlan.allFull(c.layers(), c.heads());
    return Flops.perToken(c, full, Style.VANILLA, c.maxPositionEmbeddings());
  }

  Map<String, Unit> all() {
    List<Integer> seeds = recipe.seeds();
    if (recipe.pretrains()) {
      seeds.forEach(this::teacher);
    }
    seeds.forEach(this::haystacks);
    for (int seed : seeds) {
      add(
          new Unit(
              "probe seed " + seed,
              StudyStage.PROBE,
              "",
              seed,
              teacherOf(seed),
              recipe.probe().pairs() + " pairs a sub-probe",
              Size.NONE,
              () -> probe.done(seed),
              () -> probe.run(seed)));
    }
    recipe.sweep().families().forEach(this::trials);
    for (StudyRecipe.Round round : recipe.rounds()) {
      for (int seed : round.seeds()) {
        for (String arm : round.arms()) {
          train(recipe.arm(arm), seed);
        }
      }
      for (String grid : round.grids()) {
        for (int seed : round.seeds()) {
          round.arms().forEach(arm -> evaluate(recipe.arm(arm), seed, grid));
        }
      }
    }
    recipe.speed().ifPresent(this::speed);
    return units;
  }

  private void add(Unit u) {
    units.putIfAbsent(u.name(), u);
  }

  private List<String> teacherOf(int seed) {
    return recipe.pretrains() ? List.of("teacher seed " + seed) : List.of();
  }

  private void teacher(int seed) {
    PretrainRecipe r = teachers.recipe(seed);
    boolean tokenizer = TeacherWork.trainsTokenizer(r);
    if (tokenizer) {
      add(
          new Unit(
              TOKENIZER,
              StudyStage.TOKENIZER,
              "",
              -1,
              List.of(),
              "",
              Size.NONE,
              teachers::tokenizerDone,
              teachers::tokenizer));
    }
    long tokens = tokens(r.stages());
    add(
        new Unit(
            "teacher seed " + seed,
            StudyStage.TEACHER,
            "",
            seed,
            tokenizer ? List.of(TOKENIZER) : List.of(),
            millions(tokens),
            Size.pretraining(tokens, recipe.rates().pretrain(), forward),
            () -> teachers.done(seed),
            () -> teachers.run(seed)));
  }

  private static long tokens(List<Stage> stages) {
    return stages.stream().mapToLong(s -> s.steps() * s.batching().tokens()).sum();
  }

  private static String millions(long tokens) {
    return String.format(Locale.ROOT, "%.1fM tokens", tokens / 1e6);
  }

  private void trials(String family, String arm) {
    int seed = recipe.sweep().seed();
    ArmRecipe a = recipe.arm(arm);
    for (double factor : recipe.sweep().all()) {
      long tokens = tokens(a.recipe(a.transfer(seed, factor, recipe.sweep().share())).stages());
      add(
          new Unit(
              trial(family, factor),
              StudyStage.SWEEP,
              "",
              seed,
              needs("probe seed " + seed, teacherOf(seed)),
              millions(tokens) + ", " + arm,
              Size.transfer(tokens, recipe.rates().transfer(), forward),
              () -> sweep.done(family, factor),
              () -> sweep.run(family, factor)));
    }
  }

  private static String trial(String family, double factor) {
    return "rate of " + family + " × " + factor;
  }

  private static List<String> needs(String first, List<String> more) {
    List<String> out = new ArrayList<>(List.of(first));
    out.addAll(more);
    return out;
  }

  private static String name(ArmRecipe arm, int seed) {
    return "train " + arm.name() + " seed " + seed;
  }

  /** An arm's model, where it has one of its own, and what it is. */
  private void train(ArmRecipe arm, int seed) {
    List<String> needs = new ArrayList<>(teacherOf(seed));
    String about = "as it is";
    Size size = Size.NONE;
    switch (arm.source()) {
      case ArmRecipe.Teacher t -> {}
      case ArmRecipe.Of of -> {
        train(recipe.arm(of.arm()), seed);
        needs.add(name(recipe.arm(of.arm()), seed));
        about = "the model of " + of.arm();
      }
      case ArmRecipe.Student s -> {
        needs.add("probe seed " + seed);
        if (recipe.sweep().families().containsKey(arm.family())) {
          recipe.sweep().factors().forEach(f -> needs.add(trial(arm.family(), f)));
        }
        long tokens = tokens(arm.recipe(arm.transfer()).stages());
        about = millions(tokens);
        size = Size.transfer(tokens, recipe.rates().transfer(), forward);
      }
    }
    add(
        new Unit(
            name(arm, seed),
            StudyStage.TRAIN,
            arm.name(),
            seed,
            List.copyOf(needs),
            about,
            size,
            () -> trained(arm, seed),
            () -> make(arm, seed)));
  }

  /**
   * Where the record of an arm is kept and its model is not, that will do while nobody reads it.
   */
  private boolean trained(ArmRecipe arm, int seed) {
    return facts.done(arm.name(), seed)
        && (Files.isDirectory(facts.checkpoint(arm, seed)) || !read(name(arm, seed)));
  }

  /** Whether an evaluation that is to be made needs the unit, or the model of one that needs it. */
  private boolean read(String train) {
    return units.values().stream()
        .filter(u -> u.needs().contains(train))
        .anyMatch(u -> u.stage() == StudyStage.EVAL ? !u.done().getAsBoolean() : read(u.name()));
  }

  private static String haystacksOf(int seed) {
    return "haystacks seed " + seed;
  }

  private void haystacks(int seed) {
    boolean asked =
        recipe.rounds().stream().anyMatch(r -> r.seeds().contains(seed) && !r.grids().isEmpty());
    if (asked) {
      add(
          new Unit(
              haystacksOf(seed),
              StudyStage.EVAL,
              "",
              seed,
              units.containsKey(TOKENIZER) ? List.of(TOKENIZER) : List.of(),
              "text of all grids",
              Size.NONE,
              () -> evaluation.haystacksDone(seed),
              () -> evaluation.haystacks(seed)));
    }
  }

  private void evaluate(ArmRecipe arm, int seed, String grid) {
    add(
        new Unit(
            "evaluate " + arm.name() + " seed " + seed + " on " + grid,
            StudyStage.EVAL,
            arm.name(),
            seed,
            List.of(name(arm, seed), haystacksOf(seed)),
            "",
            Size.evaluation(evaluation.tokens(grid), recipe.rates().evaluate(), forward),
            () -> evaluation.done(arm, seed, grid),
            () -> evaluation.run(arm, seed, grid)));
  }

  private void speed(StudyRecipe.Speed speed) {
    for (String arm : speed.arms()) {
      train(recipe.arm(arm), speed.seed());
    }
    add(
        new Unit(
            "speed",
            StudyStage.EVAL,
            "",
            speed.seed(),
            speed.arms().stream().map(a -> name(recipe.arm(a), speed.seed())).toList(),
            String.join(", ", speed.arms()),
            Size.NONE,
            () -> speed.arms().stream().allMatch(a -> evaluation.speedDone(a, speed.seed())),
            () -> evaluation.speed(speed),
            true));
  }

  private void make(ArmRecipe arm, int seed) {
    facts.requireOwnModel(arm, seed);
    double rate = arm.trained() ? sweep.best(arm.family()) : 1;
    if (arm.trained() && !arms.trained(arm.name(), seed)) {
      arms.train(arm, seed, rate);
    }
    facts.write(arm, seed, rate);
  }
}
