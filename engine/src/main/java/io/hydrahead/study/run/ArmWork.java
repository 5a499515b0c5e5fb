package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.ops.Environment;
import io.hydrahead.plan.Conversion;
import io.hydrahead.plan.HeadShape;
import io.hydrahead.plan.PlanChoices;
import io.hydrahead.plan.PlanFile;
import io.hydrahead.plan.PlanRequest;
import io.hydrahead.plan.PlanRules;
import io.hydrahead.plan.Provenance;
import io.hydrahead.plan.Ratio;
import io.hydrahead.study.ArmRecipe;
import io.hydrahead.study.EqualCache;
import io.hydrahead.train.DataCorpus;
import io.hydrahead.train.Learner;
import io.hydrahead.train.ModelCard;
import io.hydrahead.train.RunFolder;
import io.hydrahead.train.TrainingRun;
import io.hydrahead.transfer.Transfer;
import io.hydrahead.transfer.TransferRecipe;
import io.hydrahead.transfer.Transfers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import tools.jackson.databind.node.ObjectNode;

/** Plans, converts and trains an arm of one seed. */
final class ArmWork {
  private final Workshop shop;
  private final ProbeWork probe;

  ArmWork(Workshop shop, ProbeWork probe) {
    this.shop = shop;
    this.probe = probe;
  }

  boolean trained(String arm, int seed) {
    return Files.isRegularFile(shop.folder().model(arm, seed).resolve("config.json"));
  }

  /** What a training needs, opened. */
  private final class Job implements AutoCloseable {
    final ArmRecipe arm;
    final int seed;
    final ObjectNode json;
    final TransferRecipe recipe;
    final HybridTransformer teacher;
    final PlanFile plan;
    final Learner learner;
    final Transfer transfer;

    Job(ArmRecipe arm, int seed, double rate, double share) {
      this.arm = arm;
      this.seed = seed;
      json = arm.transfer(seed, rate, share);
      recipe = arm.recipe(json);
      teacher = shop.loadTeacher(seed, shop.ops());
      boolean ready = false;
      try {
        plan = plan(arm, seed, HeadShape.of(teacher.config()));
        learner = new Learner(arm.name(), student());
        DataCorpus corpus =
            new DataCorpus(
                shop.sources(recipe.stages()), shop.tokenizer(seed), recipe.settings().seed());
        java.util.List<Learner> learners = java.util.List.of(learner);
        transfer =
            new Transfer(
                recipe,
                teacher,
                learners,
                corpus,
                Transfers.hash(json, recipe, teacher, learners, corpus),
                Transfer.Evaluation.NONE);
        ready = true;
      } finally {
        if (!ready) {
          teacher.close();
        }
      }
    }

    private HybridTransformer student() {
      HybridTransformer s =
          Conversion.convert(teacher, plan.plan(), recipe.conversion(), probe.scale(seed));
      ArmRecipe.Student student = (ArmRecipe.Student) arm.source();
      return student.theta().isEmpty()
          ? s
          : new HybridTransformer(
              s.config().withRotary(RotaryConfig.plain(student.theta().getAsDouble())),
              s.plan(),
              s.style(),
              s.parameters(),
              s.ops());
    }

    TrainingRun.Outcome train(Path work) {
      return new Transfers(shop.ops(), shop.around().progress()).train(transfer, work, true);
    }

    @Override
    public void close() {
      learner.model().close();
      learner.close();
      teacher.close();
    }
  }

  /** The plan of an arm for the teacher of {@code seed}. */
  PlanFile plan(ArmRecipe arm, int seed, HeadShape shape) {
    ArmRecipe.Selection selection = ((ArmRecipe.Student) arm.source()).selection();
    Provenance source =
        new Provenance(
            shop.teacher(seed).getFileName().toString(),
            shop.around().commit(),
            shop.around().command(),
            seed);
    return switch (selection) {
      case ArmRecipe.Rules(Ratio ratio, PlanChoices choices) -> {
        PlanRequest request = new PlanRequest(shape, ratio, choices, probe.scores(seed), seed);
        yield PlanFile.of(request, PlanRules.select(request), source);
      }
      case ArmRecipe.EqualCache(String like, int draw) -> {
        HeadPlan other = plan(shop.recipe().arm(like), seed, shape).plan();
        HeadPlan drawn = EqualCache.draw(other, shape.kvHeads(), 1000L * seed + draw);
        PlanRequest request =
            new PlanRequest(
                shape,
                Ratio.FULL,
                PlanChoices.DEFAULT.with(PlanChoices.Rule.RANDOM),
                probe.scores(seed),
                1000L * seed + draw);
        ObjectNode details = (ObjectNode) PlanFile.of(request, drawn, source).details();
        details.put("ratio", Ratio.real(drawn.headShare()));
        details.put("equal_cache_with", like);
        yield new PlanFile(drawn, details);
      }
    };
  }

  /** Trains an arm into its folder; an interrupted training goes on from its last state. */
  void train(ArmRecipe arm, int seed, double rate) {
    Path target = shop.folder().model(arm.name(), seed);
    Path work = target.resolveSibling(target.getFileName() + ".run");
    createFolder(work);
    try (Job job = new Job(arm, seed, rate, 1);
        RunFolder folder = RunFolder.begin(target, true, false)) {
      TrainingRun.Outcome outcome = job.train(folder.work());
      HybridTransformer result = job.learner.model();
      Map<String, Object> extras = new LinkedHashMap<>(shop.around().producer());
      extras.put("recipe", job.transfer.hash());
      extras.put("about", job.recipe.about());
      OutputFolder out = folder.out();
      ModelFiles.write(
          result,
          out,
          new ModelFiles.SaveOptions(
              job.recipe.settings().dtype(), false, shop.teacher(seed), extras));
      AtomicFile.write(out.path().resolve("recipe.json"), ReadableJson.text(job.json));
      AtomicFile.write(out.path().resolve("plan.json"), job.plan.toText());
      AtomicFile.write(
          out.path().resolve("README.md"),
          ModelCard.of(
              job.recipe.name(),
              job.recipe.about(),
              result,
              arm.name(),
              folder.log(),
              outcome,
              Environment.of(shop.ops())));
      folder.commit();
      outcome.notes().forEach(shop.around().say());
    }
  }

  /**
   * Trains an arm on a share of the tokens and keeps nothing but the losses.
   *
   * @return {@code held_out_loss} at the end of the last stage, and what it took
   */
  ObjectNode trial(ArmRecipe arm, int seed, double rate, double share, Path work) {
    createFolder(work);
    try (Job job = new Job(arm, seed, rate, share)) {
      job.train(work);
    }
    ObjectNode out = TrainingFacts.of(work.resolve(TrainingRun.LOG)).summary();
    delete(work);
    return out;
  }

  private static void createFolder(Path folder) {
    try {
      Files.createDirectories(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot be created", e);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path p : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(p);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot be removed", e);
    }
  }
}
