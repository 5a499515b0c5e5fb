package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.server.engine.Engine;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** A prompt counts once, however many replies it has: in usage, metrics and the page's numbers. */
class CountsTest {
  private static final String TEXT = "/v1/completions";
  private static final int[] PROMPT = new int[130];

  static {
    Arrays.setAll(PROMPT, i -> 5 + i);
  }

  /** Numbers of the page, once they are those of the metrics. */
  private static void expect(Running r, long prompt, long cached, long lookups, long hits) {
    JsonNode state = Json.parse(r.get("/v1/hydrahead/state").body(), "state");
    assertThat(state.path("prompt_tokens").longValue()).as("prompt_tokens").isEqualTo(prompt);
    assertThat(state.path("cached_tokens").longValue()).as("cached_tokens").isEqualTo(cached);
    assertThat(state.path("cache_lookups").longValue()).as("cache_lookups").isEqualTo(lookups);
    assertThat(state.path("cache_hits").longValue()).as("cache_hits").isEqualTo(hits);
    assertThat(r.get("/metrics").body())
        .contains(
            "\nhydrahead_prompt_tokens_total " + (double) prompt + "\n",
            "\nhydrahead_cached_tokens_total " + (double) cached + "\n",
            "\nhydrahead_cache_lookups_total " + (double) lookups + "\n",
            "\nhydrahead_cache_hits_total " + (double) hits + "\n");
  }

  private static int[] asked(Running r, String prompt, int n) {
    JsonNode usage =
        r.ask(
                TEXT,
                "{\"prompt\":" + prompt + ",\"n\":" + n + ",\"max_tokens\":2,\"ignore_eos\":true}")
            .path("usage");
    assertThat(usage.path("completion_tokens").intValue() % (2 * n)).isZero();
    return new int[] {
      usage.path("prompt_tokens").intValue(),
      usage.at("/prompt_tokens_details/cached_tokens").intValue()
    };
  }

  @Test
  void aPromptCountsOnce() {
    try (Running r = new Running()) {
      assertThat(asked(r, Arrays.toString(PROMPT), 3)).containsExactly(130, 0);
      expect(r, 130, 0, 1, 0);
      // Whole blocks of 64 tokens are known now.
      assertThat(asked(r, Arrays.toString(PROMPT), 3)).containsExactly(130, 128);
      expect(r, 260, 128, 2, 1);
      // Of two prompts that are the same, the second waits for the first and need not be read.
      String three = "[5, 6, 7]";
      assertThat(asked(r, "[" + three + "," + three + "]", 2)).containsExactly(6, 3);
      expect(r, 266, 131, 4, 2);
      // Who scores a prompt wants it read whole: it is not looked up.
      r.ask(TEXT, "{\"prompt\":" + three + ",\"max_tokens\":0,\"echo\":true,\"logprobs\":0}");
      expect(r, 269, 131, 4, 2);
    }
  }

  /** Where there is no room for all replies at once, later ones find what the first has read. */
  @Test
  void aPromptCountsOnceWhereItsRepliesFollowEachOther() {
    Ops ops = OpsFactory.cpu(OpsOptions.defaults());
    HybridTransformer model =
        HybridTransformer.load(Running.MODEL, ops, ModelFiles.LoadOptions.STORED);
    Engine engine =
        Engine.of(
            Running.MODEL,
            model,
            new Engine.Options("one", 0, 1, 8),
            () -> {
              model.close();
              ops.close();
            });
    try (Running r = new Running(engine, ServerOptions.DEFAULT)) {
      assertThat(asked(r, Arrays.toString(PROMPT), 3)).containsExactly(130, 0);
      expect(r, 130, 0, 1, 0);
    }
  }

  @Test
  void ofARequestThatIsRefusedNothingCounts() {
    try (Running r = new Running()) {
      r.post(TEXT, "{\"prompt\":[5,6,7],\"max_tokens\":4000}");
      expect(r, 0, 0, 0, 0);
    }
  }

  /** What was read and made for a client that has gone was work, too. */
  @Test
  void aRequestThatIsCutOffCounts() throws Exception {
    try (Running r = new Running()) {
      String body =
          "{\"prompt\":[5,6,7],\"n\":16,\"max_tokens\":250,\"ignore_eos\":true,\"stream\":true}";
      try (Socket s = new Socket("127.0.0.1", r.server().port())) {
        String head =
            "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n";
        s.getOutputStream()
            .write(
                (head.formatted(TEXT, body.length()) + body).getBytes(StandardCharsets.US_ASCII));
        s.getInputStream().readNBytes(500);
      }
      long end = System.nanoTime() + Duration.ofSeconds(30).toNanos();
      while (!r.get("/metrics").body().contains("\nhydrahead_prompt_tokens_total 3.0\n")) {
        assertThat(System.nanoTime()).isLessThan(end);
        Thread.sleep(20);
      }
      JsonNode state = Json.parse(r.get("/v1/hydrahead/state").body(), "state");
      assertThat(r.get("/metrics").body())
          .contains(
              "\nhydrahead_generated_tokens_total "
                  + state.path("generated_tokens").doubleValue()
                  + "\n");
    }
  }
}
