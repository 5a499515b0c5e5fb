package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.Dice;
import io.hydrahead.data.PlainText;
import io.hydrahead.data.Split;
import io.hydrahead.data.TextCodec;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.model.RotaryConfig.Yarn;
import io.hydrahead.study.ArmRecipe;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.eval.CellSpec;
import io.hydrahead.study.eval.EvaluationRecipe;
import io.hydrahead.study.eval.SpeedMeter;
import io.hydrahead.study.eval.StudyEvaluator;
import io.hydrahead.study.eval.Subject;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** Evaluates arms: the haystacks, the cells of a grid, the speeds. */
final class EvaluationWork implements AutoCloseable {
  private final Workshop shop;
  private final ArmFacts facts;
  private final Optional<EvaluationRecipe> recipe;
  private StudyEvaluator evaluator;

  EvaluationWork(Workshop shop, ArmFacts facts) {
    this.shop = shop;
    this.facts = facts;
    boolean none = shop.recipe().evaluation().node().isEmpty();
    recipe =
        none ? Optional.empty() : Optional.of(EvaluationRecipe.read(shop.recipe().evaluation()));
  }

  private EvaluationRecipe recipe() {
    return recipe.orElseThrow(() ->
        new InputException(
            "study "
                + shop.recipe().name()
                + ": its rounds name grids, and it has no \"evaluation\" that describes them"));
  }

  private List<CellSpec> cells(String grid) {
    return recipe().cells(List.of(grid));
  }

  private StudyEvaluator evaluator() {
    if (evaluator == null) {
      evaluator =
          new StudyEvaluator(
              recipe(),
              TextCodec.of(tokenizer()),
              new Late(),
              shop.folder().haystacks(),
              shop.around().threads());
    }
    return evaluator;
  }

  private Tokenizer tokenizer() {
    return Tokenizer.load(tokenizerFolder());
  }

  private Path tokenizerFolder() {
    Path own = shop.folder().tokenizer();
    return Files.isDirectory(own) ? own : shop.teacher(shop.recipe().seeds().getFirst());
  }

  /** The held-out text, opened when it is first read. */
  private final class Late implements PlainText {
    private PlainText text() {
      return shop.data(shop.recipe().data()).text();
    }

    @Override
    public String excerpt(Split split, int chars, Dice dice) {
      return text().excerpt(split, chars, dice);
    }

    @Override
    public String fingerprint() {
      return text().fingerprint();
    }

    @Override
    public long chars(Split split) {
      return text().chars(split);
    }

    @Override
    public List<String> notices() {
      return text().notices();
    }
  }

  private Path haystacksMade(int seed) {
    return shop.folder().haystacks().resolve("seed-" + seed + ".txt");
  }

  boolean haystacksDone(int seed) {
    return Files.isRegularFile(haystacksMade(seed));
  }

  /** Makes the haystacks of all rounds of a seed, so that no two workers make the same ones. */
  void haystacks(int seed) {
    Set<String> grids = new LinkedHashSet<>();
    for (StudyRecipe.Round r : shop.recipe().rounds()) {
      if (r.seeds().contains(seed)) {
        grids.addAll(r.grids());
      }
    }
    for (String grid : grids) {
      evaluator().prepare(cells(grid), List.of(seed), shop.around().progress());
    }
    AtomicFile.write(haystacksMade(seed), grids + "\n");
  }

  /** False, too, while there is no tokenizer to tell by which haystacks a kept result is of. */
  boolean done(ArmRecipe arm, int seed, String grid) {
    return facts.done(arm.name(), seed)
        && Files.isDirectory(tokenizerFolder())
        && evaluator()
            .complete(
                cells(grid),
                seed,
                shop.folder().results(arm.name(), seed),
                facts.recordedHash(arm.name(), seed));
  }

  void run(ArmRecipe arm, int seed, String grid) {
    List<CellSpec> cells = cells(grid);
    try (HybridTransformer model = load(arm, seed)) {
      if (arm.source() instanceof ArmRecipe.Teacher(boolean yarn) && yarn) {
        Map<Integer, List<CellSpec>> byLength = new TreeMap<>();
        cells.forEach(c -> byLength.computeIfAbsent(c.length(), _ -> new ArrayList<>()).add(c));
        byLength.forEach((length, some) -> evaluate(arm, seed, stretched(model, length), some));
      } else {
        evaluate(arm, seed, model, cells);
      }
    }
  }

  private void evaluate(ArmRecipe arm, int seed, HybridTransformer model, List<CellSpec> cells) {
    evaluator()
        .evaluate(
            new Subject(arm.name(), seed, model, facts.recordedHash(arm.name(), seed)),
            cells,
            shop.folder().results(arm.name(), seed),
            shop.around().progress());
  }

  private HybridTransformer load(ArmRecipe arm, int seed) {
    HybridTransformer m =
        HybridTransformer.load(
            facts.checkpoint(arm, seed), shop.ops(), ModelFiles.LoadOptions.STORED);
    return arm.source() instanceof ArmRecipe.Of of
        ? new HybridTransformer(m.config(), m.plan(), of.style(m.style()), m.parameters(), m.ops())
        : m;
  }

  /** The same parameters, with YaRN from the native context to {@code length}. */
  private static HybridTransformer stretched(HybridTransformer m, int length) {
    ModelConfig c = m.config();
    int context = c.maxPositionEmbeddings();
    if (length <= context) {
      return m;
    }
    Yarn d = Yarn.NONE;
    Yarn yarn =
        new Yarn(
            (double) length / context,
            context,
            d.betaFast(),
            d.betaSlow(),
            d.attentionFactor(),
            d.truncate());
    return new HybridTransformer(
        c.withRotary(new RotaryConfig(c.rotary().theta(), yarn)),
        m.plan(),
        m.style(),
        m.parameters(),
        m.ops());
  }

  boolean speedDone(String arm, int seed) {
    return Files.isRegularFile(shop.folder().results(arm, seed).resolve("speed.json"));
  }

  /** Times all arms one after the other, on this device and in this process. */
  void speed(StudyRecipe.Speed speed) {
    for (String name : speed.arms()) {
      ArmRecipe arm = shop.recipe().arm(name);
      try (HybridTransformer model = load(arm, speed.seed())) {
        new SpeedMeter(speed.seconds())
            .measure(
                new Subject(name, speed.seed(), model, facts.recordedHash(name, speed.seed())),
                speed.lengths(),
                shop.folder().results(name, speed.seed()),
                shop.around().progress());
      }
    }
  }

  /** Tokens that a model reads for a grid. */
  long tokens(String grid) {
    return cells(grid).stream().mapToLong(CellSpec::tokens).sum();
  }

  @Override
  public void close() {
    if (evaluator != null) {
      evaluator.close();
      evaluator = null;
    }
  }
}
