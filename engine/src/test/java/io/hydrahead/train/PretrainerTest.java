package io.hydrahead.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PretrainerTest {
  private static final String RECIPE =
      """
      {
        "name": "seedling",
        "model": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
          "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
          "max_position_embeddings": 64},
        "tokenizer": {"vocab_size": 300, "bytes": 20000},
        "data": {"text": [{"generated": true}], "plain": 1},
        "seed": 5, "save_every": 2, "evaluation_rows": 4,
        "schedule": {"kind": "cosine", "lr": 3e-3, "warmup_steps": 2},
        "stages": [{"name": "only", "tokens": 1024, "context": 32, "rows": 8, "micro_rows": 4}]
      }
      """;
  private static final Pretrainer.Options PLAIN = options(false, false);
  private static Ops ops;

  @TempDir Path folder;
  private Path recipe;
  private Path target;

  @BeforeAll
  static void open() {
    ops = OpsFactory.cpu(new OpsOptions(2, "java", false));
  }

  @AfterAll
  static void close() {
    ops.close();
  }

  @BeforeEach
  void write() throws IOException {
    recipe = Files.writeString(folder.resolve("recipe.json"), RECIPE);
    target = folder.resolve("model");
  }

  private static Pretrainer.Options options(boolean resume, boolean force) {
    return new Pretrainer.Options(resume, force, Map.of("commit", "abc"));
  }

  private static Pretrainer pretrainer(Progress progress) {
    return new Pretrainer(ops, progress);
  }

  private List<String> list(Path of) throws IOException {
    try (Stream<Path> files = Files.list(of)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void writesAFolderThatLoads() throws IOException {
    pretrainer(Progress.SILENT).run(recipe, target, PLAIN);
    assertThat(list(target))
        .contains(
            "README.md",
            "chat_template.jinja",
            "config.json",
            "model.safetensors",
            "recipe.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "training-log.jsonl");
    assertThat(list(folder)).containsExactly("model", "recipe.json");
    Tokenizer tokenizer = Tokenizer.load(target);
    try (HybridTransformer m =
        HybridTransformer.load(target, ops, ModelFiles.LoadOptions.FLOAT32)) {
      assertThat(m.config().vocabSize()).isEqualTo(tokenizer.vocabSize()).isLessThanOrEqualTo(300);
      assertThat(m.config().eosTokenIds()).contains(tokenizer.id("<|im_end|>"));
      assertThat(Files.readString(target.resolve("README.md")))
          .contains("seedling", "1,024 tokens", "held_out_loss")
          .contains(String.format("%,d", m.parameters().parameters()));
    }
    assertThat(Json.read(target.resolve("config.json")).path("commit").stringValue())
        .isEqualTo("abc");
  }

  @Test
  void stopsAndGoesOnToTheSameWeights() throws IOException {
    pretrainer(Progress.SILENT).run(recipe, target, PLAIN);
    Path other = folder.resolve("other");
    Progress stop =
        new Progress() {
          private final List<Long> seen = new ArrayList<>();

          @Override
          public void begin(String what, long total, String unit) {}

          @Override
          public void advance(long done, String note) {
            seen.add(done);
          }

          @Override
          public void end() {}

          @Override
          public boolean cancelled() {
            return seen.contains(768L);
          }
        };
    assertThatThrownBy(() -> pretrainer(stop).run(recipe, other, PLAIN))
        .isInstanceOf(CancellationException.class)
        .hasMessageContaining("--resume");
    assertThat(other).doesNotExist();
    assertThatThrownBy(() -> pretrainer(Progress.SILENT).run(recipe, other, PLAIN))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll("--resume", "--force");
    pretrainer(Progress.SILENT).run(recipe, other, options(true, false));
    assertThat(
            Files.mismatch(target.resolve("model.safetensors"), other.resolve("model.safetensors")))
        .isEqualTo(-1);
  }

  @Test
  void refusesToResumeNothingAndToOverwrite() throws IOException {
    assertThatThrownBy(() -> pretrainer(Progress.SILENT).run(recipe, target, options(true, false)))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("no unfinished run");
    Files.createDirectories(target);
    Files.writeString(target.resolve("mine"), "x");
    assertThatThrownBy(() -> pretrainer(Progress.SILENT).run(recipe, target, PLAIN))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("--force");
    assertThat(list(folder)).containsExactly("model", "recipe.json");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"hidden_size\": 32|\"hidden_size\": 0|$.model.hidden_size = 0",
        "\"head_dim\": 8|\"head_dim\": 7|$.model.head_dim = 7 must be even",
        "\"num_key_value_heads\": 2|\"num_key_value_heads\": 3|$.model.num_key_value_heads = 3",
        "\"context\": 32|\"context\": 128|$.stages[0].context = 128",
        "\"vocab_size\": 300|\"vocab_size\": 3|$.tokenizer.vocab_size = 3",
        "\"plain\": 1|\"plain\": 2|$.data.plain = 2",
        "\"warmup_steps\"|\"warmup\"|$.schedule.warmup = 2 is not a field",
        "\"generated\": true|\"files\": \"nowhere.txt\"|nowhere.txt",
      })
  void aBrokenRecipeNamesTheFieldAndWritesNothing(String from, String to, String message)
      throws IOException {
    String broken = RECIPE.replace(from, to);
    assertThat(broken).isNotEqualTo(RECIPE);
    Files.writeString(recipe, broken);
    assertThatThrownBy(() -> pretrainer(Progress.SILENT).run(recipe, target, PLAIN))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(message);
    assertThat(list(folder)).containsExactly("recipe.json");
  }
}
