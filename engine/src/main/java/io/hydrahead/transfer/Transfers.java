package io.hydrahead.transfer;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.MergePatch;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Environment;
import io.hydrahead.ops.Ops;
import io.hydrahead.plan.Conversion;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tokenizer.Tokenizer;
import io.hydrahead.train.DataCorpus;
import io.hydrahead.train.Fingerprint;
import io.hydrahead.train.Learner;
import io.hydrahead.train.ModelCard;
import io.hydrahead.train.RunFolder;
import io.hydrahead.train.TrainingRun;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * {@code hydrahead transfer}: one student's transfer from teacher and student folders to a complete
 * Hugging Face folder with the recipe, the training log and a model card. Several arms at once, as
 * in the demo, go through {@link #train}.
 */
public final class Transfers {
  private final Ops ops;
  private final Progress progress;

  /**
   * @param resume go on with the unfinished run of this output
   * @param force replace an existing output
   * @param evaluation after each stage
   * @param producer commit, version and command for config.json's further fields
   */
  public record Options(
      boolean resume,
      boolean force,
      Transfer.Evaluation evaluation,
      Map<String, String> producer) {}

  /**
   * @param ops of all models; stay the caller's to close
   */
  public Transfers(Ops ops, Progress progress) {
    this.ops = ops;
    this.progress = progress;
  }

  /**
   * Transfers {@code teacher} to the converted model {@code student}. {@code target} gets the model
   * in the recipe's type, the teacher's tokenizer files, {@code recipe.json}, the training log and
   * a model card, all at once at the end; until then the run's states lie beside it.
   *
   * @throws InputException naming the folder or field: a folder that is no checkpoint, a recipe
   *     that is malformed, a student of another shape or style, a target that exists or is in use,
   *     a run to resume that began with something else
   * @throws java.util.concurrent.CancellationException when the user stops it; it can be resumed
   */
  public TrainingRun.Outcome run(
      Path teacher, Path student, Path recipeFile, Path target, Options options) {
    RunFolder.requireReady(target, options.resume(), options.force());
    TransferRecipe recipe = TransferRecipe.read(recipeFile);
    DataCorpus.Sources sources = DataCorpus.sources(recipe.stages());
    try (HybridTransformer t = load(teacher);
        HybridTransformer s = loadStudent(student, t, recipe);
        Learner learner = new Learner(recipe.name(), s);
        RunFolder folder = RunFolder.begin(target, options.resume(), options.force())) {
      DataCorpus corpus =
          new DataCorpus(sources, Tokenizer.load(teacher), recipe.settings().seed());
      Transfer transfer =
          new Transfer(
              recipe,
              t,
              List.of(learner),
              corpus,
              hash(recipeFile, recipe, t, List.of(learner), corpus),
              options.evaluation());
      TrainingRun.Outcome outcome = train(transfer, folder.work(), options.resume());
      HybridTransformer result = learner.model();
      Map<String, Object> extras = new LinkedHashMap<>(options.producer());
      extras.put("recipe", transfer.hash());
      extras.put("about", recipe.about());
      ModelFiles.write(
          result,
          folder.out(),
          new ModelFiles.SaveOptions(recipe.settings().dtype(), options.force(), teacher, extras));
      AtomicFile.write(
          folder.out().path().resolve("recipe.json"), MergePatch.read(recipeFile), true);
      AtomicFile.write(
          folder.out().path().resolve("README.md"),
          ModelCard.of(
              recipe.name(),
              recipe.about(),
              result,
              recipe.name(),
              folder.log(),
              outcome,
              Environment.of(ops)));
      folder.commit();
      return outcome;
    }
  }

  private HybridTransformer load(Path folder) {
    Conversion.refuseQwen35(folder);
    return HybridTransformer.load(folder, ops, ModelFiles.LoadOptions.FLOAT32);
  }

  private HybridTransformer loadStudent(
      Path folder, HybridTransformer teacher, TransferRecipe recipe) {
    HybridTransformer s = load(folder);
    boolean fits = false;
    try {
      Transfer.requireFits(folder.toString(), s, teacher, recipe);
      fits = true;
      return s;
    } finally {
      if (!fits) {
        s.close();
      }
    }
  }

  /** Runs {@code transfer} with its states and log in {@code work}. */
  public TrainingRun.Outcome train(Transfer transfer, Path work, boolean resume) {
    return new TrainingRun(transfer, work, Environment.of(ops), progress).run(resume);
  }

  /** Changes with the recipe, the models as they are now, and the corpus. */
  public static String hash(
      Path recipeFile,
      TransferRecipe recipe,
      HybridTransformer teacher,
      List<Learner> students,
      DataCorpus corpus) {
    return hash(MergePatch.read(recipeFile), recipe, teacher, students, corpus);
  }

  /** Like the other, for a recipe that is at hand as JSON. */
  public static String hash(
      JsonNode json,
      TransferRecipe recipe,
      HybridTransformer teacher,
      List<Learner> students,
      DataCorpus corpus) {
    Fingerprint f =
        new Fingerprint()
            .add(json.toString())
            .add(teacher.parameters())
            .add(corpus.fingerprint(recipe.stages()));
    for (Learner s : students) {
      f.add(s.name()).add(s.model().plan().toString()).add(s.model().style().toString());
      f.add(s.model().parameters());
    }
    return f.hex();
  }
}
