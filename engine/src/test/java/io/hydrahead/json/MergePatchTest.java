package io.hydrahead.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

class MergePatchTest {
  @TempDir Path folder;

  private static ObjectNode json(String text) {
    return (ObjectNode) Json.parse(text.replace('\'', '"'), "test");
  }

  /** Cases of RFC 7396, appendix A. */
  @Test
  void patchesAsTheStandardSays() {
    String[][] cases = {
      {"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
      {"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
      {"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
      {"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
      {"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
      {"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
      {"{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
      {"{'e':null}", "{'a':1}", "{'e':null,'a':1}"}
    };
    for (String[] c : cases) {
      ObjectNode base = json(c[0]);
      assertThat((JsonNode) MergePatch.apply(base, json(c[1]))).isEqualTo(json(c[2]));
      assertThat((JsonNode) base).as("the base stays").isEqualTo(json(c[0]));
    }
  }

  @Test
  void filesExtendOthers() throws IOException {
    Files.createDirectories(folder.resolve("sub"));
    Files.writeString(folder.resolve("a.json"), "{\"x\": {\"p\": 1, \"q\": 2}, \"y\": 3}");
    Files.writeString(
        folder.resolve("b.json"), "{\"extends\": \"a.json\", \"x\": {\"q\": 5}, \"y\": null}");
    Path c = Files.writeString(folder.resolve("sub/c.json"), "{\"extends\": \"../b.json\"}");
    assertThat((JsonNode) MergePatch.read(c)).isEqualTo(json("{'x': {'p': 1, 'q': 5}}"));
    Files.writeString(folder.resolve("a.json"), "{\"extends\": \"sub/c.json\"}");
    assertThatThrownBy(() -> MergePatch.read(c))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("extends itself");
  }
}
