package io.hydrahead.study.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.Repository;
import io.hydrahead.json.Json;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class StudyFactsTest {
  @TempDir Path temporary;

  @Test
  void whatRecipesTellOfArms() {
    Path root = Repository.root();
    ObjectNode arms = StudyFacts.arms(StudyRecipe.read(root.resolve("recipes/study.json")));
    assertThat(arms.get("keys-7-1-log")).isEqualTo(parsed("{\"of\": \"keys-7-1\"}"));
    assertThat(arms.get("head-7-1"))
        .isEqualTo(parsed("{\"family\": \"head\", \"contexts\": [2048, 2048, 16384]}"));
    assertThat(arms.get("vanilla")).isEmpty();
    assertThat(arms.get("keys-7-1").get("data"))
        .isEqualTo(
            parsed(
                "{\"plain\": 0.15, \"families\": {\"niah_multikey_2\": 8, \"niah_multikey_3\": 3}}"));
  }

  @Test
  void aRunThatMakesNothingKeepsWhoMadeIt() throws IOException {
    Path root = Repository.root();
    StudyFolder folder = new StudyFolder(temporary);
    Path file = folder.results().resolve("study.json");
    Files.createDirectories(folder.armFile("vanilla", 0).getParent());
    Files.writeString(folder.armFile("vanilla", 0), "{\"device\": \"cuda:1: another GPU\"}");
    Machine none =
        _ -> {
          throw new AssertionError("no device is needed");
        };
    Surroundings around =
        new Surroundings(
            List.of(none), Progress.SILENT, _ -> {}, Map.of(), "c0ffee", "this command", 1, 1);
    StudyRecipe recipe = StudyRecipe.read(root.resolve("recipes/study.json"));
    try (Workshop shop = new Workshop(recipe, folder, around, new Texts())) {
      StudyFacts.write(shop, false);
      assertThat(Json.read(file).propertyNames()).doesNotContain("commit", "command", "java");

      Path kept = root.resolve("results/study/raw/study.json");
      Files.copy(kept, file, StandardCopyOption.REPLACE_EXISTING);
      StudyFacts.write(shop, false);
      for (String field : List.of("commit", "command", "java", "hardware", "teachers", "notes")) {
        assertThat(Json.read(file).path(field)).isEqualTo(Json.read(kept).path(field));
      }
      StudyFacts.write(shop, true);
      assertThat(Json.read(file).path("commit").asString()).isEqualTo("c0ffee");
      assertThat(Json.read(file).path("command").asString()).isEqualTo("this command");
      assertThat(Json.read(file).path("hardware").asString()).isEqualTo("another GPU");
    }
  }

  private static JsonNode parsed(String json) {
    return Json.parse(json, "test");
  }
}
