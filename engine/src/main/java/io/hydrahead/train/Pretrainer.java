package io.hydrahead.train;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.DataRecipe;
import io.hydrahead.data.TokenizerCorpus;
import io.hydrahead.json.Json;
import io.hydrahead.json.MergePatch;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Environment;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tokenizer.BpeTrainer;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * {@code hydrahead pretrain}: trains a vanilla model from a recipe and writes a complete Hugging
 * Face folder: config, weights, tokenizer and chat template, the recipe, the training log and a
 * model card.
 */
public final class Pretrainer {
  /** Tokens that end a reply, in the order of preference. */
  private static final List<String> END_TOKENS = List.of("<|im_end|>", "<|endoftext|>");

  private final Ops ops;
  private final Progress progress;

  /**
   * @param resume go on with the unfinished run of this output
   * @param force replace an existing output
   * @param producer commit, version and command for config.json's further fields
   */
  public record Options(boolean resume, boolean force, Map<String, String> producer) {}

  public Pretrainer(Ops ops, Progress progress) {
    this.ops = ops;
    this.progress = progress;
  }

  /**
   * Trains {@code recipeFile} into {@code target}.
   *
   * @throws InputException if the recipe, its inputs or the target are wrong
   * @throws java.util.concurrent.CancellationException when the user stops it; it can be resumed
   */
  public TrainingRun.Outcome run(Path recipeFile, Path target, Options options) {
    byte[] text =
        Json.read(recipeFile).has("extends")
            ? ReadableJson.text(MergePatch.read(recipeFile)).getBytes(StandardCharsets.UTF_8)
            : read(recipeFile);
    return run(PretrainRecipe.read(recipeFile), text, target, options);
  }

  /**
   * Trains {@code recipe}, which was read from the JSON {@code text}. A tokenizer that lies in the
   * run's folder already is taken as it is.
   */
  public TrainingRun.Outcome run(PretrainRecipe recipe, byte[] text, Path target, Options options) {
    DataCorpus.Sources sources = DataCorpus.sources(recipe.stages());
    try (RunFolder folder = RunFolder.begin(target, options.resume(), options.force())) {
      Tokenizer tokenizer = tokenizer(recipe, folder.work());
      DataCorpus corpus = new DataCorpus(sources, tokenizer, recipe.settings().seed());
      List<Integer> ends =
          END_TOKENS.stream().filter(tokenizer::has).map(tokenizer::id).distinct().toList();
      ModelConfig config = recipe.config(tokenizer.vocabSize(), ends);
      String hash = hash(text, folder.work(), recipe.stages(), corpus);
      try (HybridTransformer model = fresh(config, recipe.settings().seed());
          Learner learner = new Learner(recipe.name(), model)) {
        Environment environment = Environment.of(ops);
        TrainingRun run =
            new TrainingRun(
                new Job(recipe, learner, corpus, hash), folder.work(), environment, progress);
        TrainingRun.Outcome outcome = run.run(options.resume());
        Map<String, Object> extras = new LinkedHashMap<>(options.producer());
        extras.put("recipe", hash);
        extras.put("about", recipe.about());
        ModelFiles.write(
            model,
            folder.out(),
            new ModelFiles.SaveOptions(
                recipe.settings().dtype(), options.force(), folder.work(), extras));
        AtomicFile.write(folder.out().path().resolve("recipe.json"), text);
        AtomicFile.write(
            folder.out().path().resolve("README.md"),
            ModelCard.of(
                recipe.name(),
                recipe.about(),
                model,
                recipe.name(),
                folder.log(),
                outcome,
                environment));
        folder.commit();
        return outcome;
      }
    }
  }

  /**
   * The recipe's tokenizer, whose files then lie in {@code work}; a resumed run finds them there.
   */
  private Tokenizer tokenizer(PretrainRecipe recipe, Path work) {
    if (!Files.isRegularFile(work.resolve("tokenizer.json"))) {
      switch (recipe.tokenizer()) {
        case PretrainRecipe.Existing(Path path) -> copyTokenizer(path, work);
        case PretrainRecipe.Trained t ->
            trainTokenizer(recipe, t, DataRecipe.read(t.data()), work, progress);
      }
    }
    return Tokenizer.load(work);
  }

  /**
   * Trains the tokenizer of {@code recipe} and writes its files.
   *
   * @param data what {@code t} names, opened
   * @param folder that is there
   */
  public static void trainTokenizer(
      PretrainRecipe recipe,
      PretrainRecipe.Trained t,
      DataRecipe data,
      Path folder,
      Progress progress) {
    progress.begin("tokenizer", t.bytes(), "characters");
    TokenizerCorpus text = new TokenizerCorpus(data, recipe.settings().seed(), t.bytes());
    BpeTrainer.train(text.watched(progress), t.vocabulary(), BpeTrainer.CHATML_TOKENS)
        .save(folder, recipe.shape().maxPositionEmbeddings());
    progress.end();
  }

  private static void copyTokenizer(Path from, Path work) {
    Path folder = Files.isDirectory(from) ? from : from.toAbsolutePath().getParent();
    Tokenizer.load(from);
    for (String name : ModelFiles.TOKENIZER_FILES) {
      if (Files.isRegularFile(folder.resolve(name))) {
        AtomicFile.write(work.resolve(name), read(folder.resolve(name)));
      }
    }
  }

  private HybridTransformer fresh(ModelConfig config, long seed) {
    return new HybridTransformer(
        config,
        HeadPlan.allFull(config.layers(), config.heads()),
        Style.VANILLA,
        Initializer.vanilla(config, seed),
        ops);
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(file + ": cannot be read", e);
    }
  }

  private static String hash(byte[] recipe, Path work, List<Stage> stages, DataCorpus corpus) {
    String text = new String(recipe, StandardCharsets.UTF_8);
    return new Fingerprint()
        .add(Json.parse(text, "the recipe").toString())
        .add(read(work.resolve("tokenizer.json")))
        .add(corpus.fingerprint(stages))
        .hex();
  }

  /** A pretraining as a job: one learner, next-token stages. */
  private record Job(PretrainRecipe recipe, Learner learner, Corpus corpus, String hash)
      implements TrainingJob {
    @Override
    public String title() {
      return "pretrain " + recipe.name();
    }

    @Override
    public RunSettings settings() {
      return recipe.settings();
    }

    @Override
    public List<Stage> stages() {
      return recipe.stages();
    }

    @Override
    public List<Learner> learners() {
      return List.of(learner);
    }

    @Override
    public Rows training(Stage stage) {
      return corpus.training(stage);
    }

    @Override
    public Rows heldOut(Stage stage) {
      return corpus.heldOut(stage);
    }

    @Override
    public StageWork open(Stage stage) {
      return new NextTokenWork(learners(), stage.batching());
    }
  }
}
