package io.hydrahead.server.api;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;

/**
 * Body of {@code POST /v1/completions}.
 *
 * @param model empty for the one that is served
 * @param maxTokens most tokens of a reply
 * @param echo whether a reply begins with its prompt
 * @param logprobs alternatives to every token; −1 for no log-probabilities
 * @param ignored fields that are not used
 */
public record CompletionRequest(
    Optional<String> model,
    List<Prompt> prompts,
    int maxTokens,
    boolean echo,
    int logprobs,
    SamplingFields sampling,
    List<String> ignored) {

  private static final String KINDS =
      "must be a text, a list of texts, a list of token ids, or a list of such lists";

  /** What is continued. */
  public sealed interface Prompt {
    record Text(String text) implements Prompt {}

    record Ids(int[] ids) implements Prompt {}
  }

  /**
   * Reads a body.
   *
   * @throws ApiException naming the field that is wrong
   */
  public static CompletionRequest read(JsonNode body, RequestLimits limits) {
    RequestFields f = RequestFields.of(body);
    Optional<String> model = f.optionalText("model");
    f.requireOr("prompt", "messages", "/v1/chat/completions");
    List<Prompt> prompts = prompts(f, limits);
    int maxTokens = f.integer("max_tokens", 0, Integer.MAX_VALUE, 16);
    boolean echo = f.flag("echo", false);
    int logprobs = f.integer("logprobs", 0, limits.topLogprobs(), -1);
    SamplingFields sampling = SamplingFields.read(f, limits);
    if (maxTokens == 0 && !echo) {
      throw f.error("max_tokens", "can be 0 only with \"echo\": true");
    }
    if (prompts.size() * sampling.choices() > limits.sequences()) {
      throw f.error(
          "n",
          "times the number of prompts must be at most %d, not %d times %d"
              .formatted(limits.sequences(), sampling.choices(), prompts.size()));
    }
    f.refuse("suffix", v -> v.isString() && v.stringValue().isEmpty(), "the model only continues");
    f.refuse(
        "best_of",
        v -> v.isIntegralNumber() && v.intValue() == sampling.choices(),
        "every reply is returned; it can only equal n");
    SamplingFields.others(f);
    f.end();
    return new CompletionRequest(model, prompts, maxTokens, echo, logprobs, sampling, f.ignored());
  }

  private static List<Prompt> prompts(RequestFields f, RequestLimits limits) {
    JsonNode v = f.required("prompt");
    if (v.isString()) {
      return List.of(new Prompt.Text(v.stringValue()));
    }
    if (!v.isArray() || v.isEmpty()) {
      throw f.wrong("prompt", KINDS);
    }
    if (v.get(0).isNumber()) {
      return List.of(new Prompt.Ids(ids(f, v)));
    }
    if (v.size() > limits.prompts()) {
      throw f.error(
          "prompt", "must have at most %d entries, not %d".formatted(limits.prompts(), v.size()));
    }
    List<Prompt> out = new ArrayList<>();
    for (JsonNode p : v) {
      out.add(p.isString() ? new Prompt.Text(p.stringValue()) : new Prompt.Ids(ids(f, p)));
    }
    return out;
  }

  private static int[] ids(RequestFields f, JsonNode list) {
    if (!list.isArray() || list.isEmpty()) {
      throw f.error("prompt", KINDS + "; it has " + RequestFields.shown(list));
    }
    int[] out = new int[list.size()];
    for (int i = 0; i < out.length; i++) {
      JsonNode id = list.get(i);
      if (!id.isIntegralNumber() || !id.canConvertToInt()) {
        throw f.error("prompt", "has token ids and " + RequestFields.shown(id) + ", which is none");
      }
      out[i] = id.intValue();
    }
    return out;
  }
}
