package io.hydrahead.server.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Bodies of {@code /tokenize}, {@code /detokenize} and {@code /tokenizer_info}. */
public final class TokenizerBodies {
  private TokenizerBodies() {}

  /**
   * A text, or a chat, to tokenize.
   *
   * @param parseSpecial whether special tokens in a text count as such
   * @param spelled whether tokens come as texts, too
   * @param reply whether a chat's prompt ends where the reply begins
   */
  public record Tokenize(
      Optional<String> model,
      Optional<String> prompt,
      Optional<ArrayNode> messages,
      ArrayNode tools,
      ObjectNode variables,
      boolean parseSpecial,
      boolean spelled,
      boolean reply,
      List<String> ignored) {
    public static Tokenize read(JsonNode body, RequestLimits limits) {
      RequestFields f = RequestFields.of(body);
      Optional<String> model = f.optionalText("model");
      boolean chat = f.has("messages");
      if (chat == f.has("prompt")) {
        throw ApiException.invalid("prompt", "Write either 'prompt' or 'messages'.");
      }
      Optional<String> prompt = chat ? Optional.empty() : Optional.of(f.text("prompt"));
      Optional<ArrayNode> messages =
          chat ? Optional.of(Messages.read(f, limits)) : Optional.empty();
      if (!chat) {
        for (String field : List.of("tools", "chat_template_kwargs", "reasoning_effort")) {
          f.refuse(field, "it goes with 'messages', not with 'prompt'");
        }
      }
      ArrayNode tools = ChatRequest.tools(f, limits);
      ObjectNode variables = ChatRequest.variables(f);
      boolean parseSpecial = f.flag("parse_special", true);
      boolean spelled = f.flag("return_token_strs", false);
      boolean reply = f.flag("add_generation_prompt", true);
      // Our tokenizers add none; clients of other servers send it.
      f.ignore("add_special_tokens");
      f.end();
      return new Tokenize(
          model, prompt, messages, tools, variables, parseSpecial, spelled, reply, f.ignored());
    }
  }

  public record Tokens(
      int count,
      int maxModelLen,
      List<Integer> tokens,
      @JsonInclude(JsonInclude.Include.NON_ABSENT) Optional<List<String>> tokenStrs) {}

  /** Ids to turn into text. */
  public record Detokenize(Optional<String> model, List<Integer> tokens) {
    public static Detokenize read(JsonNode body) {
      RequestFields f = RequestFields.of(body);
      Optional<String> model = f.optionalText("model");
      f.required("tokens");
      List<Integer> tokens = new ArrayList<>(f.ids("tokens", Integer.MAX_VALUE));
      f.end();
      return new Detokenize(model, tokens);
    }
  }

  public record Text(String prompt) {}

  /** What a client must know to tokenize as the server does. */
  public record Info(
      String tokenizerClass,
      int vocabSize,
      int maxModelLen,
      List<Integer> eosTokenIds,
      List<Special> specialTokens,
      Optional<String> chatTemplate) {
    public record Special(int id, String content) {}
  }
}
