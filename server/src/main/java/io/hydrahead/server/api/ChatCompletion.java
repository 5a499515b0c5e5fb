package io.hydrahead.server.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Optional;

/** Body of a chat's answer, whole or as one event of a stream. */
public record ChatCompletion(
    String id,
    String object,
    long created,
    String model,
    List<Choice> choices,
    @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<Usage> usage) {

  public static final String OBJECT = "chat.completion";
  public static final String CHUNK = "chat.completion.chunk";

  /**
   * A reply, or a piece of one.
   *
   * @param message of a whole answer
   * @param delta of a stream
   */
  public record Choice(
      int index,
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<Message> message,
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<Delta> delta,
      Optional<Logprobs> logprobs,
      Optional<String> finishReason) {}

  /**
   * @param content absent where there are only calls
   * @param refusal always absent: the model has no such channel
   */
  public record Message(
      String role,
      Optional<String> content,
      Optional<String> refusal,
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<List<ToolCall>> toolCalls) {}

  public record Delta(
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<String> role,
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<String> content,
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<List<ToolCall>> toolCalls) {}

  /**
   * A call of a function.
   *
   * @param index its place among the reply's calls, in streams
   */
  public record ToolCall(
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<Integer> index,
      String id,
      String type,
      Function function) {
    public static ToolCall of(String id, String name, String arguments) {
      return new ToolCall(Optional.empty(), id, "function", new Function(name, arguments));
    }

    /** The same in a stream. */
    public ToolCall at(int place) {
      return new ToolCall(Optional.of(place), id, type, function);
    }
  }

  /**
   * @param arguments a JSON object as a text
   */
  public record Function(String name, String arguments) {}

  public record Logprobs(List<TokenLogprob> content, Optional<String> refusal) {}

  /**
   * @param bytes of the token, which need not be whole characters
   */
  public record Alternative(String token, float logprob, List<Integer> bytes) {}

  public record TokenLogprob(
      String token, float logprob, List<Integer> bytes, List<Alternative> topLogprobs) {}
}
