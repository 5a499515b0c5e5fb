package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.data.DataRecipe;
import io.hydrahead.json.Fields;
import io.hydrahead.json.MergePatch;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.train.PretrainRecipe;
import io.hydrahead.train.Pretrainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import tools.jackson.databind.node.ObjectNode;

/** The tokenizer that all teachers share, and the teachers: a pretraining for each seed. */
final class TeacherWork {
  private final Workshop shop;

  TeacherWork(Workshop shop) {
    this.shop = shop;
  }

  /** Whether there is a tokenizer to train. */
  static boolean trainsTokenizer(PretrainRecipe recipe) {
    return recipe.tokenizer() instanceof PretrainRecipe.Trained;
  }

  private ObjectNode json(int seed) {
    ObjectNode out = MergePatch.read(shop.recipe().teacher());
    out.put("seed", out.path("seed").asLong(1) + seed);
    return out;
  }

  /** The recipe of the teacher of {@code seed}. */
  PretrainRecipe recipe(int seed) {
    return recipe(json(seed));
  }

  private PretrainRecipe recipe(ObjectNode json) {
    Path file = shop.recipe().teacher();
    return PretrainRecipe.read(
        Fields.of(json, file.toString(), "$", file.toAbsolutePath().getParent()));
  }

  boolean tokenizerDone() {
    return Files.isRegularFile(shop.folder().tokenizer().resolve("tokenizer.json"));
  }

  void tokenizer() {
    PretrainRecipe recipe = recipe(0);
    PretrainRecipe.Trained t = (PretrainRecipe.Trained) recipe.tokenizer();
    DataRecipe data = shop.data(t.data());
    try (OutputFolder out = OutputFolder.begin(shop.folder().tokenizer(), false)) {
      Pretrainer.trainTokenizer(recipe, t, data, out.path(), shop.around().progress());
      out.commit();
    }
  }

  boolean done(int seed) {
    return Files.isRegularFile(shop.folder().teacher(seed).resolve("config.json"));
  }

  void run(int seed) {
    ObjectNode json = json(seed);
    Path target = shop.folder().teacher(seed);
    Path work = target.resolveSibling(target.getFileName() + ".run");
    copyTokenizer(work);
    new Pretrainer(shop.ops(), shop.around().progress())
        .run(
            recipe(json),
            ReadableJson.text(json).getBytes(StandardCharsets.UTF_8),
            target,
            new Pretrainer.Options(true, false, shop.around().producer()));
  }

  /** Pretraining finds the tokenizer in its run's folder and takes it from there. */
  private void copyTokenizer(Path work) {
    try {
      Files.createDirectories(work);
      for (String name : ModelFiles.TOKENIZER_FILES) {
        Path from = shop.folder().tokenizer().resolve(name);
        if (Files.isRegularFile(from) && !Files.exists(work.resolve(name))) {
          AtomicFile.write(work.resolve(name), Files.readAllBytes(from));
        }
      }
    } catch (IOException e) {
      throw new UncheckedIOException(work + ": cannot be written", e);
    }
  }
}
