package io.hydrahead.server.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Body of a completion's answer, whole or as one event of a stream. */
public record Completion(
    String id,
    String object,
    long created,
    String model,
    List<Choice> choices,
    @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<Usage> usage) {

  public static final String OBJECT = "text_completion";

  public record Choice(
      String text, int index, Optional<Logprobs> logprobs, Optional<String> finishReason) {}

  /**
   * One entry a token.
   *
   * @param tokenLogprobs null for a prompt's first token
   * @param topLogprobs null for a prompt's first token
   * @param textOffset where the token begins in the text, in code points
   */
  public record Logprobs(
      List<String> tokens,
      List<Float> tokenLogprobs,
      List<Map<String, Float>> topLogprobs,
      List<Integer> textOffset) {}
}
