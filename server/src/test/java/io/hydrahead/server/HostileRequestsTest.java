package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Whatever comes in: a 4xx that says what is wrong, and the server goes on. */
class HostileRequestsTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String TEXT = "/v1/completions";
  private static final String HI = "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]";

  private static Running running;

  @BeforeAll
  static void start() {
    running = new Running(ServerOptions.DEFAULT.maxBodyBytes(1 << 20));
  }

  @AfterAll
  static void stop() {
    running.close();
  }

  @AfterEach
  void healthy() {
    assertThat(running.get("/health").statusCode()).isEqualTo(200);
    assertThat(running.engine().scheduler().status().waiting()).isZero();
  }

  private static Arguments chat(String fields, String param) {
    return Arguments.of(CHAT, "{" + HI + "," + fields + "}", param);
  }

  private static Arguments text(String fields, String param) {
    return Arguments.of(TEXT, "{\"prompt\":\"hi\",\"max_tokens\":4," + fields + "}", param);
  }

  private static Arguments raw(String path, String body, String param) {
    return Arguments.of(path, body, param);
  }

  private static String repeat(String s, int n) {
    return s.repeat(n);
  }

  static Stream<Arguments> bodies() {
    String stops =
        IntStream.range(0, 10_000)
            .mapToObj(i -> "\"s" + i + "\"")
            .reduce((a, b) -> a + "," + b)
            .orElseThrow();
    String ids = repeat("5,", 300) + "5";
    return Stream.of(
        chat("\"n\":1000000000", "n"),
        chat("\"n\":-1", "n"),
        chat("\"n\":0", "n"),
        chat("\"n\":2147483648", "n"),
        chat("\"n\":1.5", "n"),
        chat("\"n\":\"2\"", "n"),
        chat("\"n\":1e9", "n"),
        chat("\"temperature\":-1", "temperature"),
        chat("\"temperature\":NaN", ""),
        chat("\"temperature\":1e400", "temperature"),
        chat("\"temperature\":\"hot\"", "temperature"),
        chat("\"temperature\":[]", "temperature"),
        chat("\"top_p\":0", "top_p"),
        chat("\"top_p\":1.01", "top_p"),
        chat("\"top_k\":-2", "top_k"),
        chat("\"top_k\":99999999999999999999", "top_k"),
        chat("\"min_p\":2", "min_p"),
        chat("\"presence_penalty\":3", "presence_penalty"),
        chat("\"frequency_penalty\":-3", "frequency_penalty"),
        chat("\"repetition_penalty\":0", "repetition_penalty"),
        chat("\"seed\":9223372036854775808", "seed"),
        chat("\"max_tokens\":0", "max_tokens"),
        chat("\"max_tokens\":-5", "max_tokens"),
        chat("\"max_tokens\":2147483648", "max_tokens"),
        chat("\"max_tokens\":2147483647", "max_tokens"),
        chat("\"max_completion_tokens\":true", "max_completion_tokens"),
        chat("\"stop\":\"\"", "stop"),
        chat("\"stop\":[" + stops + "]", "stop"),
        chat("\"stop\":[1]", "stop"),
        chat("\"stop\":\"" + repeat("x", 5000) + "\"", "stop"),
        chat("\"stop\":{}", "stop"),
        chat("\"logit_bias\":{\"x\":1}", "logit_bias"),
        chat("\"logit_bias\":{\"-1\":1}", "logit_bias"),
        chat("\"logit_bias\":{\"999999999\":1}", "logit_bias"),
        chat("\"stop_token_ids\":[999999999]", "stop_token_ids"),
        chat("\"logit_bias\":{\"1\":101}", "logit_bias"),
        chat("\"top_logprobs\":5", "top_logprobs"),
        chat("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs"),
        chat("\"stream\":\"yes\"", "stream"),
        chat("\"stream_options\":{\"include_usage\":true}", "stream_options"),
        chat("\"response_format\":{\"type\":\"json_schema\"}", "response_format"),
        chat("\"response_format\":\"json\"", "response_format"),
        chat("\"tools\":[{\"type\":\"retrieval\"}]", "tools[0].type"),
        chat("\"tools\":[1]", "tools[0]"),
        chat("\"tool_choice\":\"required\"", "tool_choice"),
        chat(
            "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "tool_choice"),
        chat("\"parallel_tool_calls\":\"no\"", "parallel_tool_calls"),
        chat("\"chat_template_kwargs\":{\"messages\":[]}", "chat_template_kwargs"),
        chat("\"nonsense\":1", "nonsense"),
        chat("\"model\":\"../../etc/passwd\"", "model"),
        chat("\"functions\":[]", "functions"),
        raw(CHAT, "{}", "messages"),
        raw(CHAT, "{\"messages\":[]}", "messages"),
        raw(CHAT, "{\"messages\":\"hi\"}", "messages"),
        raw(CHAT, "{\"messages\":[{\"role\":\"king\",\"content\":\"x\"}]}", "messages[0].role"),
        raw(CHAT, "{\"messages\":[{\"role\":\"user\"}]}", "messages[0].content"),
        raw(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":7}]}", "messages[0].content"),
        raw(
            CHAT,
            "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
            "messages[0].content[0]"),
        raw(
            CHAT,
            "{\"messages\":[{\"role\":\"user\",\"content\":\"" + repeat("word ", 2000) + "\"}]}",
            "messages"),
        raw(TEXT, "{\"max_tokens\":4}", "prompt"),
        raw(TEXT, "{\"prompt\":\"\"}", "prompt"),
        raw(TEXT, "{\"prompt\":[]}", "prompt"),
        raw(TEXT, "{\"prompt\":[[]]}", "prompt"),
        raw(TEXT, "{\"prompt\":[-1]}", "prompt"),
        raw(TEXT, "{\"prompt\":[2147483647]}", "prompt"),
        raw(TEXT, "{\"prompt\":[2147483648]}", "prompt"),
        raw(TEXT, "{\"prompt\":[1.5]}", "prompt"),
        raw(TEXT, "{\"prompt\":[1,\"a\"]}", "prompt"),
        raw(TEXT, "{\"prompt\":{\"a\":1}}", "prompt"),
        raw(TEXT, "{\"prompt\":[" + ids + "]}", "prompt"),
        raw(TEXT, "{\"prompt\":[[5],[" + ids + "]]}", "prompt[1]"),
        raw(TEXT, "{\"prompt\":[[5],[-1]]}", "prompt[1]"),
        raw(TEXT, "{\"prompt\":[" + repeat("\"a\",", 1000) + "\"a\"]}", "prompt"),
        text("\"n\":16,\"best_of\":20", "best_of"),
        text("\"suffix\":\"end\"", "suffix"),
        text("\"logprobs\":1000", "logprobs"),
        text("\"echo\":1", "echo"),
        raw("/tokenize", "{}", "prompt"),
        raw("/tokenize", "{\"prompt\":5}", "prompt"),
        raw("/detokenize", "{\"tokens\":[-1]}", "tokens"),
        raw("/detokenize", "{\"tokens\":[999999]}", "tokens"),
        raw("/detokenize", "{\"tokens\":\"all\"}", "tokens"),
        raw(CHAT, "", ""),
        raw(CHAT, "null", ""),
        raw(CHAT, "[]", ""),
        raw(CHAT, "{\"messages\":", ""),
        raw(CHAT, "{\"a\":1,\"a\":2}", ""),
        raw(CHAT, "{" + HI + "} trailing", ""),
        raw(CHAT, repeat("[", 100_000), ""),
        raw(CHAT, repeat("{\"a\":", 100_000), ""),
        raw(CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud8\"}]}", ""),
        raw(CHAT, "{\"n\":" + repeat("9", 5000) + "}", ""));
  }

  @ParameterizedTest
  @MethodSource("bodies")
  void refused(String path, String body, String param) {
    HttpResponse<String> r = running.post(path, body);
    assertThat(r.statusCode()).as(r.body()).isBetween(400, 499);
    JsonNode error = Json.parse(r.body(), "body").path("error");
    assertThat(error.path("message").asString())
        .isNotBlank()
        .doesNotContain("/work", "io.hydrahead", "Exception");
    assertThat(error.path("type").asString()).isEqualTo("invalid_request_error");
    assertThat(error.path("param").asString("")).isEqualTo(param);
  }

  @Test
  void oneTokenMoreThanFits() {
    String fits = "{\"prompt\":[" + "5,".repeat(249) + "5],\"max_tokens\":6}";
    assertThat(running.post(TEXT, fits).statusCode()).isEqualTo(200);
    HttpResponse<String> r = running.post(TEXT, fits.replace(":6}", ":7}"));
    assertThat(r.statusCode()).isEqualTo(400);
    assertThat(r.body()).contains("context_length_exceeded", "at most 256 tokens");
  }

  /**
   * The server answers before it has the whole body and closes: a client that is still sending may
   * find its connection reset before it has read the answer (RFC 9112, 9.6), but not every time.
   */
  private static HttpResponse<String> answeredWhileSending(String body) {
    for (int i = 1; ; i++) {
      try {
        return running.post(CHAT, body);
      } catch (AssertionError e) {
        if (i == 10 || !(e.getCause() instanceof IOException)) {
          throw e;
        }
      }
    }
  }

  @Test
  void bodiesThatAreTooLargeAreNotReadToTheirEnd() throws IOException {
    HttpResponse<String> r = answeredWhileSending(" ".repeat((1 << 20) + 1));
    assertThat(r.statusCode()).isEqualTo(413);
    JsonNode error = Json.parse(r.body(), "body").path("error");
    assertThat(error.path("message").asString()).contains("1048576 bytes", "--max-body");
    assertThat(error.path("code").asString()).isEqualTo("body_too_large");
    // One that says it has a gigabyte, and one that does not say and goes on and on.
    assertThat(send("Content-Length: 1073741824\r\n\r\n{")).contains(" 413 ");
    StringBuilder chunks = new StringBuilder("Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 40; i++) {
      chunks.append("10000\r\n").append(" ".repeat(65536)).append("\r\n");
    }
    assertThat(send(chunks.toString())).contains(" 413 ");
    assertThat(answer("Content-Length: 1073741824\r\n\r\n{")).contains("1048576 bytes");
    assertThat(answer(chunks.toString())).contains("1048576 bytes", "--max-body");
  }

  @Test
  void aTemplateThatLoopsOrRefuses(@TempDir Path folder) {
    String template =
        "{% if messages[0].content == 'loop' %}{% for i in range(99999) %}"
            + "{% for j in range(99999) %}{{ i * j }}{% endfor %}{% endfor %}{% endif %}"
            + "{% macro f() %}{{ f() }}{% endmacro %}"
            + "{% if messages[0].content == 'recurse' %}{{ f() }}{% endif %}"
            + "{% if messages[0].content == 'bomb' %}{{ 'x' * 999999999 }}{% endif %}"
            + "{% if messages[0].content == 'wrong' %}{{ 1 + 'x' }}{% endif %}"
            + "{{ raise_exception('I take no ' ~ messages[0].content) }}";
    try (Running r = new Running(Running.withTemplate(folder, template), ServerOptions.DEFAULT)) {
      for (String content : new String[] {"loop", "recurse", "bomb", "wrong", "nonsense"}) {
        HttpResponse<String> reply = r.post(CHAT, "{" + HI.replace("hi", content) + "}");
        assertThat(reply.statusCode()).as(content).isEqualTo(400);
        assertThat(reply.body()).contains("template_error").doesNotContain(folder.toString());
      }
      assertThat(r.post(CHAT, "{" + HI + "}").body()).contains("I take no hi");
      assertThat(r.get("/health").statusCode()).isEqualTo(200);
    }
  }

  private static String send(String rest) throws IOException {
    return answer(rest).substring(0, 60);
  }

  /** The first bytes of an answer. */
  private static String answer(String rest) throws IOException {
    try (Socket s = new Socket("127.0.0.1", running.server().port())) {
      s.setSoTimeout(20_000);
      OutputStream out = s.getOutputStream();
      String head =
          "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
      try {
        out.write((head + rest).getBytes(StandardCharsets.ISO_8859_1));
        out.flush();
      } catch (IOException e) {
        // It has answered already.
      }
      InputStream in = s.getInputStream();
      return new String(in.readNBytes(300), StandardCharsets.ISO_8859_1);
    }
  }

  /** Who stops in the middle of a body has made a mistake; the server has none. */
  @Test
  void aBodyThatBreaksOff() throws IOException {
    try (Socket s = new Socket("127.0.0.1", running.server().port())) {
      s.setSoTimeout(20_000);
      String head =
          "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
      s.getOutputStream()
          .write((head + "Content-Length: 50\r\n\r\n{\"prompt").getBytes(StandardCharsets.UTF_8));
      s.shutdownOutput();
      String answer = new String(s.getInputStream().readNBytes(60), StandardCharsets.ISO_8859_1);
      assertThat(answer).startsWith("HTTP/1.1 400");
    }
  }

  @Test
  void whatIsNoHttp() throws IOException {
    for (String garbage :
        new String[] {
          "\u0000\u0001\u0002\r\n\r\n",
          "GET\r\n\r\n",
          "GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
          "GET /" + "a".repeat(100_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
          "GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + "b".repeat(100_000) + "\r\n\r\n",
          "GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
          "GET /%00%ff%2e%2e HTTP/1.1\r\nHost: localhost\r\n\r\n",
        }) {
      try (Socket s = new Socket("127.0.0.1", running.server().port())) {
        s.setSoTimeout(20_000);
        s.getOutputStream().write(garbage.getBytes(StandardCharsets.ISO_8859_1));
        s.shutdownOutput();
        String answer = new String(s.getInputStream().readNBytes(400), StandardCharsets.ISO_8859_1);
        if (!answer.isEmpty()) {
          assertThat(answer).as(garbage.substring(0, 5)).matches("(?s)HTTP/1.1 [45].*");
          assertThat(answer).doesNotContain("io.helidon", "Exception");
        }
      } catch (IOException reset) {
        // Closing on garbage is an answer, too.
      }
    }
  }

  @Test
  void otherMediaTypesAndMethods() {
    HttpResponse<String> plain =
        running.send(
            running
                .request(CHAT)
                .header("Content-Type", "text/plain")
                .POST(BodyPublishers.ofString("{" + HI + "}"))
                .build());
    assertThat(plain.statusCode()).isEqualTo(415);
    HttpRequest none = running.request(CHAT).POST(BodyPublishers.noBody()).build();
    assertThat(running.send(none).statusCode()).isEqualTo(415);
    for (String path : List.of(CHAT, "/v1/completions", "/tokenize", "/detokenize")) {
      notAllowed(running.get(path), "POST");
      notAllowed(running.send(running.request(path).DELETE().build()), "POST");
    }
    for (String path :
        List.of("/v1/models", "/v1/models/x", "/health", "/metrics", "/", "/page/api.js")) {
      notAllowed(running.post(path, "{}"), "GET, HEAD");
    }
    assertThat(running.post("/nowhere", "{}").statusCode()).isEqualTo(404);
    byte[] bad = {'{', '"', (byte) 0xC3, '"', ':', '1', '}'};
    HttpResponse<String> utf8 =
        running.send(
            running
                .request(CHAT)
                .header("Content-Type", "application/json")
                .POST(BodyPublishers.ofByteArray(bad))
                .build());
    assertThat(utf8.statusCode()).isEqualTo(400);
    assertThat(utf8.body()).contains("UTF-8");
  }

  private static void notAllowed(HttpResponse<String> r, String instead) {
    assertThat(r.statusCode()).as(r.uri() + r.body()).isEqualTo(405);
    assertThat(r.headers().firstValue("Allow")).hasValue(instead);
    assertThat(Json.parse(r.body(), "body").at("/error/code").asString())
        .isEqualTo("method_not_allowed");
  }
}
