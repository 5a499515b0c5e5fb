package io.hydrahead.server.api;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Messages of a chat, checked and in the form that templates expect. */
public final class Messages {
  private static final String CONTENT =
      "must be a text or a list of parts such as {\"type\": \"text\", \"text\": \"…\"}";

  private Messages() {}

  static ArrayNode read(RequestFields f, RequestLimits limits) {
    if (f.has("messages") && !f.required("messages").isArray()) {
      throw f.wrong("messages", "must be a list of messages, each an object with role and content");
    }
    List<RequestFields> all = f.objects("messages", limits.messages());
    if (all.isEmpty()) {
      f.required("messages");
      throw f.error("messages", "must have at least one message");
    }
    ArrayNode out = Json.object().putArray("messages");
    Set<String> calls = new HashSet<>();
    for (RequestFields m : all) {
      ObjectNode read = message(m, limits);
      requireCall(m, read, calls);
      read.path("tool_calls").forEach(call -> calls.add(call.path("id").asString("")));
      out.add(read);
    }
    return out;
  }

  /**
   * A result belongs to a call before it.
   *
   * @param calls ids of all calls so far; "" for one without, which any result may belong to
   */
  private static void requireCall(RequestFields m, ObjectNode message, Set<String> calls) {
    String id = message.path("tool_call_id").asString("");
    if (message.has("tool_call_id") && !calls.contains(id) && !calls.contains("")) {
      throw m.wrong(
          "tool_call_id",
          calls.isEmpty()
              ? "must be the id of a call before it, and no message before it has tool_calls"
              : "must be the id of a call before it");
    }
  }

  private static ObjectNode message(RequestFields m, RequestLimits limits) {
    ObjectNode out = Json.object();
    m.required("role");
    String role = m.choice("role", "", "system", "developer", "user", "assistant", "tool");
    out.put("role", role);
    boolean assistant = role.equals("assistant");
    m.ignore("refusal", "annotations");
    m.allowNull("tool_calls", "function_call", "audio", "reasoning_content", "tool_call_id");
    if (assistant) {
      m.refuse("function_call", "write tool_calls");
    }
    if (m.has("content")) {
      out.put("content", content(m));
    } else if (assistant && m.has("tool_calls")) {
      out.putNull("content");
    } else if (assistant && m.has("reasoning_content")) {
      out.put("content", "");
    } else {
      throw missing(m, assistant);
    }
    if (m.has("name")) {
      out.put("name", m.text("name"));
    }
    if (assistant) {
      if (m.has("reasoning_content")) {
        out.put("reasoning_content", m.text("reasoning_content"));
      }
      if (m.has("tool_calls")) {
        out.set("tool_calls", calls(m, limits));
      }
      m.refuse("audio", "the model reads text only");
    }
    if (role.equals("tool")) {
      out.put("tool_call_id", m.text("tool_call_id"));
    }
    m.end();
    return out;
  }

  private static ApiException missing(RequestFields m, boolean assistant) {
    String at = m.path() + ".content";
    return ApiException.invalid(
        at,
        "'"
            + at
            + "' is missing; it "
            + CONTENT
            + (assistant
                ? ", and may be null beside 'tool_calls' or 'reasoning_content' only."
                : "."),
        "missing_required_parameter");
  }

  /** A text, or the texts of several parts with newlines between them. */
  private static String content(RequestFields m) {
    JsonNode v = m.required("content");
    if (v.isString()) {
      return v.stringValue();
    }
    if (!v.isArray() || v.isEmpty()) {
      throw m.wrong("content", CONTENT);
    }
    List<String> parts = new ArrayList<>();
    for (RequestFields part : m.objects("content", 10_000)) {
      if (!part.text("type").equals("text")) {
        throw ApiException.invalid(
            part.path(),
            "'%s' is of type %s; the model reads parts of type \"text\" only."
                .formatted(part.path(), RequestFields.shown(part.required("type"))));
      }
      parts.add(part.text("text"));
      part.end();
    }
    return String.join("\n", parts);
  }

  private static ArrayNode calls(RequestFields m, RequestLimits limits) {
    ArrayNode out = Json.object().putArray("calls");
    for (RequestFields call : m.objects("tool_calls", limits.tools())) {
      ObjectNode o = out.addObject();
      if (call.has("id")) {
        o.put("id", call.text("id"));
      }
      o.put("type", call.choice("type", "function", "function"));
      call.ignore("index");
      RequestFields function = call.object("function");
      ObjectNode called = o.putObject("function");
      called.put("name", function.text("name"));
      called.set("arguments", arguments(function));
      function.end();
      call.end();
    }
    return out;
  }

  /** OpenAI has arguments as a text that holds JSON; templates want the object. */
  private static JsonNode arguments(RequestFields function) {
    JsonNode given = function.required("arguments");
    if (given.isObject()) {
      return given;
    }
    String text = function.text("arguments");
    if (text.isBlank()) {
      return Json.object();
    }
    try {
      JsonNode parsed = Json.parse(text, "arguments");
      if (parsed.isObject()) {
        return parsed;
      }
    } catch (InputException e) {
      // Told below, with the field.
    }
    throw function.wrong("arguments", "must be a text that holds a JSON object");
  }

  /** The same with every call's arguments as a text, for templates that expect that. */
  public static ArrayNode withTextArguments(ArrayNode messages) {
    ArrayNode out = messages.deepCopy();
    for (JsonNode m : out) {
      for (JsonNode call : m.path("tool_calls")) {
        if (call.path("function") instanceof ObjectNode f && f.path("arguments").isObject()) {
          f.put("arguments", f.get("arguments").toString());
        }
      }
    }
    return out;
  }

  /** The same with empty texts for contents that are null, for templates that cannot write null. */
  public static ArrayNode withoutNull(ArrayNode messages) {
    ArrayNode out = messages.deepCopy();
    for (JsonNode m : out) {
      if (m.path("content").isNull()) {
        ((ObjectNode) m).put("content", "");
      }
    }
    return out;
  }

  /** The same with {@code developer} as {@code system}, for templates that do not know it. */
  public static ArrayNode withSystemForDeveloper(ArrayNode messages) {
    ArrayNode out = messages.deepCopy();
    for (JsonNode m : out) {
      if (m.path("role").asString("").equals("developer")) {
        ((ObjectNode) m).put("role", "system");
      }
    }
    return out;
  }
}
