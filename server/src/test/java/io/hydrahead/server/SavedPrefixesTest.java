package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.server.engine.PrefixStore;
import io.hydrahead.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** What a server has read is known to the next one. */
@Timeout(value = 180, unit = TimeUnit.SECONDS)
class SavedPrefixesTest {
  private static final Path MODELS = Running.MODEL.getParent();

  /** Some 200 tokens. */
  private static final String LONG =
      "Every head of this layer reads its own past, and some of them recall. ".repeat(8);

  @TempDir Path temporary;
  private Path folder;

  @BeforeEach
  void nothingIsThere() {
    folder = temporary.resolve("prefixes");
  }

  private Running server(String model, boolean deterministic) {
    return server(model, deterministic, PrefixStore.in(folder));
  }

  private static Running server(String model, boolean deterministic, PrefixStore store) {
    Ops ops = OpsFactory.cpu(new OpsOptions(1, "java", deterministic));
    Path checkpoint = MODELS.resolve(model);
    HybridTransformer m = HybridTransformer.load(checkpoint, ops, ModelFiles.LoadOptions.FLOAT32);
    Engine engine =
        Engine.of(
            checkpoint,
            m,
            Engine.Options.of(checkpoint).prefixes(store),
            () -> {
              m.close();
              ops.close();
            });
    return new Running(engine, ServerOptions.DEFAULT);
  }

  private static JsonNode ask(Running s, String prompt) {
    return s.ask(
        "/v1/completions",
        Json.object()
            .put("prompt", prompt)
            .put("max_tokens", 12)
            .put("temperature", 0)
            .put("logprobs", 2)
            .toString());
  }

  private static int cached(JsonNode answer) {
    return answer.at("/usage/prompt_tokens_details/cached_tokens").intValue();
  }

  private static double metric(Running s, String name) {
    return s.get("/metrics")
        .body()
        .lines()
        .filter(l -> l.startsWith("hydrahead_" + name + " "))
        .mapToDouble(l -> Double.parseDouble(l.substring(l.indexOf(' ') + 1)))
        .sum();
  }

  private List<Path> files() throws IOException {
    if (!Files.exists(folder)) {
      return List.of();
    }
    try (Stream<Path> s = Files.list(folder)) {
      return s.sorted().toList();
    }
  }

  /** Deterministic: the same text and the same log-probabilities to the last digit. */
  @ParameterizedTest
  @ValueSource(strings = {"tiny-teacher", "tiny-hybrid"})
  void theNextServerKnowsThePrompt(String model) throws IOException {
    JsonNode first;
    int known;
    try (Running s = server(model, true)) {
      first = ask(s, LONG);
      assertThat(cached(first)).isZero();
      known = cached(ask(s, LONG)); // what this very server would not read again
      assertThat(known).isGreaterThan(150);
      assertThat(files()).isEmpty();
      assertThat(metric(s, "prefix_restored_tokens")).isZero();
    }
    Path file = files().getFirst();
    assertThat(files()).hasSize(1);
    if (Files.getFileStore(file).supportsFileAttributeView("posix")) {
      for (Path p : List.of(file, folder)) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(p)))
            .endsWith("------");
      }
    }
    byte[] saved = Files.readAllBytes(file);
    try (Running s = server(model, true)) {
      assertThat(metric(s, "prefix_restored_tokens")).isGreaterThanOrEqualTo(known);
      assertThat(metric(s, "prefix_disk_bytes")).isEqualTo(saved.length);
      assertThat(metric(s, "prefix_reused_tokens_total")).isZero();
      JsonNode again = ask(s, LONG);
      assertThat(cached(again)).isEqualTo(known);
      assertThat(again.at("/choices")).isEqualTo(first.at("/choices"));
      assertThat(metric(s, "prefix_reused_tokens_total")).isEqualTo(known);
      assertThat(metric(s, "prefix_disk_failures_total")).isZero();
    }
    // Nothing was new, so nothing was written.
    assertThat(Files.readAllBytes(file)).isEqualTo(saved);
  }

  @Test
  void whatWasRestoredIsSavedWithWhatIsNew() throws IOException {
    for (String prompt : List.of("One. " + LONG, "Two. " + LONG)) {
      try (Running s = server("tiny-hybrid", false)) {
        ask(s, prompt);
      }
    }
    try (Running s = server("tiny-hybrid", false)) {
      assertThat(cached(ask(s, "One. " + LONG))).isGreaterThan(150);
      assertThat(cached(ask(s, "Two. " + LONG))).isGreaterThan(150);
    }
    assertThat(files()).hasSize(1);
  }

  @Test
  void aDamagedFileIsNotUsedAndIsReplaced() throws IOException {
    String answer;
    try (Running s = server("tiny-hybrid", true)) {
      answer = ask(s, LONG).at("/choices").toString();
    }
    Path file = files().getFirst();
    byte[] good = Files.readAllBytes(file);
    byte[] cut = Arrays.copyOf(good, good.length / 2);
    byte[] flipped = good.clone();
    flipped[good.length * 3 / 4] ^= 16;
    for (byte[] bad : List.of(new byte[0], cut, flipped)) {
      Files.write(file, bad);
      try (Running s = server("tiny-hybrid", true)) {
        assertThat(metric(s, "prefix_disk_failures_total")).isEqualTo(1);
        assertThat(metric(s, "prefix_restored_tokens")).isZero();
        JsonNode again = ask(s, LONG);
        assertThat(cached(again)).isZero();
        assertThat(again.at("/choices").toString()).isEqualTo(answer);
      }
      assertThat(Files.readAllBytes(file)).isEqualTo(good);
    }
  }

  /** Models have files of their own; under a wrong name a file is of no use. */
  @Test
  void anotherModelsFileIsNotUsed() throws IOException {
    try (Running s = server("tiny-hybrid", true)) {
      ask(s, LONG);
    }
    Path hybrids = files().getFirst();
    try (Running s = server("tiny-teacher", true)) {
      assertThat(cached(ask(s, LONG))).isZero();
      assertThat(metric(s, "prefix_disk_failures_total")).isZero();
    }
    assertThat(files()).hasSize(2).contains(hybrids);
    Path teachers = files().stream().filter(f -> !f.equals(hybrids)).findFirst().orElseThrow();
    Files.copy(hybrids, teachers, StandardCopyOption.REPLACE_EXISTING);
    try (Running s = server("tiny-teacher", true)) {
      assertThat(metric(s, "prefix_disk_failures_total")).isEqualTo(1);
      assertThat(cached(ask(s, LONG))).isZero();
    }
    // Another arithmetic is another model: the file of the deterministic one is not looked at.
    try (Running s = server("tiny-teacher", false)) {
      assertThat(cached(ask(s, LONG))).isZero();
    }
    assertThat(files()).hasSize(3);
  }

  @Test
  void theFileKeepsItsBound() throws IOException {
    try (Running s = server("tiny-teacher", false)) {
      ask(s, LONG);
      ask(s, "Another. " + LONG);
    }
    long most = Files.size(files().getFirst()) * 3 / 4;
    folder = temporary.resolve("small");
    PrefixStore small = new PrefixStore(folder, most, Progress.SILENT);
    try (Running s = server("tiny-teacher", false, small)) {
      ask(s, LONG);
      ask(s, "Another. " + LONG);
    }
    assertThat(Files.size(files().getFirst())).isBetween(most / 2, most + 500);
    try (Running s = server("tiny-teacher", false, small)) {
      assertThat(cached(ask(s, "Another. " + LONG))).isGreaterThan(150);
    }
  }

  /** The folder became a file while the server ran. */
  @Test
  void whatCannotBeSavedIsLost() throws IOException {
    Running s = server("tiny-teacher", false);
    try (s) {
      ask(s, LONG);
      Files.writeString(folder, "a file");
    }
    assertThat(s.engine().scheduler().status().caches().disk().failures()).isEqualTo(1);
    assertThat(folder).hasContent("a file");
  }
}
