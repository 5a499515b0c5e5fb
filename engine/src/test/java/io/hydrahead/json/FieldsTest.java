package io.hydrahead.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FieldsTest {
  private enum Colour {
    DARK_RED,
    BLUE
  }

  private static Fields of(String json) {
    return Fields.parse(json, "r.json", Path.of("/recipes"));
  }

  private static void refuses(Executable e, String... parts) {
    assertThatThrownBy(e::execute)
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith("r.json: ")
        .hasMessageContainingAll(parts)
        .message()
        .doesNotContain("\n");
  }

  @Test
  void readsWhatIsThereAndFallsBackWhereNothingIs() {
    Fields f =
        of(
            "{\"n\": 3, \"big\": 3e6, \"x\": 0.5, \"b\": true, \"c\": \"dark_red\", \"p\": \"../a\","
                + "\"o\": {\"l\": [{\"k\": 1}, {\"k\": 2}]}}");
    assertThat(f.integer("n", 1, 5)).isEqualTo(3);
    assertThat(f.count("big", 0, Long.MAX_VALUE)).isEqualTo(3_000_000);
    assertThat(f.number("x", 0, 1)).isEqualTo(0.5);
    assertThat(f.flag("b", false)).isTrue();
    assertThat(f.choice("c", Colour.class)).isEqualTo(Colour.DARK_RED);
    assertThat(f.file("p")).isEqualTo(Path.of("/a"));
    assertThat(f.object("o").objects("l").get(1).path()).isEqualTo("$.o.l[1]");
    assertThat(f.object("o").objects("l").get(1).integer("k", 0, 9)).isEqualTo(2);
    assertThat(f.number("absent", 0, 1, 0.25)).isEqualTo(0.25);
    assertThat(f.objectOrEmpty("absent").integer("n", 1, 5, 4)).isEqualTo(4);
    f.end();
  }

  @Test
  void namesFieldValueAndFix() {
    refuses(() -> of("{\"lr\": 7}").number("lr", 0, 1), "$.lr = 7", "from 0 to 1");
    refuses(() -> of("{\"lr\": \"1e-3\"}").number("lr", 0, 1), "$.lr = \"1e-3\"", "without quotes");
    refuses(() -> of("{\"n\": 2.5}").integer("n", 1, 5), "$.n = 2.5", "whole number");
    refuses(() -> of("{\"n\": 1e40}").count("n", 1, 5), "$.n", "whole number");
    refuses(() -> of("{\"n\": 99999999999999999999}").count("n", 1, 5), "$.n", "whole number");
    refuses(() -> of("{}").text("name"), "$.name", "missing");
    refuses(() -> of("{\"name\": \" \"}").text("name"), "$.name", "not empty");
    refuses(() -> of("{\"b\": 1}").flag("b", true), "$.b = 1", "true or false");
    refuses(() -> of("{\"c\": \"RED\"}").choice("c", Colour.class), "\"dark_red\", \"blue\"");
    refuses(() -> of("{\"l\": []}").objects("l"), "$.l = []", "at least one");
    refuses(() -> of("{\"l\": [1]}").objects("l"), "$.l[0]", "JSON object");
    refuses(() -> of("{\"o\": 1}").object("o"), "$.o = 1", "JSON object");
    refuses(() -> of("{\"p\": \"a\\u0000b\"}").file("p"), "$.p", "path");
  }

  @Test
  void refusesUnknownFields() {
    Fields f = of("{\"lr\": 1, \"l_r\": 2}");
    f.number("lr", 0, 1);
    f.number("clip", 0, 1, 1);
    refuses(f::end, "$.l_r = 2", "lr, clip");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", "[1]", "{\"a\": 1,}", "{\"a\": 1} x", "{\"a\": NaN}", "{\"a\": 1, \"a\": 2}"})
  void refusesWhatIsNotOneStrictObject(String text) {
    refuses(() -> of(text), "JSON");
  }

  @Test
  void namesAFileThatCannotBeRead() {
    assertThatThrownBy(() -> Fields.read(Path.of("/no/such/recipe.json")))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("/no/such/recipe.json: cannot be read");
  }
}
