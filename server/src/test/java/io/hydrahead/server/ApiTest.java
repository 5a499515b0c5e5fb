package io.hydrahead.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Json;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.Sampler;
import io.hydrahead.model.Session;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tokenizer.Tokenizer;
import java.net.http.HttpResponse;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** Every endpoint, against the bundled teacher and what the engine itself says. */
class ApiTest {
  private static final String CHAT = "/v1/chat/completions";
  private static final String COMPLETIONS = "/v1/completions";
  private static final String HELLO =
      "\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]";

  private static Running running;

  @BeforeAll
  static void start() {
    running = new Running();
  }

  @AfterAll
  static void stop() {
    running.close();
  }

  /** The engine's own greedy continuation. */
  private static int[] greedy(int[] prompt, int tokens) {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer m =
            HybridTransformer.load(Running.MODEL, ops, ModelFiles.LoadOptions.STORED);
        Session s = m.newSession(prompt.length + tokens)) {
      int[] out = new int[tokens];
      Sampler sampler = new Sampler(Sampler.Settings.GREEDY);
      out[0] = sampler.next(s.prefill(prompt));
      for (int i = 1; i < tokens; i++) {
        out[i] = s.decodeGreedy(out[i - 1]);
      }
      return out;
    }
  }

  @Test
  void completionsAreTheModelsOwn() {
    Tokenizer t = running.engine().tokenizer();
    int[] prompt = t.encode("The key of the green door is");
    int[] want = greedy(prompt, 12);
    JsonNode r =
        running.ask(
            COMPLETIONS,
            "{\"model\": \"tiny-teacher\", \"prompt\": "
                + Arrays.toString(prompt)
                + ", \"temperature\": 0, \"max_tokens\": 12, \"ignore_eos\": true}");
    assertThat(r.path("object").asString()).isEqualTo("text_completion");
    assertThat(r.path("choices").get(0).path("text").asString()).isEqualTo(t.decode(want));
    assertThat(r.path("choices").get(0).path("finish_reason").asString()).isEqualTo("length");
    JsonNode usage = r.path("usage");
    assertThat(usage.path("prompt_tokens").intValue()).isEqualTo(prompt.length);
    assertThat(usage.path("completion_tokens").intValue()).isEqualTo(12);
    assertThat(usage.path("total_tokens").intValue()).isEqualTo(prompt.length + 12);
    assertThat(usage.path("prompt_tokens_details").has("cached_tokens")).isTrue();
  }

  @Test
  void streamsJoinToTheSameText() {
    for (String stops : List.of("", ", \"stop\": [\"e\", \"zz\"]")) {
      String body =
          "{\"prompt\": \"The key of the red door is\", \"temperature\": 0, \"max_tokens\": 40"
              + stops;
      JsonNode whole = running.ask(COMPLETIONS, body + "}");
      List<JsonNode> events =
          running.stream(
              COMPLETIONS,
              body + ", \"stream\": true, \"stream_options\": {\"include_usage\": true}}");
      JsonNode last = events.getLast();
      assertThat(last.path("choices").isEmpty()).isTrue();
      assertThat(last.path("usage").path("completion_tokens"))
          .isEqualTo(whole.path("usage").path("completion_tokens"));
      List<JsonNode> pieces = events.subList(0, events.size() - 1);
      String text =
          pieces.stream()
              .map(e -> e.path("choices").get(0).path("text").asString())
              .collect(Collectors.joining());
      assertThat(text).isEqualTo(whole.path("choices").get(0).path("text").asString());
      assertThat(pieces.getLast().path("choices").get(0).path("finish_reason"))
          .isEqualTo(whole.path("choices").get(0).path("finish_reason"));
      assertThat(pieces.getFirst().path("choices").get(0).path("finish_reason").isNull()).isTrue();
      if (!stops.isEmpty()) {
        assertThat(text).doesNotContain("e");
      }
    }
  }

  @Test
  void chatRendersTheTemplateAndStreams() {
    String body = "{" + HELLO + ", \"temperature\": 0, \"max_completion_tokens\": 8}";
    JsonNode whole = running.ask(CHAT, body);
    assertThat(whole.path("object").asString()).isEqualTo("chat.completion");
    assertThat(whole.path("id").asString()).startsWith("chatcmpl-");
    JsonNode choice = whole.path("choices").get(0);
    assertThat(choice.path("message").path("role").asString()).isEqualTo("assistant");
    assertThat(choice.path("message").path("refusal").isNull()).isTrue();
    assertThat(choice.path("logprobs").isNull()).isTrue();
    int[] prompt =
        running
            .engine()
            .tokenizer()
            .encode("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n");
    assertThat(whole.path("usage").path("prompt_tokens").intValue()).isEqualTo(prompt.length);
    List<JsonNode> events =
        running.stream(CHAT, body.replace("\"temperature\"", "\"stream\": true, \"temperature\""));
    assertThat(events.getFirst().path("object").asString()).isEqualTo("chat.completion.chunk");
    assertThat(events.getFirst().path("choices").get(0).path("delta").path("role").asString())
        .isEqualTo("assistant");
    String text =
        events.stream()
            .map(e -> e.path("choices").get(0).path("delta").path("content").asString(""))
            .collect(Collectors.joining());
    assertThat(text).isEqualTo(choice.path("message").path("content").asString());
    assertThat(events.stream().filter(e -> e.has("usage"))).isEmpty();
  }

  @Test
  void severalRepliesToSeveralPrompts() {
    JsonNode r =
        running.ask(
            COMPLETIONS,
            "{\"prompt\": [\"The cat\", \"A much longer dog\"], \"n\": 3, \"seed\": 5,"
                + " \"max_tokens\": 6, \"temperature\": 1}");
    assertThat(r.path("choices").size()).isEqualTo(6);
    for (int i = 0; i < 6; i++) {
      assertThat(r.path("choices").get(i).path("index").intValue()).isEqualTo(i);
    }
    JsonNode again =
        running.ask(
            COMPLETIONS,
            "{\"prompt\": \"A much longer dog\", \"seed\": 6, \"max_tokens\": 6, \"temperature\": 1}");
    assertThat(again.path("choices").get(0).path("text"))
        .isEqualTo(r.path("choices").get(4).path("text"));
  }

  /** As lm-evaluation-harness scores a continuation. */
  @Test
  void echoWithLogprobsScoresThePrompt() {
    Tokenizer t = running.engine().tokenizer();
    int[] ids = t.encode("The key of the green door is 42");
    JsonNode r =
        running.ask(
            COMPLETIONS,
            "{\"prompt\": ["
                + Arrays.toString(ids)
                + "], \"temperature\": 0, \"max_tokens\": 1, \"logprobs\": 1, \"seed\": 1234,"
                + " \"echo\": true}");
    JsonNode choice = r.path("choices").get(0);
    JsonNode l = choice.path("logprobs");
    assertThat(choice.path("text").asString()).startsWith("The key of the green door is 42");
    assertThat(l.path("tokens").size()).isEqualTo(ids.length + 1);
    assertThat(l.path("token_logprobs").get(0).isNull()).isTrue();
    assertThat(l.path("top_logprobs").get(0).isNull()).isTrue();
    float[] want = scores(ids);
    for (int i = 1; i < ids.length; i++) {
      assertThat(l.path("token_logprobs").get(i).floatValue()).isCloseTo(want[i], within(2e-3f));
      float best = Float.NEGATIVE_INFINITY;
      for (JsonNode v : l.path("top_logprobs").get(i)) {
        best = Math.max(best, v.floatValue());
      }
      assertThat(l.path("token_logprobs").get(i).floatValue()).isLessThanOrEqualTo(best);
    }
    int last = ids.length;
    assertThat(l.path("top_logprobs").get(last).size()).isEqualTo(1);
    assertThat(l.path("text_offset").get(0).intValue()).isZero();
    assertThat(l.path("text_offset").get(last).intValue()).isEqualTo(t.decode(ids).length());
  }

  /** Log-probabilities of a text's tokens, one decoded after the other. */
  private static float[] scores(int[] ids) {
    float[] out = new float[ids.length];
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer m =
            HybridTransformer.load(Running.MODEL, ops, ModelFiles.LoadOptions.STORED);
        Session s = m.newSession(ids.length)) {
      for (int i = 0; i + 1 < ids.length; i++) {
        float[] logits = s.decode(ids[i]).toFloats();
        double sum = 0;
        for (float v : logits) {
          sum += Math.exp(v);
        }
        out[i + 1] = (float) (logits[ids[i + 1]] - Math.log(sum));
      }
    }
    return out;
  }

  @Test
  void logprobsOfAChat() {
    JsonNode r =
        running.ask(
            CHAT,
            "{"
                + HELLO
                + ", \"temperature\": 0, \"max_tokens\": 4, \"logprobs\": true, \"top_logprobs\": 3}");
    JsonNode content = r.path("choices").get(0).path("logprobs").path("content");
    int tokens = r.path("usage").path("completion_tokens").intValue();
    assertThat(content.size()).isEqualTo(tokens);
    for (JsonNode token : content) {
      assertThat(token.path("top_logprobs").size()).isEqualTo(3);
      assertThat(token.path("top_logprobs").get(0).path("token")).isEqualTo(token.path("token"));
      assertThat(token.path("logprob").floatValue()).isNegative();
      assertThat(token.path("bytes").isEmpty()).isFalse();
    }
  }

  @Test
  void biasAndPenaltiesChangeWhatComes() {
    Tokenizer t = running.engine().tokenizer();
    int id = t.encode(" the")[0];
    JsonNode r =
        running.ask(
            COMPLETIONS,
            "{\"prompt\": \"A\", \"temperature\": 0, \"max_tokens\": 5, \"logit_bias\": {\""
                + id
                + "\": 100}}");
    assertThat(r.path("choices").get(0).path("text").asString())
        .isEqualTo(t.decode(new int[] {id, id, id, id, id}));
    JsonNode p =
        running.ask(
            COMPLETIONS,
            "{\"prompt\": \"A\", \"temperature\": 0, \"max_tokens\": 5, \"repetition_penalty\": 10,"
                + " \"logit_bias\": {\""
                + id
                + "\": 3}}");
    assertThat(p.path("choices").get(0).path("text").asString()).doesNotContain(" the the the");
  }

  @Test
  void jsonObjectIsJson() {
    for (int seed = 0; seed < 4; seed++) {
      JsonNode r =
          running.ask(
              CHAT,
              "{"
                  + HELLO
                  + ", \"seed\": "
                  + seed
                  + ", \"temperature\": 1.5, \"max_tokens\": 200,"
                  + " \"response_format\": {\"type\": \"json_object\"}}");
      JsonNode choice = r.path("choices").get(0);
      String text = choice.path("message").path("content").asString();
      assertThat(text.strip()).startsWith("{");
      if (choice.path("finish_reason").asString().equals("stop")) {
        assertThat(Json.parse(text, "reply").isObject()).isTrue();
      }
    }
  }

  @Test
  void aSecondTurnReadsOnlyWhatIsNew() {
    int[] first =
        Arrays.copyOf(running.engine().tokenizer().encode("One two three ".repeat(60)), 150);
    String body = "{\"temperature\": 0, \"max_tokens\": 4, \"ignore_eos\": true, \"prompt\": ";
    JsonNode a = running.ask(COMPLETIONS, body + Arrays.toString(first) + "}");
    int[] reply =
        running.engine().tokenizer().encode(a.path("choices").get(0).path("text").asString());
    int[] more = Arrays.copyOf(first, first.length + 1);
    more[first.length] = reply[0];
    JsonNode b = running.ask(COMPLETIONS, body + Arrays.toString(more) + "}");
    assertThat(b.path("usage").path("prompt_tokens_details").path("cached_tokens").intValue())
        .isEqualTo(128); // whole blocks of 64 tokens
    int[] want = greedy(more, 4);
    assertThat(b.path("choices").get(0).path("text").asString())
        .isEqualTo(running.engine().tokenizer().decode(want));
    JsonNode same = running.ask(COMPLETIONS, body + Arrays.toString(more) + "}");
    assertThat(same.path("choices")).isEqualTo(b.path("choices"));
    assertThat(same.path("usage").path("prompt_tokens_details").path("cached_tokens").intValue())
        .isEqualTo(128);
  }

  @Test
  void tokenizerEndpoints() {
    String text = "naïve 🦊 <|im_end|>";
    JsonNode t =
        running.ask("/tokenize", "{\"prompt\": \"" + text + "\", \"return_token_strs\": true}");
    int[] want = running.engine().tokenizer().encode(text);
    assertThat(t.path("count").intValue()).isEqualTo(want.length);
    assertThat(t.path("tokens").toString()).isEqualTo(Arrays.toString(want).replace(" ", ""));
    assertThat(t.path("token_strs").size()).isEqualTo(want.length);
    assertThat(t.path("max_model_len").intValue()).isEqualTo(256);
    JsonNode back = running.ask("/detokenize", "{\"tokens\": " + t.path("tokens") + "}");
    assertThat(back.path("prompt").asString()).isEqualTo(text);
    JsonNode chat = running.ask("/tokenize", "{" + HELLO + ", \"add_generation_prompt\": false}");
    assertThat(
            running
                .ask("/detokenize", "{\"tokens\": " + chat.path("tokens") + "}")
                .path("prompt")
                .asString())
        .isEqualTo("<|im_start|>user\nHello<|im_end|>\n");
    JsonNode info = Json.parse(running.get("/tokenizer_info").body(), "body");
    assertThat(info.path("vocab_size").intValue()).isEqualTo(running.engine().config().vocabSize());
    assertThat(info.path("chat_template").asString()).contains("message['role']");
  }

  @Test
  void modelsHealthAndMetrics() {
    JsonNode models = Json.parse(running.get("/v1/models").body(), "body");
    assertThat(models.path("data").get(0).path("id").asString()).isEqualTo(Running.NAME);
    assertThat(running.get("/v1/models/tiny-teacher").statusCode()).isEqualTo(200);
    assertThat(running.get("/v1/models/gpt-5").statusCode()).isEqualTo(404);
    assertThat(running.get("/v1/models/org/gpt-5").body())
        .as("names of organisations have a slash")
        .contains("'org/gpt-5' does not exist");
    assertThat(running.get("/health").body()).isEqualTo("{\"status\":\"ok\"}");
    assertThat(running.get("/ready").statusCode()).isEqualTo(200);
    running.ask(COMPLETIONS, "{\"prompt\": \"x\", \"max_tokens\": 3}");
    String metrics = running.get("/metrics").body();
    assertThat(metrics)
        .contains(
            "hydrahead_prompt_tokens_total",
            "hydrahead_generated_tokens_total",
            "hydrahead_time_to_first_token_seconds_bucket",
            "hydrahead_kv_bytes",
            "hydrahead_requests_waiting 0.0",
            "outcome=\"ok\",path=\"/v1/completions\",status=\"200\"");
  }

  @Test
  void ignoredFieldsAreTold() {
    HttpResponse<String> r =
        running.post(
            CHAT,
            "{" + HELLO + ", \"max_tokens\": 2, \"user\": \"me\", \"metadata\": {\"a\": \"b\"}}");
    assertThat(r.statusCode()).isEqualTo(200);
    assertThat(r.headers().firstValue("X-HydraHead-Ignored")).contains("user, metadata");
    HttpResponse<String> idle =
        running.post(
            CHAT,
            "{"
                + HELLO
                + ", \"max_tokens\": 9, \"max_completion_tokens\": 2, \"tool_choice\": \"auto\","
                + " \"parallel_tool_calls\": false}");
    assertThat(idle.statusCode()).as(idle.body()).isEqualTo(200);
    assertThat(idle.headers().firstValue("X-HydraHead-Ignored"))
        .contains("tool_choice, parallel_tool_calls, max_tokens");
    assertThat(Json.parse(idle.body(), "body").at("/usage/completion_tokens").intValue())
        .isLessThanOrEqualTo(2);
  }

  @Test
  void theLogHasNoText() throws InterruptedException {
    running.ask(CHAT, "{" + HELLO.replace("Hello", "secret words") + ", \"max_tokens\": 2}");
    running.get("/secret-path?q=secret");
    // The line is written after the answer has gone out.
    for (int i = 0; i < 200 && !String.join("", running.log()).contains("\"other\""); i++) {
      Thread.sleep(20);
    }
    assertThat(String.join("\n", running.log())).doesNotContain("secret");
    assertThat(running.log().getLast()).contains("\"path\":\"other\"", "\"status\":404");
  }
}
