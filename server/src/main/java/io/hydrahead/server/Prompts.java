package io.hydrahead.server;

import io.hydrahead.server.api.ApiException;
import io.hydrahead.server.api.Messages;
import io.hydrahead.server.engine.Engine;
import io.hydrahead.tokenizer.ChatTemplate;
import io.hydrahead.tokenizer.ChatTemplate.Conversation;
import io.hydrahead.tokenizer.template.RaisedException;
import io.hydrahead.tokenizer.template.TemplateException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Makes prompts of chats, and sees to it that what the template does not show is not missed. */
final class Prompts {
  /** What every conversation brings by itself. */
  private static final Set<String> OWN = Set.of("messages", "tools", "add_generation_prompt");

  /** Fields of messages that few templates show: what they lack of these is told, not refused. */
  private static final List<String> SELDOM = List.of("name", "tool_call_id", "reasoning_content");

  /** How messages may be written, the usual way first. */
  private static final List<UnaryOperator<ArrayNode>> FORMS =
      List.of(
          m -> m,
          Messages::withTextArguments,
          Messages::withoutNull,
          m -> Messages.withoutNull(Messages.withTextArguments(m)));

  private Prompts() {}

  /**
   * A chat as the model reads it.
   *
   * @param ignored fields of the messages of which nothing is in it
   */
  record Prompt(int[] ids, List<String> ignored) {}

  /**
   * Ids of a chat.
   *
   * @param tools empty for none
   * @throws ApiException 400 if this is no chat model, its template refuses the messages, or it
   *     shows the model nothing of the tools, calls or variables
   */
  static Prompt chat(
      Engine engine, ArrayNode messages, ArrayNode tools, ObjectNode variables, boolean reply) {
    ChatTemplate template =
        engine
            .template()
            .orElseThrow(() ->
                ApiException.invalid(
                    "messages",
                    "This model cannot chat: its checkpoint has no chat_template.jinja, and its"
                        + " tokenizer not the tokens of ChatML. Use /v1/completions, or add the"
                        + " file."));
    requireRead(template, !tools.isEmpty(), variables);
    ArrayNode given =
        template.mentions("developer") ? messages : Messages.withSystemForDeveloper(messages);
    JsonNode described = tools.isEmpty() ? Conversation.NONE : tools;
    try {
      return encode(engine, template, new Conversation(given, described, reply, variables));
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

  /** A variable that the template never reads is a slip, or meant for another model. */
  private static void requireRead(ChatTemplate template, boolean tools, ObjectNode variables) {
    Set<String> read = template.variables(tools);
    for (String name : variables.propertyNames()) {
      if (!read.contains(name)) {
        String field = name.equals("reasoning_effort") ? name : "chat_template_kwargs." + name;
        String known =
            read.stream()
                .filter(v -> !OWN.contains(v) && !v.endsWith("_token"))
                .sorted()
                .collect(Collectors.joining(", "));
        throw ApiException.invalid(
            field,
            "'%s' would change nothing: this model's chat template does not read it. It reads %s."
                .formatted(field, known.isEmpty() ? "no such variable at all" : known),
            "unsupported");
      }
    }
  }

  /**
   * Most templates want the arguments of calls as objects, some as texts; some cannot write the
   * null that stands for no content beside calls.
   */
  private static Prompt encode(Engine engine, ChatTemplate template, Conversation c) {
    TemplateException first = null;
    Set<ArrayNode> tried = new HashSet<>();
    for (UnaryOperator<ArrayNode> form : FORMS) {
      Conversation formed = with(c, form.apply(c.messages()));
      if (!tried.add(formed.messages())) {
        continue;
      }
      try {
        int[] ids = template.encode(formed, engine.tokenizer());
        return new Prompt(ids, unseen(template, formed));
      } catch (RaisedException e) {
        throw e;
      } catch (TemplateException e) {
        first = first == null ? e : first;
      }
    }
    throw first;
  }

  private static Conversation with(Conversation c, ArrayNode messages) {
    return new Conversation(messages, c.tools(), c.reply(), c.extras());
  }

  /**
   * Fields of which the template shows the model nothing: without them the text is the same.
   *
   * @throws ApiException 400 if these are the tools, or calls of them
   */
  private static List<String> unseen(ChatTemplate template, Conversation c) {
    List<String> seldom = SELDOM.stream().filter(f -> place(c, f).isPresent()).toList();
    Optional<Integer> call = place(c, "tool_calls");
    boolean tools = !c.tools().isNull();
    if (seldom.isEmpty() && call.isEmpty() && !tools) {
      return List.of();
    }
    String text = template.render(c);
    if (tools
        && same(
            template,
            new Conversation(c.messages(), Conversation.NONE, c.reply(), c.extras()),
            text)) {
      throw unseen("tools", "functions; describe them in a message");
    }
    if (call.isPresent() && same(template, without(c, "tool_calls"), text)) {
      throw unseen(
          "messages[" + call.get() + "].tool_calls",
          "calls of functions; write the call as text in 'content'");
    }
    List<String> out = new ArrayList<>();
    for (String field : seldom) {
      if (same(template, without(c, field), text)) {
        out.add("messages[]." + field);
      }
    }
    return out;
  }

  private static ApiException unseen(String field, String what) {
    return ApiException.invalid(
        field,
        "'"
            + field
            + "' would not reach the model: its chat template does not show "
            + what
            + ", or serve a model whose template does.",
        "unsupported");
  }

  /** The first message that has something in {@code field}. */
  private static Optional<Integer> place(Conversation c, String field) {
    for (int i = 0; i < c.messages().size(); i++) {
      JsonNode v = c.messages().get(i).path(field);
      if (v.isString() || v.isArray() && !v.isEmpty()) {
        return Optional.of(i);
      }
    }
    return Optional.empty();
  }

  private static Conversation without(Conversation c, String field) {
    ArrayNode fewer = c.messages().deepCopy();
    fewer.forEach(m -> ((ObjectNode) m).remove(field));
    return with(c, fewer);
  }

  private static boolean same(ChatTemplate template, Conversation c, String text) {
    try {
      return template.render(c).equals(text);
    } catch (TemplateException e) {
      return false;
    }
  }
}
