package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Who may come in, who has gone, and how a server ends. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class AccessTest {
  private static final String LONG =
      "{\"prompt\": \"The key of the green door is\", \"max_tokens\": 200, \"ignore_eos\": true";

  private static void await(BooleanSupplier condition) throws InterruptedException {
    for (int i = 0; i < 600 && !condition.getAsBoolean(); i++) {
      Thread.sleep(50);
    }
    assertThat(condition.getAsBoolean()).isTrue();
  }

  @Test
  void withoutAKeyOnlyThisMachine() {
    try (Running r = new Running()) {
      assertThatThrownBy(() -> HydraServer.start(r.engine(), ServerOptions.DEFAULT.host("0.0.0.0")))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("API key");
      assertThat(host(r, "localhost:1234")).contains(" 200 ");
      assertThat(host(r, "[::1]")).contains(" 200 ");
      assertThat(host(r, "evil.example")).contains(" 403 ");
      assertThat(host(r, "127.0.0.1.evil.example")).contains(" 403 ");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static String host(Running r, String host) throws IOException {
    try (Socket s = new Socket("127.0.0.1", r.server().port())) {
      s.getOutputStream()
          .write(
              ("GET /health HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
                  .getBytes(StandardCharsets.US_ASCII));
      return new String(s.getInputStream().readNBytes(20), StandardCharsets.US_ASCII);
    }
  }

  @Test
  void withAKeyItIsAskedFor() {
    try (Running r = new Running(ServerOptions.DEFAULT.host("0.0.0.0").apiKey("k"))) {
      String models = "http://127.0.0.1:" + r.server().port() + "/v1/models";
      assertThat(status(r, models, "Bearer k")).isEqualTo(200);
      for (String wrong : new String[] {"", "k", "Bearer", "Bearer kk", "Bearer K", "Basic k"}) {
        assertThat(status(r, models, wrong)).as(wrong).isEqualTo(401);
      }
      assertThat(status(r, models.replace("/v1/models", "/metrics"), "")).isEqualTo(401);
      HttpResponse<String> none = r.send(HttpRequest.newBuilder(URI.create(models)).build());
      assertThat(none.headers().firstValue("WWW-Authenticate")).hasValue("Bearer");
      assertThat(none.body()).contains("Give the server's API key");
      assertThat(r.log()).anyMatch(l -> l.contains("\"status\":401"));
      assertThat(status(r, models.replace("/v1/models", "/health"), "")).isEqualTo(200);
    }
  }

  private static int status(Running r, String uri, String authorization) {
    HttpRequest.Builder b = HttpRequest.newBuilder(URI.create(uri));
    return r.send((authorization.isEmpty() ? b : b.header("Authorization", authorization)).build())
        .statusCode();
  }

  /** Streams, and replies that are not streamed: when the client goes, so does its request. */
  @Test
  void aClientThatGoesFreesItsPlace() throws Exception {
    try (Running r = new Running(ServerOptions.DEFAULT.heartbeat(Duration.ofMillis(50)))) {
      for (String stream : new String[] {", \"stream\": true}", ", \"n\": 16}"}) {
        for (int i = 0; i < 5; i++) {
          leave(r, LONG + stream, i * 20);
        }
        await(() -> r.engine().scheduler().status().waiting() == 0);
        await(() -> r.engine().scheduler().status().running() == 0);
        assertThat(r.post("/v1/completions", LONG + "}").statusCode()).isEqualTo(200);
        await(() -> r.log().stream().filter(l -> l.contains("\"client\":\"gone\"")).count() >= 3);
        assertThat(r.log()).noneMatch(l -> l.contains("\"status\":500"));
      }
    }
  }

  private static void leave(Running r, String body, int millis) throws Exception {
    try (Socket s = new Socket("127.0.0.1", r.server().port())) {
      byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
      String head =
          "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
              + bytes.length
              + "\r\n\r\n";
      s.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
      s.getOutputStream().write(bytes);
      s.getOutputStream().flush();
      InputStream in = s.getInputStream();
      in.readNBytes(Math.min(10, Math.max(0, in.available())));
      Thread.sleep(millis);
    }
  }

  /** White space before a body, and comments between events, change neither. */
  @Test
  void signsOfLifeDoNotShow() {
    try (Running r = new Running(ServerOptions.DEFAULT.heartbeat(Duration.ofNanos(1)))) {
      HttpResponse<String> whole = r.post("/v1/completions", LONG + ", \"temperature\": 0}");
      assertThat(whole.body()).startsWith(" ");
      String text = Json.parse(whole.body(), "body").path("choices").get(0).path("text").asString();
      HttpResponse<String> events =
          r.post("/v1/completions", LONG + ", \"temperature\": 0, \"stream\": true}");
      assertThat(events.body()).contains(": waiting\n\n");
      assertThat(
              r.stream("/v1/completions", LONG + ", \"temperature\": 0, \"stream\": true}").stream()
                  .map(e -> e.path("choices").get(0).path("text").asString())
                  .reduce("", String::concat))
          .isEqualTo(text);
    }
  }

  @Test
  void aRequestThatTakesTooLongEnds() {
    try (Running r = new Running(ServerOptions.DEFAULT.timeLimit(Duration.ofMillis(1)))) {
      HttpResponse<String> slow = r.post("/v1/completions", LONG + ", \"n\": 16}");
      assertThat(slow.statusCode()).isEqualTo(504);
      assertThat(slow.body()).contains("timeout_error");
      HttpResponse<String> stream =
          r.post("/v1/completions", LONG + ", \"n\": 16, \"stream\": true}");
      assertThat(stream.body()).contains("timeout_error");
    }
  }

  @Test
  void closingLetsRequestsEnd() throws Exception {
    Running r = new Running();
    Thread client =
        Thread.ofVirtual()
            .start(() -> {
              HttpResponse<String> reply = r.post("/v1/completions", LONG + ", \"n\": 4}");
              assertThat(reply.statusCode()).isEqualTo(200);
            });
    boolean[] failed = {false};
    client.setUncaughtExceptionHandler((t, e) -> failed[0] = true);
    await(() -> r.engine().scheduler().status().running() > 0);
    r.close();
    client.join();
    assertThat(failed[0]).isFalse();
    assertThat(r.server().drained()).isTrue();
  }

  /** Four replies to one request, of which only two fit into the queue and the pools at a time. */
  @Test
  void closingLetsRepliesBeginThatBelongToARequest() throws Exception {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(1, "auto", false));
        HybridTransformer model =
            HybridTransformer.load(Running.MODEL, ops, ModelFiles.LoadOptions.STORED)) {
      Engine engine = Engine.of(Running.MODEL, model, new Engine.Options("m", 0, 1, 1), () -> {});
      Running r = new Running(engine, ServerOptions.DEFAULT);
      CompletableFuture<HttpResponse<String>> reply =
          CompletableFuture.supplyAsync(() -> r.post("/v1/completions", LONG + ", \"n\": 4}"));
      await(() -> engine.scheduler().status().running() > 0);
      r.close();
      assertThat(reply.join().statusCode()).isEqualTo(200);
      assertThat(Json.parse(reply.join().body(), "reply").get("choices")).hasSize(4);
    }
  }

  @Test
  void aPortInUseIsAnInputError() throws IOException {
    try (Running r = new Running();
        ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      assertThatThrownBy(
              () -> HydraServer.start(r.engine(), ServerOptions.DEFAULT.port(taken.getLocalPort())))
          .isInstanceOf(InputException.class)
          .hasMessageContaining("in use");
    }
  }
}
