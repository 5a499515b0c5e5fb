package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** Fields that only a template can make something of: told where it does not. */
class TemplateFieldsTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String HI = "{\"role\":\"user\",\"content\":\"hi\"}";
  private static final String TOOLS =
      "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":{}}}]";
  private static final String CALL =
      "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\","
          + "\"function\":{\"name\":\"weather\",\"arguments\":\"{}\"}}]}";
  private static final String RESULT =
      "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"rain\"}";

  private static Running plain;
  private static Running qwen;

  @BeforeAll
  static void start(@TempDir Path folder) {
    plain = new Running();
    qwen = new Running(Running.withQwen3Template(folder), ServerOptions.DEFAULT);
  }

  @AfterAll
  static void stop() {
    plain.close();
    qwen.close();
  }

  private static String body(String messages, String fields) {
    return "{\"max_tokens\":1,\"messages\":[" + messages + "]" + fields + "}";
  }

  private static void refused(Running r, String body, String param, String... words) {
    for (String path : new String[] {CHAT, "/tokenize"}) {
      String asked = path.equals(CHAT) ? body : body.replace("\"max_tokens\":1,", "");
      HttpResponse<String> reply = r.post(path, asked);
      assertThat(reply.statusCode()).as(reply.body()).isEqualTo(400);
      JsonNode error = Json.parse(reply.body(), "body").path("error");
      assertThat(error.path("param").asString()).isEqualTo(param);
      assertThat(error.path("code").asString()).isEqualTo("unsupported");
      assertThat(error.path("message").asString()).contains(words);
    }
  }

  /** Ids as text, of what {@code /tokenize} says. */
  private static String prompt(Running r, String messages, String fields) {
    JsonNode tokens = r.ask("/tokenize", "{\"messages\":[" + messages + "]" + fields + "}");
    return r.ask("/detokenize", "{\"tokens\":" + tokens.path("tokens") + "}")
        .path("prompt")
        .asString();
  }

  @Test
  void toolsThatTheTemplateDoesNotShow() {
    refused(plain, body(HI, "," + TOOLS), "tools", "does not show functions");
    plain.ask(CHAT, body(HI, "," + TOOLS + ",\"tool_choice\":\"none\""));
    assertThat(prompt(qwen, HI, "," + TOOLS)).contains("weather");
  }

  @Test
  void variablesThatTheTemplateDoesNotRead() {
    refused(
        plain,
        body(HI, ",\"chat_template_kwargs\":{\"enable_thinking\":false}"),
        "chat_template_kwargs.enable_thinking",
        "does not read it. It reads no such variable at all.");
    refused(
        plain,
        body(HI, ",\"reasoning_effort\":\"low\""),
        "reasoning_effort",
        "would change nothing");
    refused(
        qwen,
        body(HI, ",\"reasoning_effort\":\"low\""),
        "reasoning_effort",
        "It reads enable_thinking.");
    refused(
        qwen,
        body(HI, ",\"chat_template_kwargs\":{\"enable_thinkin\":false}"),
        "chat_template_kwargs.enable_thinkin",
        "It reads enable_thinking.");
    // The default, which changes no letter of the prompt, is no slip.
    for (String value : new String[] {"true", "false", "null"}) {
      qwen.ask(CHAT, body(HI, ",\"chat_template_kwargs\":{\"enable_thinking\":" + value + "}"));
    }
    String off = prompt(qwen, HI, ",\"chat_template_kwargs\":{\"enable_thinking\":false}");
    assertThat(off).endsWith("<think>\n\n</think>\n\n");
  }

  /**
   * What only a macro reads is read; what is a loop's own, and what stands in a comment, is not.
   */
  @Test
  void decidesByWhatTheTemplateDoes(@TempDir Path folder) {
    String template =
        "{# tools, comment #}{% macro say(m) %}{{ m.content }}{{ mood }}"
            + "{% if reasoning_effort is defined %}{{ reasoning_effort }}{% endif %}{% endmacro %}"
            + "{% if tools %}{% set shown = tools %}{% endif %}"
            + "{% for turn in messages %}{{ say(turn) }}{% endfor %}";
    try (Running r = new Running(Running.withTemplate(folder, template), ServerOptions.DEFAULT)) {
      assertThat(prompt(r, HI, ",\"chat_template_kwargs\":{\"mood\":\" glad\"}"))
          .isEqualTo("hi glad");
      assertThat(prompt(r, HI, ",\"reasoning_effort\":\" high\"")).isEqualTo("hi high");
      refused(
          r,
          body(HI, ",\"chat_template_kwargs\":{\"turn\":1}"),
          "chat_template_kwargs.turn",
          "It reads mood, reasoning_effort.");
      refused(
          r,
          body(HI, ",\"chat_template_kwargs\":{\"comment\":1}"),
          "chat_template_kwargs.comment",
          "would change nothing");
      refused(r, body(HI, "," + TOOLS), "tools", "does not show functions");
    }
  }

  @Test
  void turnsWithCallsAndNoContent() {
    String turns = HI + "," + CALL + "," + RESULT;
    refused(
        plain,
        body(turns, ""),
        "messages[1].tool_calls",
        "does not show calls of functions; write the call as text in 'content'");
    assertThat(prompt(qwen, turns, ""))
        .contains("<tool_call>", "weather", "rain")
        .doesNotContain("None");
    HttpResponse<String> r = qwen.post(CHAT, body(turns, ""));
    assertThat(r.statusCode()).as(r.body()).isEqualTo(200);
    assertThat(r.headers().firstValue("X-HydraHead-Ignored")).hasValue("messages[].tool_call_id");
    String thought = "{\"role\":\"assistant\",\"content\":null,\"reasoning_content\":\"hm\"}";
    HttpResponse<String> t = plain.post(CHAT, body(HI + "," + thought + "," + HI, ""));
    assertThat(t.statusCode()).as(t.body()).isEqualTo(200);
    assertThat(t.headers().firstValue("X-HydraHead-Ignored"))
        .hasValue("messages[].reasoning_content");
  }

  /** A template that shows calls and cannot write null has an empty text instead. */
  @Test
  void nullContentForTemplatesThatAddTexts(@TempDir Path folder) {
    String template =
        "{% for m in messages %}{{ '<' + m.content + '>' }}"
            + "{% for c in m.tool_calls or [] %}{{ c.function.name + c.function.arguments }}{% endfor %}"
            + "{% endfor %}";
    try (Running r = new Running(Running.withTemplate(folder, template), ServerOptions.DEFAULT)) {
      assertThat(prompt(r, HI + "," + CALL + "," + RESULT, "")).isEqualTo("<hi><>weather{}<rain>");
    }
  }

  @Test
  void ignoredFieldsOfManyMessagesAreNamedOnce() {
    String refusal = "{\"role\":\"assistant\",\"content\":\"no\",\"refusal\":\"no\"},";
    HttpResponse<String> r = plain.post(CHAT, body(refusal.repeat(3) + HI, ""));
    assertThat(r.statusCode()).as(r.body()).isEqualTo(200);
    assertThat(r.headers().firstValue("X-HydraHead-Ignored")).hasValue("messages[].refusal");
  }

  @Test
  void fieldsOfChatsBesideAText() {
    for (String field : new String[] {TOOLS, "\"chat_template_kwargs\":{\"a\":1}"}) {
      HttpResponse<String> r = plain.post("/tokenize", "{\"prompt\":\"a\"," + field + "}");
      assertThat(r.statusCode()).isEqualTo(400);
      assertThat(r.body()).contains("it goes with 'messages'");
    }
  }
}
