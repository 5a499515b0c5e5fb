package io.hydrahead.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class CheckpointTest {
  @TempDir Path dir;

  @BeforeEach
  void config() throws IOException {
    Files.writeString(dir.resolve("config.json"), "{\"model_type\": \"qwen3\"}");
  }

  private static Map<String, Tensor> sample() {
    Map<String, Tensor> t = new LinkedHashMap<>();
    for (int i = 0; i < 5; i++) {
      t.put("w" + i, Tensor.of(new float[] {i, i + 1, i + 2, i + 3}, 2, 2));
    }
    return t;
  }

  @Test
  void singleFile() {
    SafetensorsWriter.of(sample()).writeFolder(dir, 1 << 20);
    try (Checkpoint c = Checkpoint.open(dir)) {
      assertThat(c.config().path("model_type").stringValue()).isEqualTo("qwen3");
      assertThat(c.names()).containsExactly("w0", "w1", "w2", "w3", "w4");
      assertThat(c.get("w3", 2, 2).toFloats()).containsExactly(3, 4, 5, 6);
      assertThat(c.bytes()).isEqualTo(80);
      assertThatThrownBy(() -> c.get("w3", 4))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("[2, 2]")
          .hasMessageContaining("[4]");
      assertThatThrownBy(() -> c.get("nope")).isInstanceOf(InputException.class);
    }
  }

  @Test
  void repliesEndWhereTheGenerationConfigSays() throws IOException {
    Files.writeString(
        dir.resolve("config.json"),
        "{\"eos_token_id\": 1, \"text_config\": {\"eos_token_id\": 1, \"vocab_size\": 9}}");
    Files.writeString(dir.resolve("generation_config.json"), "{\"temperature\": 0.6}");
    assertThat(Checkpoint.config(dir).path("eos_token_id").asInt()).isEqualTo(1);
    Files.writeString(dir.resolve("generation_config.json"), "{\"eos_token_id\": [3, 1]}");
    JsonNode config = Checkpoint.config(dir);
    assertThat(config.path("eos_token_id").toString()).isEqualTo("[3,1]");
    assertThat(config.path("text_config").toString())
        .isEqualTo("{\"eos_token_id\":[3,1],\"vocab_size\":9}");
  }

  @Test
  void shards() {
    SafetensorsWriter.of(sample()).writeFolder(dir, 32);
    assertThat(dir.resolve("model-00003-of-00003.safetensors")).exists();
    try (Checkpoint c = Checkpoint.open(dir)) {
      assertThat(c.names()).hasSize(5);
      assertThat(c.get("w4").toFloats()).containsExactly(4, 5, 6, 7);
    }
  }

  @Test
  void shardMissingOrNotMatchingTheIndex() throws IOException {
    SafetensorsWriter.of(sample()).writeFolder(dir, 32);
    Path index = dir.resolve(Checkpoint.INDEX);
    String good = Files.readString(index);
    Files.writeString(index, good.replace("\"w1\"", "\"w9\""));
    refused("promises tensor 'w9'");
    Files.writeString(index, good.replaceFirst("\"w1\" : \"[^\"]*\",", ""));
    refused("does not list there");
    Files.writeString(index, "{\"weight_map\": {}}");
    refused("weight_map");
    Files.writeString(
        index, "{\"weight_map\": {\"a\": \"x.safetensors\", \"a\": \"y.safetensors\"}}");
    refused("uplicate");
    Files.writeString(index, good);
    Files.delete(dir.resolve("model-00002-of-00003.safetensors"));
    refused("no such file");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "../x.safetensors",
        "/etc/x.safetensors",
        "a/b.safetensors",
        "..",
        "",
        "a\\\\b.safetensors",
        "C:x.safetensors",
        "x.bin",
        "x\\n.safetensors"
      })
  void shardOutsideTheFolder(String name) throws IOException {
    Files.writeString(dir.resolve(Checkpoint.INDEX), "{\"weight_map\": {\"a\": \"" + name + "\"}}");
    refused("inside the folder");
  }

  @Test
  void missingParts() throws IOException {
    refused("neither model.safetensors nor");
    Files.delete(dir.resolve("config.json"));
    refused("config.json");
    Files.writeString(dir.resolve("config.json"), "[1]");
    refused("should be a JSON object");
    Files.writeString(dir.resolve("config.json"), "{\"a\": 1} }");
    refused("invalid JSON");
    assertThatThrownBy(() -> Checkpoint.open(dir.resolve("nowhere")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("no such checkpoint folder");
    assertThatThrownBy(() -> Checkpoint.open(dir.resolve("config.json")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("a file");
  }

  private void refused(String message) {
    assertThatThrownBy(() -> Checkpoint.open(dir))
        .isInstanceOf(InputException.class)
        .hasMessageContaining(message);
  }

  @Test
  void teacher() {
    Path folder = Path.of("../../shared/teacher-24m");
    assumeTrue(Files.isDirectory(folder), "teacher-24m is not here");
    try (Checkpoint c = Checkpoint.open(folder)) {
      assertThat(c.get("model.embed_tokens.weight", 8192, 384).dtype()).isEqualTo(DType.BF16);
      assertThat(c.bytes()).isEqualTo(48779520);
    }
  }
}
