package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Json;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class ServeCommandTest {
  @TempDir Path temporary;

  @AfterEach
  void nobodyAskedToStop() {
    Interrupts.request(false);
  }

  @Test
  @Timeout(value = 120, unit = TimeUnit.SECONDS)
  void servesUntilInterrupted() throws Exception {
    Path model = SmallModel.write(temporary.resolve("small"));
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    Terminal terminal =
        new Terminal(new PrintWriter(out, true), new PrintWriter(err, true), 0, false);
    CompletableFuture<Integer> code =
        CompletableFuture.supplyAsync(
            () -> HydraHead.run(terminal, "serve", model.toString(), "-p", "0", "--device", "cpu"));
    while (!out.toString().contains("/v1") && !code.isDone()) {
      Thread.sleep(20);
    }
    String base = out.toString().strip();
    assertThat(base).as(err.toString()).startsWith("http://127.0.0.1:").endsWith("/v1");
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpResponse<String> reply =
          client.send(
              HttpRequest.newBuilder(URI.create(base + "/completions"))
                  .header("Content-Type", "application/json")
                  .POST(BodyPublishers.ofString("{\"prompt\": \"the quick\", \"max_tokens\": 4}"))
                  .build(),
              BodyHandlers.ofString());
      assertThat(reply.statusCode()).as(reply.body()).isEqualTo(200);
      assertThat(reply.body()).contains("\"model\":\"small\"");
    }
    Interrupts.request(true);
    assertThat(code.get(60, TimeUnit.SECONDS)).isEqualTo(ExitCode.INTERRUPTED);
    assertThat(err.toString())
        .contains("serving 'small'", "\"path\":\"/v1/completions\"", "\"status\":200");
  }

  @Test
  void refusesToOpenUpWithoutAKey() {
    Path model = SmallModel.write(temporary.resolve("small"));
    Run r = Run.of("serve", model, "--host", "0.0.0.0", "-p", "0");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err()).contains("0.0.0.0", "API key");
    Run port = Run.of("serve", model, "-p", "70000");
    assertThat(port.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(port.err()).contains("--port must be from 0 to 65535");
  }

  @Test
  void benchServeCountsWhatClientsGet() {
    Path file = temporary.resolve("figures.json");
    Run r =
        Run.of(
            "bench",
            "serve",
            "--shape",
            "tiny",
            "--plan",
            "head-7:1",
            "--contexts",
            "70",
            "--clients",
            "1,3",
            "--reply",
            "8",
            "--seconds",
            "0.05",
            "--device",
            "cpu",
            "--json",
            file);
    assertThat(r.code()).as(r.err()).isZero();
    JsonNode figures = Json.read(file).path("figures");
    assertThat(figures.size()).isEqualTo(2);
    for (JsonNode f : figures) {
      assertThat(f.path("requests").intValue())
          .isGreaterThanOrEqualTo(f.path("clients").intValue());
      double ratio =
          f.path("prompt_tokens_per_second").doubleValue()
              / f.path("tokens_per_second").doubleValue();
      assertThat(ratio).isCloseTo(70 / 8.0, within(1e-6));
      assertThat(f.path("first_token_ms").doubleValue()).isPositive();
      assertThat(f.path("between_ms_95").doubleValue())
          .isGreaterThanOrEqualTo(f.path("between_ms").doubleValue());
    }
    assertThat(r.out()).contains("head-7:1", "tokens/s");
  }
}
