package io.hydrahead.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Fails when Jackson changes its words, which ours are told from. */
class JsonFaultsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"a\":1,\"a\":2} | line 1, column 11: duplicate name \"a\"",
        "{\"a\": | ends too early: a value or closing bracket is missing",
        "[1, 2 | ends too early: a value or closing bracket is missing",
        "{\"a\":\"b | ends inside a text or name, whose closing quote is missing",
        "{\"a | ends inside a text or name, whose closing quote is missing",
        "{'a':1} | line 1, column 2: a name in double quotes is expected, not '",
        "{\"a\":1,} | a name in double quotes is expected, not }",
        "{\"a\" 5} | a colon is expected behind the name, not 5",
        "{\"a\":1 \"b\":2} | a comma or a closing bracket is expected, not \"",
        "[1 2] | a comma or a closing bracket is expected, not 2",
        "[1} | } closes nothing that is open",
        "\"\\ud8\" | \\u takes four hexadecimal digits",
        "\"\\x\" | there is no such escape behind a \\",
        "{} x | x is no JSON value",
        "{} {} | more follows behind its end",
        "[01] | a number cannot begin with 0",
        "[1.] | this is no JSON number",
        "[+1] | this is no JSON number",
        "[-] | this is no JSON number",
        "[NaN] | NaN is no JSON value; numbers are finite there",
        "[tru] | tru is no JSON value; texts are in double quotes",
        "hello | hello is no JSON value",
        "[;] | ; is not expected here",
      })
  void saysWhatIsWrongInItsOwnWords(String text, String words) {
    assertThatThrownBy(() -> Json.parse(text, "body"))
        .isInstanceOf(InputException.class)
        .hasMessageStartingWith("body: invalid JSON at line ")
        .hasMessageContaining(words)
        .message()
        .doesNotContain("Source", "REDACTED", "Object property", "Feature", "JsonToken", "code ");
  }

  @Test
  void saysWhatIsTooMuch() {
    for (String[] c :
        new String[][] {
          {"[".repeat(300), "it is nested more than 200 levels deep"},
          {"[" + "9".repeat(5000) + "]", "a number has more than 1000 digits"},
          {"\"a\nb\"", "a line break or control character in a text is written as an escape"},
          {"[" + "x".repeat(5000) + "]", "is no JSON value"},
        }) {
      assertThatThrownBy(() -> Json.parse(c[0], "body"))
          .hasMessageContaining(c[1])
          .message()
          .hasSizeLessThan(250)
          .doesNotContain("StreamReadConstraints");
    }
    assertThatThrownBy(() -> Json.parse("{\n  \"a\": b\n}", "file.json"))
        .hasMessageStartingWith("file.json: invalid JSON at line 2, column ");
    assertThat(Json.parse("[\"fine\"]", "body").size()).isEqualTo(1);
  }
}
