package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** What is wrong, what was given, and what would do. */
class ErrorMessagesTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String TEXT = "/v1/completions";

  private static Running running;

  @BeforeAll
  static void start() {
    running = new Running();
  }

  @AfterAll
  static void stop() {
    running.close();
  }

  private static void expect(String path, String body, int status, String param, String message) {
    HttpResponse<String> r = running.post(path, body);
    assertThat(r.statusCode()).as(r.body()).isEqualTo(status);
    JsonNode error = Json.parse(r.body(), "body").path("error");
    assertThat(error.path("message").asString()).contains(message);
    assertThat(error.path("param").asString("")).isEqualTo(param);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"stop\":5 | stop | a string or a list of at most 16 strings, of 1 to 1000 characters each, not 5.",
        "\"stop\":[\"a\",5] | stop | each; 5 is none.",
        "\"stop\":\"\" | stop | each; \"\" is none.",
        "\"temperature\":3 | temperature | must be a number from 0 to 2, not 3.",
        "\"temperature\":\"hot\" | temperature | from 0 to 2, not \"hot\".",
        "\"min_p\":[1] | min_p | from 0 to 1, not a list.",
        "\"n\":17 | n | a whole number from 1 to 16, not 17.",
        "\"max_tokens\":1.5 | max_tokens | a whole number from 0 to 2147483647, not 1.5.",
        "\"max_tokens\":99999999999 | max_tokens | a whole number from 0 to 2147483647, not 99999999999.",
        "\"top_k\":99999999999 | top_k | a whole number from -1 to 2147483647, not 99999999999.",
        "\"repetition_penalty\":11 | repetition_penalty | must be a number above 0 and at most 10, not 11.",
        "\"repetition_penalty\":0 | repetition_penalty | must be a number above 0 and at most 10, not 0.",
        "\"top_p\":0 | top_p | must be a number above 0 and at most 1, not 0.",
        "\"top_p\":2 | top_p | must be a number above 0 and at most 1, not 2.",
        "\"temperature\":1e999 | temperature | not a number beyond",
        "\"stop_token_ids\":[-1] | stop_token_ids | the token id -1; this model's are from 0 to 1023.",
        "\"stream\":\"yes\" | stream | must be true or false, not \"yes\".",
        "\"logit_bias\":{\"5\":200} | logit_bias | from -100 to 100; 5: 200 is none of these.",
        "\"logit_bias\":{\"99999\":1} | logit_bias | has the token id 99999; this model's are from 0 to 1023.",
        "\"stop_token_ids\":[99999] | stop_token_ids | the token id 99999; this model's are from 0 to 1023.",
        "\"stop_token_ids\":[\"a\"] | stop_token_ids | a list of token ids; \"a\" is none.",
        "\"temprature\":1 | temprature | is no field of this request; did you mean 'temperature'?",
        "\"foo\":1 | foo | 'foo' is no field of this request.",
      })
  void ofFields(String field, String param, String message) {
    expect(TEXT, "{\"prompt\":\"a\"," + field + "}", 400, param, message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"role\":\"user\",\"content\":5 | content | must be a text or a list of parts such as {\"type\": \"text\", \"text\": \"…\"}, not 5.",
        "\"role\":\"user\",\"content\":[] | content | , not an empty list.",
        "\"role\":\"user\",\"content\":null | content | is missing; it must be a text or a list of parts",
        "\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}] | content[0] | is of type \"image_url\"; the model reads parts of type \"text\" only.",
        "\"role\":\"user\",\"content\":\"a\\ud800b\" | content | has \\ud800, half of a character",
        "\"role\":\"tool\",\"content\":\"a\",\"tool_call_id\":\"x\" | tool_call_id | must be the id of a call before it, and no message before it has tool_calls, not \"x\".",
        "\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{city\"}}] | tool_calls[0].function.arguments | must be a text that holds a JSON object, not \"{city\".",
        "\"role\":\"user\",\"content\":[\"a\"] | content[0] | must be an object, not \"a\".",
        "\"role\":\"assistant\",\"content\":null | content | and may be null beside 'tool_calls' or 'reasoning_content' only.",
        "\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":\"\"} | function_call | is not supported: write tool_calls.",
      })
  void ofMessages(String message, String param, String words) {
    expect(CHAT, "{\"messages\":[{" + message + "}]}", 400, "messages[0]." + param, words);
  }

  @Test
  void ofWhatIsTooLong() {
    String ids = "5,".repeat(249) + "5";
    expect(
        TEXT,
        "{\"prompt\":[" + ids + "],\"max_tokens\":7}",
        400,
        "max_tokens",
        "the prompt has 250 and the reply may have 7. Ask for at most 6 tokens, or shorten the prompt"
            + " to 249 tokens.");
    expect(
        TEXT,
        "{\"prompt\":[" + ids + "," + ids + "],\"max_tokens\":7}",
        400,
        "prompt",
        "the reply may have 7. Shorten the prompt to 249 tokens.");
    expect(
        TEXT,
        "{\"prompt\":[[5],[" + ids + "]],\"max_tokens\":300}",
        400,
        "max_tokens",
        "Ask for at most 255 tokens.");
    String hi = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],";
    expect(CHAT, hi + "\"max_tokens\":400}", 400, "max_tokens", "Ask for at most ");
    expect(
        CHAT,
        hi + "\"max_completion_tokens\":400}",
        400,
        "max_completion_tokens",
        "Ask for at most ");
    expect(
        CHAT,
        hi.replace("hi", "word ".repeat(400)) + "\"n\":1}",
        400,
        "messages",
        "Shorten the prompt to 255 tokens.");
  }

  /** What the message advises does fit. */
  @Test
  void whatItAdvisesFits() {
    String ids = "5,".repeat(249) + "5";
    running.ask(TEXT, "{\"prompt\":[" + ids + "],\"max_tokens\":6}");
    running.ask(TEXT, "{\"prompt\":[" + ids.substring(2) + "],\"max_tokens\":7}");
  }

  @Test
  void ofPathsAndJson() {
    expect(
        "/chat/completions",
        "{}",
        404,
        "",
        "no POST /chat/completions here; OpenAI's endpoints are /v1/");
    expect(TEXT, "{\"prompt\":\n  tru}", 400, "", "body: invalid JSON at line 2, column ");
    expect(TEXT, "[1]", 400, "", "must be a JSON object, not a list.");
    expect(TEXT, "{\"messages\":[]}", 400, "prompt", "go to /v1/chat/completions.");
    expect(CHAT, "{\"prompt\":\"a\"}", 400, "messages", "go to /v1/completions.");
    HttpResponse<String> type =
        running.send(
            running
                .request(TEXT)
                .header("Content-Type", "text/plain")
                .POST(BodyPublishers.ofString("{}"))
                .build());
    assertThat(type.body()).contains("application/json, not text/plain.");
    HttpResponse<String> get = running.get(TEXT);
    assertThat(get.body()).contains("This path takes POST requests only.");
    assertThat(running.post("/v1/models", "{}").body()).contains("GET and HEAD requests only.");
  }

  private static final String HI = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "\"tool_choice\":\"banana\" | tool_choice | must be one of auto, none, not \"banana\".",
        "\"tool_choice\":\"required\" | tool_choice | a call cannot be enforced; write \"auto\" or \"none\", not \"required\".",
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"\"}}] | tools[0].function.name | must be the name of a function, not \"\".",
        "\"tools\":[{\"function\":{\"name\":\"f\"}},{\"function\":{\"name\":\"f\"}}] | tools[1].function.name | is that of another tool, too: \"f\"",
        "\"tools\":[{\"function\":{\"name\":\"f\"}}],\"response_format\":{\"type\":\"json_object\"} | response_format | cannot stand beside 'tools'",
      })
  void ofTools(String fields, String param, String message) {
    expect(CHAT, HI + fields + "}", 400, param, message);
  }

  @Test
  void anEmptyNameIsNoModel() {
    for (String path : new String[] {CHAT, TEXT, "/tokenize"}) {
      String asked = path.equals(CHAT) ? HI : "{\"prompt\":\"a\",";
      expect(path, asked + "\"model\":\"\"}", 404, "model", "The model '' does not exist");
      running.ask(path, asked + "\"model\":null}");
    }
  }

  /** Clients send the fields of all kinds of messages, filled or not. */
  @Test
  void fieldsThatAreNullAreLeftOut() {
    String nulls =
        "\"refusal\":null,\"annotations\":null,\"tool_calls\":null,\"function_call\":null,"
            + "\"audio\":null,\"name\":null,\"tool_call_id\":null,\"reasoning_content\":null";
    for (String role : new String[] {"system", "user", "assistant"}) {
      String message = "{\"role\":\"" + role + "\",\"content\":\"hi\"," + nulls + "}";
      running.ask(CHAT, "{\"max_tokens\":1,\"messages\":[" + message + "]}");
    }
    expect(
        CHAT,
        "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\",\"tool_calls\":[]}]}",
        400,
        "messages[0].tool_calls",
        "is no field of this request");
  }

  @Test
  void ofTokensAndMarks() {
    expect(
        "/detokenize",
        "{\"tokens\":[-1]}",
        400,
        "tokens",
        "has the token id -1; this model's are from 0 to 1023.");
    expect(TEXT, "\uFEFF{\"prompt\":\"a\"}", 400, "", "begins with a byte order mark");
    expect(TEXT, "{\"prompt\":[\"a\",\"\\udc00\"]}", 400, "prompt[1]", "has \\udc00, half");
    running.ask(TEXT, "{\"prompt\":\"\\ud83d\\ude00\",\"max_tokens\":1}");
  }
}
