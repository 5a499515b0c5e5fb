package io.hydrahead.train;

import io.hydrahead.json.Fields;
import io.hydrahead.json.MergePatch;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.RotaryConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A pretraining recipe: a model's shape, a tokenizer, a corpus and the stages of the training.
 *
 * @param name of the model
 * @param about one sentence for the model card
 * @param shape of the model, with a vocabulary of 1: the tokenizer brings the real one
 * @param tokenizer to copy or to train
 * @param stages next-token stages, one after the other
 */
public record PretrainRecipe(
    String name,
    String about,
    ModelConfig shape,
    TokenizerSource tokenizer,
    RunSettings settings,
    List<Stage> stages) {

  /** Where the tokenizer comes from. */
  public sealed interface TokenizerSource {}

  /** An existing folder, or a {@code tokenizer.json}, whose files are copied. */
  public record Existing(Path path) implements TokenizerSource {}

  /**
   * A byte-level BPE trained on the corpus.
   *
   * @param vocabulary entries, special tokens included
   * @param bytes of text it is trained on
   */
  public record Trained(int vocabulary, long bytes, Fields data) implements TokenizerSource {}

  /** Reads and checks a recipe file, which may extend another, see {@link MergePatch}. */
  public static PretrainRecipe read(Path file) {
    return read(MergePatch.fields(file));
  }

  /** Reads and checks a recipe that is at hand as JSON. */
  public static PretrainRecipe read(Fields f) {
    String name = f.text("name");
    String about = f.text("about", "A model trained by hydrahead pretrain.");
    ModelConfig shape = shape(f.object("model"));
    TokenizerSource tokenizer = tokenizer(f.object("tokenizer"), f);
    RunSettings settings = RunSettings.read(f);
    List<Stage> stages = new ArrayList<>();
    for (Fields s : f.objects("stages")) {
      Stage stage = Stage.read(s, f, new Stage.NextToken(), "all");
      s.end();
      if (stage.batching().context() > shape.maxPositionEmbeddings()) {
        throw s.error(
            "context",
            "is more than model.max_position_embeddings, " + shape.maxPositionEmbeddings());
      }
      stages.add(stage);
    }
    f.end();
    return new PretrainRecipe(name, about, shape, tokenizer, settings, Stage.distinct(stages, f));
  }

  private static ModelConfig shape(Fields m) {
    int heads = m.integer("num_attention_heads", 1, 1024);
    int kvHeads = m.integer("num_key_value_heads", 1, heads, heads);
    if (heads % kvHeads != 0) {
      throw m.error("num_key_value_heads", "must divide num_attention_heads, " + heads);
    }
    int headDim = m.integer("head_dim", 2, 1024);
    if (headDim % 2 != 0) {
      throw m.error("head_dim", "must be even: rotary embedding turns pairs");
    }
    ModelConfig config =
        new ModelConfig(
            1,
            m.integer("hidden_size", 1, 1 << 20),
            m.integer("intermediate_size", 1, 1 << 20),
            m.integer("num_hidden_layers", 1, 1024),
            heads,
            kvHeads,
            headDim,
            m.integer("max_position_embeddings", 8, 1 << 24),
            (float) m.number("rms_norm_eps", 1e-12, 1e-2, 1e-6),
            RotaryConfig.plain(m.number("rope_theta", 1, 1e12, 1e4)),
            m.flag("tie_word_embeddings", true),
            -1,
            List.of());
    m.end();
    return config;
  }

  private static TokenizerSource tokenizer(Fields t, Fields recipe) {
    TokenizerSource source;
    if (t.has("path")) {
      source = new Existing(t.file("path"));
    } else {
      source =
          new Trained(
              t.integer("vocab_size", 260, 1_000_000),
              t.count("bytes", 1000, 1L << 34, 4_000_000),
              t.has("data") ? t.object("data") : recipe.object("data"));
    }
    t.end();
    return source;
  }

  /** The model's config with a tokenizer's vocabulary and end-of-text tokens. */
  ModelConfig config(int vocabulary, List<Integer> endTokens) {
    return shape.withVocabulary(vocabulary, endTokens);
  }
}
