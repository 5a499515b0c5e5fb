package io.hydrahead.server;

import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.api.Messages;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.tokenizer.ChatTemplate;
import io.hydrahead.tokenizer.ChatTemplate.Conversation;
import io.hydrahead.tokenizer.template.RaisedException;
import io.hydrahead.tokenizer.template.TemplateException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Makes prompts of chats. */
final class Prompts {
  private Prompts() {}

  /**
   * Ids of a chat.
   *
   * @param tools empty for none
   * @throws ApiException 400 if this is no chat model, or its template refuses the messages
   */
  static int[] chat(
      Engine engine, ArrayNode messages, ArrayNode tools, ObjectNode variables, boolean reply) {
    ChatTemplate template =
        engine
            .template()
            .orElseThrow(() ->
                ApiException.invalid(
                    "messages", "This model has no chat template; use /v1/completions."));
    ArrayNode given =
        template.mentions("developer") ? messages : Messages.withSystemForDeveloper(messages);
    JsonNode described = tools.isEmpty() ? Conversation.NONE : tools;
    Conversation c = new Conversation(given, described, reply, variables);
    try {
      return encode(engine, template, c);
    } catch (RaisedException e) {
      throw ApiException.invalid(
          "messages", "The chat template refuses the messages: " + e.reason(), "template_error");
    } catch (TemplateException e) {
      throw ApiException.invalid(
          "messages",
          "The chat template fails on the messages: " + e.getMessage(),
          "template_error");
    }
  }

  /** Most templates want the arguments of calls as objects, some as texts. */
  private static int[] encode(Engine engine, ChatTemplate template, Conversation c) {
    try {
      return template.encode(c, engine.tokenizer());
    } catch (RaisedException e) {
      throw e;
    } catch (TemplateException e) {
      ArrayNode texts = Messages.withTextArguments(c.messages());
      if (texts.equals(c.messages())) {
        throw e;
      }
      Conversation again = new Conversation(texts, c.tools(), c.reply(), c.extras());
      return template.encode(again, engine.tokenizer());
    }
  }
}
