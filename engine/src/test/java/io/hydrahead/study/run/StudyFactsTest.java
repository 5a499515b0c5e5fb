package io.hydrahead.study.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.Repository;
import io.hydrahead.json.Json;
import io.hydrahead.study.StudyRecipe;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class StudyFactsTest {
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

  private static JsonNode parsed(String json) {
    return Json.parse(json, "test");
  }
}
