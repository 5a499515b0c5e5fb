package io.hydrahead.train;

import io.hydrahead.data.DataRecipe;
import io.hydrahead.data.Split;
import io.hydrahead.data.TextCodec;
import io.hydrahead.data.TrainingText;
import io.hydrahead.tokenizer.Tokenizer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The rows of stages whose {@code data} are recipes of the data package. */
public final class DataCorpus implements Corpus {
  /** The opened data recipe of each stage, by the stage's name. */
  public record Sources(Map<String, DataRecipe> byStage) {
    /** What a user should know about the sources. */
    public List<String> notices() {
      return byStage.values().stream().distinct().flatMap(d -> d.notices().stream()).toList();
    }
  }

  private final Sources sources;
  private final TextCodec codec;
  private final long seed;

  public DataCorpus(Sources sources, Tokenizer tokenizer, long seed) {
    this.sources = sources;
    this.codec = TextCodec.of(tokenizer::encode, tokenizer::decode, tokenizer.vocabSize());
    this.seed = seed;
  }

  /**
   * Opens the data of every stage; stages that share the recipe's own {@code data} share the
   * source.
   *
   * @throws io.hydrahead.tensor.InputException naming the field that is wrong, or the missing
   *     source
   */
  public static Sources sources(List<Stage> stages) {
    Map<String, DataRecipe> byPath = new LinkedHashMap<>();
    Map<String, DataRecipe> byStage = new LinkedHashMap<>();
    for (Stage s : stages) {
      byStage.put(
          s.name(), byPath.computeIfAbsent(s.data().path(), _ -> DataRecipe.read(s.data())));
    }
    return new Sources(byStage);
  }

  /** Changes when any row of any stage does. */
  public String fingerprint(List<Stage> stages) {
    Fingerprint f = new Fingerprint();
    stages.forEach(s -> f.add(training(s).fingerprint()));
    return f.hex();
  }

  @Override
  public Rows training(Stage stage) {
    return rows(stage, Split.TRAIN);
  }

  @Override
  public Rows heldOut(Stage stage) {
    return rows(stage, Split.DEV);
  }

  private Rows rows(Stage stage, Split split) {
    TrainingText text =
        new TrainingText(
            sources.byStage().get(stage.name()), codec, split, stage.batching().context(), seed);
    return new Rows() {
      @Override
      public long count() {
        return text.count();
      }

      @Override
      public void read(long row, int[] ids, float[] weights) {
        text.read(row, ids, weights);
      }

      @Override
      public String fingerprint() {
        return text.fingerprint();
      }
    };
  }
}
