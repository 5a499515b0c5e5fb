package io.hydrahead.server.engine;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.server.engine.ToolCallText.Call;
import io.hydrahead.server.engine.ToolCallText.Piece;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ToolCallTextTest {
  private static final Set<String> FUNCTIONS = Set.of("weather", "now");
  private static final String PARIS =
      block("{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}");
  private static final String NOW = block("{\"name\": \"now\", \"arguments\": {}}");
  private static final Call CALL_PARIS = new Call("weather", "{\"city\": \"Paris\"}");
  private static final Call CALL_NOW = new Call("now", "{}");

  private static String block(String json) {
    return "<tool_call>\n" + json + "\n</tool_call>";
  }

  /** A reply's text, parted as it comes in the given pieces. */
  private static Piece read(ToolCallText t, List<String> pieces) {
    StringBuilder said = new StringBuilder();
    List<Call> calls = new ArrayList<>();
    for (String p : pieces) {
      Piece news = t.push(p);
      said.append(news.text());
      calls.addAll(news.calls());
    }
    Piece rest = t.finish();
    calls.addAll(rest.calls());
    return new Piece(said + rest.text(), calls);
  }

  private static List<String> letters(String text) {
    return text.chars().mapToObj(c -> String.valueOf((char) c)).toList();
  }

  private static ToolCallText many() {
    return new ToolCallText(FUNCTIONS, true, false);
  }

  /** The same whether the text comes at once, letter by letter, or in two parts anywhere. */
  private static void assertParts(String text, String said, Call... calls) {
    Piece want = new Piece(said, List.of(calls));
    assertThat(read(many(), List.of(text))).isEqualTo(want);
    assertThat(read(many(), letters(text))).isEqualTo(want);
    for (int i = 0; i <= text.length(); i++) {
      assertThat(read(many(), List.of(text.substring(0, i), text.substring(i))))
          .as("parted at %s", i)
          .isEqualTo(want);
    }
  }

  static Stream<Arguments> calls() {
    String odd =
        "{\"arguments\":{\"city\":\"Aix </tool_call> \\\"é🦊\\\" <tool_call>\",\"n\":[1.50,{}]},\"name\":\"weather\",\"id\":7}";
    return Stream.of(
        Arguments.of(PARIS, "", new Call[] {CALL_PARIS}),
        Arguments.of("  " + PARIS + "\n", "", new Call[] {CALL_PARIS}),
        Arguments.of("Let me see.\n" + PARIS, "Let me see.", new Call[] {CALL_PARIS}),
        Arguments.of(PARIS + "\n" + NOW, "", new Call[] {CALL_PARIS, CALL_NOW}),
        Arguments.of("One. " + PARIS + " Two.", "One. Two.", new Call[] {CALL_PARIS}),
        Arguments.of(
            "<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>",
            "",
            new Call[] {CALL_NOW}),
        Arguments.of(
            block(odd),
            "",
            new Call[] {
              new Call(
                  "weather",
                  "{\"city\":\"Aix </tool_call> \\\"é🦊\\\" <tool_call>\",\"n\":[1.50,{}]}")
            }),
        Arguments.of(
            "<think>\nNot " + NOW + "?\n</think>\n\n" + PARIS,
            "<think>\nNot " + NOW + "?\n</think>",
            new Call[] {CALL_PARIS}),
        // A block that is none does not hide the one behind it.
        Arguments.of("<tool_call>\n" + NOW, "<tool_call>", new Call[] {CALL_NOW}),
        Arguments.of(
            "<tool_call>\n{\"name\": \"now\n" + NOW,
            "<tool_call>\n{\"name\": \"now",
            new Call[] {CALL_NOW}),
        Arguments.of("a <think> " + NOW, "a <think>", new Call[] {CALL_NOW}));
  }

  @ParameterizedTest
  @MethodSource
  void calls(String text, String said, Call[] calls) {
    assertParts(text, said, calls);
  }

  static Stream<String> texts() {
    return Stream.of(
        "",
        " \n ",
        "A plain reply.\n",
        "1 < 2, <b>, <tool, <tool_cal l>, </tool_call>, <think>",
        "<tool_call>",
        "<tool_call>\n" + "{\"name\": \"now\", \"arguments\": {}}\n",
        "<tool_call>\n" + "{\"name\": \"now\", \"arguments\": {}}\n</tool_call",
        "<tool_call>\n" + "{\"name\": \"now\", \"arguments\": {}} or so\n</tool_call>",
        block(""),
        block("now()"),
        block("[]"),
        block("{}"),
        block("{\"name\": \"now\"}"),
        block("{\"name\": \"now\", \"arguments\": null}"),
        block("{\"name\": \"now\", \"arguments\": \"{}\"}"),
        block("{\"name\": \"now\", \"arguments\": []}"),
        block("{\"name\": 1, \"arguments\": {}}"),
        block("{\"name\": \"rm\", \"arguments\": {}}"),
        block("{\"name\": \"now\", \"name\": \"now\", \"arguments\": {}}"),
        block("{\"name\": \"now\", \"arguments\": {\"a\": 1, \"a\": 2}}"),
        block("{'name': 'now', 'arguments': {}}"),
        block("{\"name\": \"now\", \"arguments\": {}"),
        block("{\"name\": \"now\", \"arguments\": {\"a\": 01}}"),
        block("<function=now>\n</function>"),
        "<think>\n" + NOW,
        "<think>\n" + NOW + "\n</think>\nNo.\n");
  }

  @ParameterizedTest
  @MethodSource("texts")
  void whatIsNoCallIsSaid(String text) {
    assertParts(text, text);
  }

  @Test
  void whatCannotBeACallIsSaidAtOnce() {
    ToolCallText t = many();
    assertThat(t.push("Hello, ").text()).isEqualTo("Hello,");
    assertThat(t.push("you <").text()).isEqualTo(" you");
    assertThat(t.push("b").text()).isEqualTo(" <b");
    assertThat(t.push("<tool_call>{\"name\":").text()).isEmpty();
    assertThat(t.push(" now").text()).isEqualTo("<tool_call>{\"name\": now");
    assertThat(t.push(" ".repeat(500)).text()).isEqualTo(" ".repeat(400));
  }

  @Test
  void withoutFunctionsEverythingIsSaid() {
    ToolCallText t = new ToolCallText(Set.of(), true, false);
    assertThat(t.push("Hi \n").text()).isEqualTo("Hi \n");
    assertThat(read(t, List.of(PARIS))).isEqualTo(new Piece(PARIS, List.of()));
  }

  @Test
  void oneCallWhereOneIsAllowed() {
    String text = "So: " + PARIS + "\n" + NOW + " and more";
    for (List<String> pieces : List.of(List.of(text), letters(text))) {
      ToolCallText t = new ToolCallText(FUNCTIONS, false, false);
      assertThat(read(t, pieces)).isEqualTo(new Piece("So:", List.of(CALL_PARIS)));
      assertThat(t.complete()).isTrue();
    }
    assertThat(new ToolCallText(FUNCTIONS, false, false).complete()).isFalse();
  }

  @Test
  void aPromptMayHaveBegunToThink() {
    String text = "Is it " + NOW + "?</think>" + PARIS;
    Piece want = new Piece("Is it " + NOW + "?</think>", List.of(CALL_PARIS));
    assertThat(read(new ToolCallText(FUNCTIONS, true, true), letters(text))).isEqualTo(want);
    assertThat(read(new ToolCallText(FUNCTIONS, true, true), List.of(text))).isEqualTo(want);
  }

  /** Random heaps of what calls are made of: how they come does not matter, and nothing is lost. */
  @Test
  void piecesDoNotMatter() {
    String[] parts = {
      "<tool_call>",
      "</tool_call>",
      "<think>",
      "</think>",
      "\n",
      " ",
      "{",
      "}",
      "\"",
      "<",
      "a",
      "{\"name\": \"now\", \"arguments\": {}}",
      PARIS,
      NOW,
      "\\",
      "é"
    };
    int called = 0;
    for (int seed = 0; seed < 5_000; seed++) {
      Random random = new Random(seed);
      StringBuilder text = new StringBuilder();
      List<String> pieces = new ArrayList<>();
      for (int i = random.nextInt(12); i >= 0; i--) {
        String part = parts[random.nextInt(parts.length)];
        text.append(part);
        int at = random.nextInt(part.length() + 1);
        pieces.add(part.substring(0, at));
        pieces.add(part.substring(at));
      }
      Piece whole = read(many(), List.of(text.toString()));
      assertThat(read(many(), pieces)).as("seed %s: %s", seed, text).isEqualTo(whole);
      assertThat(read(many(), letters(text.toString()))).as("seed %s", seed).isEqualTo(whole);
      called += whole.calls().size();
      if (whole.calls().isEmpty()) {
        assertThat(whole.text()).isEqualTo(text.toString());
      }
    }
    assertThat(called).isGreaterThan(1_000);
  }
}
