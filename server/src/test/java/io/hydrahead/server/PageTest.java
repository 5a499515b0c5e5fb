package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;

/** The page's files, and the endpoints that it shows. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class PageTest {
  static final Path HYBRID = Running.MODEL.resolveSibling("tiny-hybrid");
  private static final List<String> FILES =
      List.of(
          "/",
          "/page/page.css",
          "/page/icon.svg",
          "/page/page.js",
          "/page/api.js",
          "/page/chat.js",
          "/page/panel.js");

  private static Running running;

  @BeforeAll
  static void start() {
    running = new Running(HYBRID, ServerOptions.DEFAULT);
  }

  @AfterAll
  static void stop() {
    running.close();
  }

  private static JsonNode json(Running r, String path) {
    HttpResponse<String> reply = r.get(path);
    assertThat(reply.statusCode()).as(reply.body()).isEqualTo(200);
    assertThat(reply.headers().firstValue("Content-Type")).hasValue("application/json");
    return Json.parse(reply.body(), path);
  }

  /** Whoever reads the files finds no other origin in them, and the browser would refuse one. */
  @Test
  void itsFilesKnowNoOtherOrigin() {
    for (String path : FILES) {
      HttpResponse<String> reply = running.get(path);
      assertThat(reply.statusCode()).as(path).isEqualTo(200);
      assertThat(reply.headers().firstValue("Content-Security-Policy"))
          .hasValueSatisfying(p ->
              assertThat(p).startsWith("default-src 'none';").doesNotContain("unsafe", "http"));
      assertThat(reply.headers().firstValue("X-Content-Type-Options")).hasValue("nosniff");
      assertThat(reply.body().replace("http://www.w3.org/2000/svg", ""))
          .as(path)
          .isNotBlank()
          .doesNotContainPattern("https?:|['\"(]//");
    }
    assertThat(running.get("/").body())
        .as("what the second bar is, in words that need no explanation")
        .contains(">all heads full<")
        .doesNotContain(">vanilla<");
    assertThat(running.get("/").headers().firstValue("Content-Type"))
        .hasValue("text/html; charset=utf-8");
    for (String none : List.of("/page/", "/page/none.js", "/page/..%2f..%2fPage.class", "/page")) {
      assertThat(running.get(none).statusCode()).as(none).isBetween(400, 404);
    }
  }

  @Test
  void aKeyGuardsTheNumbersAndNotThePage() {
    try (Running r = new Running(ServerOptions.DEFAULT.apiKey("k"))) {
      FILES.forEach(path -> assertThat(r.get(path).statusCode()).as(path).isEqualTo(200));
      for (String path : List.of("/v1/hydrahead/model", "/v1/hydrahead/state")) {
        assertThat(r.get(path).statusCode()).as(path).isEqualTo(401);
        HttpRequest withKey = r.request(path).header("Authorization", "Bearer k").build();
        assertThat(r.send(withKey).statusCode()).as(path).isEqualTo(200);
      }
      assertThat(r.log()).anyMatch(l -> l.contains("/v1/hydrahead/state") && l.contains("401"));
    }
  }

  @Test
  void factsAreTheModels() {
    JsonNode config = Json.read(HYBRID.resolve("config.json"));
    JsonNode facts = json(running, "/v1/hydrahead/model");
    assertThat(facts.path("id").asString()).isEqualTo("tiny-hybrid");
    assertThat(facts.path("full_attention_heads")).isEqualTo(config.path("full_attention_heads"));
    assertThat(facts.path("layers")).isEqualTo(config.path("num_hidden_layers"));
    assertThat(facts.path("heads")).isEqualTo(config.path("num_attention_heads"));
    assertThat(facts.path("kv_heads")).isEqualTo(config.path("num_key_value_heads"));
    assertThat(facts.path("head_dim")).isEqualTo(config.path("head_dim"));
    assertThat(facts.path("other_heads").asString()).isEqualTo("gated_delta");
    assertThat(facts.path("chat").booleanValue()).isTrue();
    assertThat(facts.toString()).doesNotContain("/");

    // A KV head for each query head: of 4 × 8, those of the full ones are kept, as float32.
    int full = 0;
    for (JsonNode layer : facts.path("full_attention_heads")) {
      full += layer.size();
    }
    int d = config.path("head_dim").intValue();
    JsonNode memory = facts.path("memory");
    assertThat(memory.path("kv_bytes_per_token").longValue()).isEqualTo(full * 2L * d * 4);
    assertThat(memory.path("vanilla_kv_bytes_per_token").longValue()).isEqualTo(32 * 2L * d * 4);
    assertThat(memory.path("state_bytes").longValue()).isEqualTo((32 - full) * (long) d * d * 4);
  }

  @Test
  void stateCountsTokensAndMemory() throws InterruptedException {
    for (Path checkpoint : List.of(Running.MODEL, HYBRID)) {
      try (Running r = new Running(checkpoint, ServerOptions.DEFAULT)) {
        JsonNode memory = json(r, "/v1/hydrahead/model").path("memory");
        JsonNode idle = json(r, "/v1/hydrahead/state");
        assertThat(idle.path("tokens_held").longValue()).isZero();
        assertThat(idle.path("generated_tokens").longValue()).isZero();
        String words = "the key of the green door is under the old stone ".repeat(6);
        String body = "{\"prompt\": \"" + words + "\", \"max_tokens\": 9, \"ignore_eos\": true}";
        JsonNode usage = r.ask("/v1/completions", body).path("usage");
        assertThat(usage.path("prompt_tokens").intValue()).isBetween(65, 240);
        r.ask("/v1/completions", body);
        JsonNode state = idleState(r);
        assertThat(state.path("generated_tokens").longValue()).isEqualTo(18);
        assertThat(state.path("prompt_tokens").longValue())
            .isEqualTo(2 * usage.path("prompt_tokens").longValue());
        assertThat(state.path("cached_tokens").longValue()).isGreaterThanOrEqualTo(64);
        assertThat(state.path("cache_lookups").longValue()).isEqualTo(2);
        assertThat(state.path("cache_hits").longValue()).isEqualTo(1);
        long held = state.path("tokens_held").longValue();
        assertThat(held).isPositive().isLessThan(1024);
        assertThat(state.path("kv_bytes").longValue())
            .isEqualTo(held * memory.path("kv_bytes_per_token").longValue());
        assertThat(state.path("vanilla_kv_bytes").longValue())
            .isEqualTo(held * memory.path("vanilla_kv_bytes_per_token").longValue());
        long states = memory.path("state_bytes").longValue();
        if (states == 0) {
          assertThat(state.path("kv_bytes")).isEqualTo(state.path("vanilla_kv_bytes"));
          assertThat(state.path("state_bytes").longValue()).isZero();
        } else {
          assertThat(state.path("state_bytes").longValue() % states).isZero();
          assertThat(state.path("state_bytes").longValue()).isPositive();
        }
        assertThat(r.log()).noneMatch(l -> l.contains("/v1/hydrahead/state"));
      }
    }
  }

  /** How things stand when the scheduler has put everything down. */
  private static JsonNode idleState(Running r) throws InterruptedException {
    JsonNode state = json(r, "/v1/hydrahead/state");
    for (int i = 0; i < 200 && state.path("running").intValue() > 0; i++) {
      Thread.sleep(25);
      state = json(r, "/v1/hydrahead/state");
    }
    return state;
  }
}
