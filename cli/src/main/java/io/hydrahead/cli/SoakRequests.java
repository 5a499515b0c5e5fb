package io.hydrahead.cli;

import io.hydrahead.json.Json;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Bodies of requests of all sorts, drawn at random: completions and chats with every setting of
 * sampling, prompts that begin alike, and requests that are wrong.
 */
final class SoakRequests {
  private static final String[] WORDS =
      "the magic number of river stone is what find in text between lines key value seven blue"
          .split(" ");

  /** Of which most prompts begin with one. */
  private static final int BASES = 6;

  /** Ids below are special in the bundled models. */
  private static final int FIRST_ID = 8;

  private final SplittableRandom random;
  private final int vocabulary;
  private final int longest;
  private final int[][] bases = new int[BASES][];

  /**
   * A request that is to be refused.
   *
   * @param status that is to come
   */
  record Wrong(String method, String path, String type, String body, int status) {}

  /**
   * @param seed of the requests; what prompts have in common is the same for all seeds
   * @param vocabulary number of token ids
   * @param context most tokens of prompt and reply
   */
  SoakRequests(long seed, int vocabulary, int context) {
    random = new SplittableRandom(seed);
    this.vocabulary = vocabulary;
    longest = Math.max(2, context / 2);
    SplittableRandom common = new SplittableRandom(BASES);
    for (int i = 0; i < BASES; i++) {
      bases[i] = common.ints(longest, FIRST_ID, vocabulary).toArray();
    }
  }

  /** From 0 up to {@code bound} − 1. */
  int draw(int bound) {
    return random.nextInt(bound);
  }

  /** A completion of some token ids. */
  ObjectNode completion(boolean stream) {
    ObjectNode body = Json.object();
    ids(body.putArray("prompt"));
    body.put("max_tokens", 1 + random.nextInt(24));
    sampling(body, stream);
    if (random.nextInt(4) == 0) {
      body.put("logprobs", random.nextInt(4));
    }
    return body;
  }

  /** A prompt whose log-probabilities are asked for, without a reply. */
  ObjectNode scoring() {
    ObjectNode body = Json.object();
    ids(body.putArray("prompt"));
    return body.put("max_tokens", 0).put("echo", true).put("logprobs", 1).put("temperature", 0);
  }

  /** Several replies to several prompts. */
  ObjectNode several() {
    ObjectNode body = Json.object();
    ArrayNode prompts = body.putArray("prompt");
    for (int i = 0; i < 2; i++) {
      ids(prompts.addArray());
    }
    body.put("n", 2).put("max_tokens", 1 + random.nextInt(8));
    sampling(body, false);
    return body;
  }

  /** A chat behind one of few system messages. */
  ObjectNode chat(boolean stream) {
    ObjectNode body = Json.object();
    ArrayNode messages = body.putArray("messages");
    String system = (WORDS[random.nextInt(3)] + " ").repeat(longest / 8);
    messages.addObject().put("role", "system").put("content", system);
    messages.addObject().put("role", "user").put("content", words(1 + random.nextInt(12)));
    body.put("max_tokens", 1 + random.nextInt(24));
    sampling(body, stream);
    if (random.nextInt(4) == 0) {
      body.putObject("response_format").put("type", "json_object");
    }
    return body;
  }

  /** A reply that goes on until somebody leaves. */
  ObjectNode endless() {
    ObjectNode body = Json.object();
    ids(body.putArray("prompt"));
    body.put("max_tokens", longest);
    body.put("ignore_eos", true);
    return body.put("stream", true);
  }

  private void sampling(ObjectNode body, boolean stream) {
    switch (random.nextInt(5)) {
      case 0 -> body.put("temperature", 0);
      case 1 -> body.put("temperature", 0.7).put("top_p", 0.9);
      case 2 -> body.put("top_k", 20).put("min_p", 0.05).put("seed", random.nextInt(1000));
      case 3 -> body.put("presence_penalty", 0.5).put("frequency_penalty", 0.5);
      default -> {
        body.put("repetition_penalty", 1.1);
        body.putObject("logit_bias").put(Integer.toString(random.nextInt(vocabulary)), -5);
      }
    }
    if (random.nextInt(4) == 0) {
      body.put("stop", WORDS[random.nextInt(WORDS.length)]);
    }
    if (random.nextInt(3) == 0) {
      body.put("ignore_eos", true);
    }
    if (stream) {
      body.put("stream", true);
      body.putObject("stream_options").put("include_usage", true);
    }
  }

  /** Three of four begin with one of a few texts. */
  private void ids(ArrayNode to) {
    int[] prompt;
    if (random.nextInt(4) > 0) {
      prompt = Arrays.copyOf(bases[random.nextInt(BASES)], 1 + random.nextInt(longest));
      int fresh = Math.min(prompt.length, random.nextInt(16));
      for (int i = prompt.length - fresh; i < prompt.length; i++) {
        prompt[i] = random.nextInt(FIRST_ID, vocabulary);
      }
    } else {
      prompt = random.ints(1 + random.nextInt(longest), FIRST_ID, vocabulary).toArray();
    }
    Arrays.stream(prompt).forEach(to::add);
  }

  private String words(int count) {
    List<String> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      out.add(WORDS[random.nextInt(WORDS.length)]);
    }
    return String.join(" ", out);
  }

  /** One of many mistakes. */
  Wrong wrong() {
    String text = "/v1/completions";
    String chat = "/v1/chat/completions";
    String json = "application/json";
    return switch (random.nextInt(10)) {
      case 0 -> new Wrong("POST", chat, json, "{\"messages\":", 400);
      case 1 -> new Wrong("POST", chat, json, "{\"messages\":[]}", 400);
      case 2 -> new Wrong("POST", text, json, "{\"prompt\":\"a\",\"nonsense\":1}", 400);
      case 3 -> new Wrong("POST", text, json, "{\"prompt\":\"a\",\"temperature\":-1}", 400);
      case 4 -> new Wrong("POST", text, json, "{\"prompt\":[" + vocabulary + "]}", 400);
      case 5 -> new Wrong("POST", text, json, "{\"prompt\":\"a\",\"max_tokens\":10000000}", 400);
      case 6 -> new Wrong("POST", text, json, "{\"prompt\":\"a\",\"model\":\"other\"}", 404);
      case 7 -> new Wrong("POST", text, "text/plain", "{\"prompt\":\"a\"}", 415);
      case 8 -> new Wrong("GET", "/v1/nothing" + random.nextInt(1000), json, "", 404);
      default -> new Wrong("POST", text, json, "[".repeat(1000), 400);
    };
  }
}
