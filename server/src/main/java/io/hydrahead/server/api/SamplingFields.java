package io.hydrahead.server.api;

import io.hydrahead.json.Excerpt;
import io.hydrahead.model.LogitEdits;
import io.hydrahead.model.Sampler;
import io.hydrahead.server.engine.GenerationRequest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import tools.jackson.databind.JsonNode;

/**
 * How replies are made: what chats and completions have in common.
 *
 * @param temperature 0 takes the most likely token
 * @param topK 0 for all
 * @param seed of the first reply; others count on from it
 * @param edits penalties and bias
 * @param stops texts that end a reply
 * @param stopIds tokens that do
 * @param endsAtEos whether the model's own end tokens do, too
 * @param choices replies to every prompt
 * @param stream whether replies come as they are made
 * @param usage whether a stream ends with what it took
 */
public record SamplingFields(
    double temperature,
    double topP,
    int topK,
    double minP,
    long seed,
    LogitEdits.Settings edits,
    List<String> stops,
    Set<Integer> stopIds,
    boolean endsAtEos,
    int choices,
    boolean stream,
    boolean usage) {

  static SamplingFields read(RequestFields f, RequestLimits limits) {
    double temperature = f.number("temperature", 0, 2, 1);
    double topP = f.positive("top_p", 1, 1);
    int topK = Math.max(0, f.integer("top_k", -1, Integer.MAX_VALUE, 0));
    double minP = f.number("min_p", 0, 1, 0);
    OptionalLong seed = f.whole("seed", Long.MIN_VALUE, Long.MAX_VALUE);
    double repetition = f.positive("repetition_penalty", 10, 1);
    LogitEdits.Settings edits =
        new LogitEdits.Settings(
            f.number("presence_penalty", -2, 2, 0),
            f.number("frequency_penalty", -2, 2, 0),
            repetition,
            bias(f, limits));
    boolean stream = f.flag("stream", false);
    return new SamplingFields(
        temperature,
        topP,
        topK,
        minP,
        seed.orElseGet(() -> ThreadLocalRandom.current().nextLong()),
        edits,
        stops(f, limits),
        new HashSet<>(f.ids("stop_token_ids", limits.stops())),
        !f.flag("ignore_eos", false),
        f.integer("n", 1, limits.choices(), 1),
        stream,
        usage(f, stream));
  }

  private static boolean usage(RequestFields f, boolean stream) {
    if (!f.has("stream_options")) {
      return false;
    }
    RequestFields options = f.object("stream_options");
    if (!stream) {
      throw f.error("stream_options", "is for requests with \"stream\": true");
    }
    boolean usage = options.flag("include_usage", false);
    options.ignore("include_obfuscation");
    options.end();
    return usage;
  }

  private static Map<Integer, Float> bias(RequestFields f, RequestLimits limits) {
    Map<Integer, Float> out = new HashMap<>();
    Set<Map.Entry<String, JsonNode>> entries = f.entries("logit_bias");
    if (entries.size() > limits.bias()) {
      throw f.error("logit_bias", "must have at most " + limits.bias() + " entries");
    }
    for (Map.Entry<String, JsonNode> e : entries) {
      boolean id = e.getKey().matches("\\d{1,9}");
      JsonNode v = e.getValue();
      if (!id || !v.isNumber() || !(Math.abs(v.doubleValue()) <= 100)) {
        throw f.error(
            "logit_bias",
            "must map token ids to numbers from -100 to 100; %s: %s is none of these"
                .formatted(Excerpt.of(e.getKey()), RequestFields.shown(v)));
      }
      out.put(Integer.valueOf(e.getKey()), v.floatValue());
    }
    return out;
  }

  private static List<String> stops(RequestFields f, RequestLimits limits) {
    if (!f.has("stop")) {
      return List.of();
    }
    List<String> out = new ArrayList<>();
    JsonNode v = f.required("stop");
    String rule =
        "must be a string or a list of at most %d strings, of 1 to %d characters each"
            .formatted(limits.stops(), limits.stopLength());
    if (!v.isString() && !v.isArray()) {
      throw f.wrong("stop", rule);
    }
    for (JsonNode stop : v.isString() ? List.of(v) : f.list("stop", limits.stops())) {
      boolean fits =
          stop.isString()
              && !stop.stringValue().isEmpty()
              && stop.stringValue().length() <= limits.stopLength();
      if (!fits) {
        throw f.error("stop", rule + "; " + RequestFields.shown(stop) + " is none");
      }
      out.add(stop.stringValue());
    }
    return out;
  }

  /**
   * The request of reply {@code index} to a prompt.
   *
   * @param eos the model's own end tokens
   */
  public GenerationRequest request(int[] prompt, int maxTokens, int index, Set<Integer> eos) {
    Set<Integer> ends = new HashSet<>(stopIds);
    if (endsAtEos) {
      ends.addAll(eos);
    }
    return GenerationRequest.of(prompt, maxTokens)
        .sampling(new Sampler.Settings(temperature, topK, topP, minP, seed + index))
        .edits(edits)
        .endIds(ends);
  }

  /** Fields of OpenAI's that change nothing here, and those that cannot be honoured. */
  static void others(RequestFields f) {
    f.ignore(
        "user",
        "metadata",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "service_tier");
  }
}
