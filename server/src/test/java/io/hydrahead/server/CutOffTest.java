package io.hydrahead.server;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.errors.OpenAIException;
import com.openai.models.completions.CompletionCreateParams;
import io.hydrahead.json.Json;
import io.hydrahead.server.engine.Watched;
import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** What clients are told of replies that the server does not bring to their ends. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class CutOffTest {
  private static final String COMPLETIONS = "/v1/completions";
  private static final String CHAT = "/v1/chat/completions";
  private static final String LENGTH = ", \"max_tokens\": 200, \"ignore_eos\": true";
  private static final String PROMPT = "{\"prompt\": \"The key\"" + LENGTH;
  private static final String MESSAGES =
      "{\"messages\": [{\"role\": \"user\", \"content\": \"The key\"}]" + LENGTH;
  private static final String STREAM = ", \"stream\": true}";

  /** Without signs of life, so that a whole reply has a status of its own. */
  private static final ServerOptions OPTIONS =
      ServerOptions.DEFAULT.port(0).heartbeat(Duration.ofMinutes(1));

  /** Enough to begin three replies, far from enough to end one. */
  private static final int TURNS = 12;

  private final HttpClient client = HttpClient.newHttpClient();

  private CompletableFuture<HttpResponse<String>> post(
      HydraServer server, String path, String body) {
    HttpRequest request =
        HttpRequest.newBuilder(server.uri().resolve(path))
            .header("Content-Type", "application/json")
            .timeout(Duration.ofSeconds(30))
            .POST(BodyPublishers.ofString(body))
            .build();
    return client.sendAsync(request, BodyHandlers.ofString());
  }

  private int ready(HydraServer server) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(server.uri().resolve("/ready")).build();
    return client.send(request, BodyHandlers.ofString()).statusCode();
  }

  /** The code of the error that a stream ends with, after some of a reply. */
  private static String lastOf(HttpResponse<String> stream) {
    assertThat(stream.statusCode()).isEqualTo(200);
    assertThat(stream.body())
        .contains("\"choices\":")
        .endsWith("\n\n")
        .doesNotContain("[DONE]")
        .doesNotContain("\"finish_reason\":\"");
    String[] events = stream.body().split("\n\n");
    String last = events[events.length - 1];
    assertThat(last).startsWith("data: ");
    return code(last.substring("data: ".length()));
  }

  private static String code(String body) {
    JsonNode error = Json.parse(body, "body").path("error");
    return error.path("code").asString();
  }

  private static void awaitWaiting(Watched watched, int requests) throws InterruptedException {
    for (int i = 0; i < 1000 && watched.engine().scheduler().status().waiting() < requests; i++) {
      Thread.sleep(10);
    }
    assertThat(watched.engine().scheduler().status().waiting()).isEqualTo(requests);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 300})
  void aServerThatEndsTellsWhatItCutsOff(int drain) throws Exception {
    ServerOptions options = OPTIONS.drain(Duration.ofMillis(drain));
    try (Watched watched = new Watched(Running.MODEL, 4, 8)) {
      HydraServer server = HydraServer.start(watched.engine(), options);
      watched.hold(true);
      CompletableFuture<HttpResponse<String>> text = post(server, COMPLETIONS, PROMPT + STREAM);
      CompletableFuture<HttpResponse<String>> chat = post(server, CHAT, MESSAGES + STREAM);
      CompletableFuture<HttpResponse<String>> whole = post(server, COMPLETIONS, PROMPT + "}");
      awaitWaiting(watched, 3);
      watched.allow(TURNS);
      watched.awaitHeld();
      Thread end = Thread.ofVirtual().start(server::close);
      while (ready(server) == 200) {
        Thread.sleep(10);
      }
      HttpResponse<String> late = post(server, COMPLETIONS, PROMPT + "}").get();
      assertThat(late.statusCode()).isEqualTo(503);
      assertThat(late.body()).contains("The server is shutting down.");
      assertThat(code(late.body())).isEqualTo("shutting_down");
      while (!end.join(Duration.ofMillis(20))) {
        watched.allow(1);
      }
      assertThat(server.drained()).isFalse();
      assertThat(lastOf(text.get())).isEqualTo("shutting_down");
      assertThat(lastOf(chat.get())).isEqualTo("shutting_down");
      assertThat(whole.get().statusCode()).isEqualTo(503);
      assertThat(code(whole.get().body())).isEqualTo("shutting_down");
    }
  }

  @Test
  void aStreamBeyondItsTimeEndsWithTheError() throws Exception {
    ServerOptions options = OPTIONS.timeLimit(Duration.ofSeconds(4));
    try (Watched watched = new Watched(Running.MODEL, 4, 8);
        HydraServer server = HydraServer.start(watched.engine(), options)) {
      watched.hold(true);
      CompletableFuture<HttpResponse<String>> stream = post(server, COMPLETIONS, PROMPT + STREAM);
      awaitWaiting(watched, 1);
      watched.allow(TURNS);
      assertThat(lastOf(stream.get())).isEqualTo("timeout");
      watched.hold(false);
    }
  }

  /** Status 200 went out with a sign of life; the client sees an error all the same. */
  @Test
  void aBodyThatHasBegunBreaksOff() throws Exception {
    List<String> log = new CopyOnWriteArrayList<>();
    ServerOptions options =
        OPTIONS
            .heartbeat(Duration.ofMillis(300))
            .timeLimit(Duration.ofMillis(1500))
            .accessLog(log::add);
    try (Watched watched = new Watched(Running.MODEL, 4, 8);
        HydraServer server = HydraServer.start(watched.engine(), options)) {
      watched.hold(true);
      try {
        cutOff(server);
      } finally {
        watched.hold(false);
      }
      assertThat(log)
          .hasSize(5)
          .allSatisfy(line -> assertThat(line).contains("\"status\":200,\"error\":\"timeout\""));
      HttpRequest scrape = HttpRequest.newBuilder(server.uri().resolve("/metrics")).build();
      assertThat(client.send(scrape, BodyHandlers.ofString()).body())
          .contains(
              "requests_seconds_count{outcome=\"timeout\",path=\"/v1/completions\",status=\"200\"} 4")
          .doesNotContain("outcome=\"ok\"");
    }
  }

  private void cutOff(HydraServer server) throws IOException {
    for (String body : List.of(PROMPT + "}", PROMPT + ", \"n\": 4}")) {
      assertThatThrownBy(() -> post(server, COMPLETIONS, body).get())
          .hasCauseInstanceOf(IOException.class);
    }
    assertThatThrownBy(() -> post(server, CHAT, MESSAGES + "}").get())
        .hasCauseInstanceOf(IOException.class);
    OpenAIClient sdk =
        OpenAIOkHttpClient.builder()
            .baseUrl(server.uri().resolve("/v1").toString())
            .apiKey("none")
            .maxRetries(0)
            .build();
    CompletionCreateParams asked =
        CompletionCreateParams.builder().model("watched").prompt("The key").maxTokens(200).build();
    assertThatThrownBy(() -> sdk.completions().create(asked)).isInstanceOf(OpenAIException.class);
    sdk.close();
    assertThat(raw(server))
        .startsWith("HTTP/1.1 200 ")
        .contains("than the 1500 ms that this server allows", "--time-limit")
        .doesNotContain("\r\n0\r\n");
  }

  /** All that comes through the connection until it closes. */
  private static String raw(HydraServer server) throws IOException {
    String body = PROMPT + "}";
    String head =
        "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n";
    try (Socket s = new Socket("127.0.0.1", server.port())) {
      s.setSoTimeout(20_000);
      s.getOutputStream()
          .write((head.formatted(COMPLETIONS, body.length()) + body).getBytes(US_ASCII));
      return new String(s.getInputStream().readAllBytes(), UTF_8);
    }
  }

  @Test
  void aServerThatEndsBreaksOffWhatHasBegun() throws Exception {
    List<String> log = new CopyOnWriteArrayList<>();
    ServerOptions options =
        OPTIONS.heartbeat(Duration.ofMillis(200)).drain(Duration.ofSeconds(1)).accessLog(log::add);
    try (Watched watched = new Watched(Running.MODEL, 4, 8)) {
      HydraServer server = HydraServer.start(watched.engine(), options);
      watched.hold(true);
      CompletableFuture<HttpResponse<String>> whole = post(server, COMPLETIONS, PROMPT + "}");
      awaitWaiting(watched, 1);
      Thread end = Thread.ofVirtual().start(server::close);
      while (!end.join(Duration.ofMillis(20))) {
        watched.allow(1);
      }
      assertThatThrownBy(whole::get).hasCauseInstanceOf(IOException.class);
      assertThat(log).singleElement().asString().contains("200,\"error\":\"shutting_down\"");
    }
  }
}
