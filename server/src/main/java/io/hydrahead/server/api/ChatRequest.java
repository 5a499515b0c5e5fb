package io.hydrahead.server.api;

import io.hydrahead.json.Json;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Body of {@code POST /v1/chat/completions}.
 *
 * @param model empty for the one that is served
 * @param messages as the template gets them; arguments of calls as objects
 * @param tools empty for none
 * @param parallelCalls whether a reply may call more than one function
 * @param variables further variables for the template
 * @param maxTokens most tokens of a reply; empty for all that there is room for
 * @param limitField the field that says so
 * @param logprobs alternatives to every token; −1 for no log-probabilities
 * @param json whether replies must be JSON objects
 * @param ignored fields that are not used
 */
public record ChatRequest(
    Optional<String> model,
    ArrayNode messages,
    ArrayNode tools,
    boolean parallelCalls,
    ObjectNode variables,
    OptionalInt maxTokens,
    String limitField,
    int logprobs,
    boolean json,
    SamplingFields sampling,
    List<String> ignored) {

  /**
   * Reads a body.
   *
   * @throws ApiException naming the field that is wrong
   */
  public static ChatRequest read(JsonNode body, RequestLimits limits) {
    RequestFields f = RequestFields.of(body);
    Optional<String> model = f.optionalText("model");
    f.requireOr("messages", "prompt", "/v1/completions");
    ArrayNode messages = Messages.read(f, limits);
    ArrayNode tools = tools(f, limits);
    boolean parallelCalls = f.flag("parallel_tool_calls", true);
    if (tools.isEmpty()) {
      f.ignore("parallel_tool_calls");
    }
    OptionalInt maxTokens = f.integer("max_completion_tokens", 1, Integer.MAX_VALUE);
    OptionalInt older = f.integer("max_tokens", 1, Integer.MAX_VALUE);
    if (maxTokens.isPresent()) {
      f.ignore("max_tokens");
    }
    int logprobs = logprobs(f, limits);
    boolean json = json(f);
    if (json && !tools.isEmpty()) {
      throw ApiException.invalid(
          "response_format",
          "'response_format' of type json_object cannot stand beside 'tools': a reply that is one"
              + " JSON object has no calls. Leave one of them out, or write \"tool_choice\":"
              + " \"none\".",
          "unsupported");
    }
    ObjectNode variables = variables(f);
    SamplingFields sampling = SamplingFields.read(f, limits);
    refuse(f);
    SamplingFields.others(f);
    f.end();
    return new ChatRequest(
        model,
        messages,
        tools,
        parallelCalls,
        variables,
        maxTokens.isPresent() ? maxTokens : older,
        maxTokens.isPresent() ? "max_completion_tokens" : "max_tokens",
        logprobs,
        json,
        sampling,
        f.ignored());
  }

  /** Names of the functions that a reply may call. */
  public Set<String> functions() {
    Set<String> names = new LinkedHashSet<>();
    tools.forEach(t -> names.add(t.path("function").path("name").stringValue()));
    return names;
  }

  static ArrayNode tools(RequestFields f, RequestLimits limits) {
    ArrayNode out = Json.object().putArray("tools");
    Set<String> names = new HashSet<>();
    for (RequestFields tool : f.objects("tools", limits.tools())) {
      tool.choice("type", "function", "function");
      RequestFields function = tool.object("function");
      String name = function.text("name");
      if (name.isBlank()) {
        throw function.wrong("name", "must be the name of a function");
      }
      if (!names.add(name)) {
        throw function.error(
            "name",
            "is that of another tool, too: "
                + RequestFields.shown(function.required("name"))
                + "; names tell tools apart");
      }
      function.text("description", "");
      if (function.has("parameters")) {
        function.object("parameters");
      }
      function.refuse("strict", v -> v.isBoolean() && !v.booleanValue(), "calls are not checked");
      function.end();
      tool.end();
      out.add(tool.node());
    }
    String use = choice(f);
    if (out.isEmpty()) {
      f.ignore("tool_choice");
    }
    return use.equals("none") ? out.removeAll() : out;
  }

  private static String choice(RequestFields f) {
    if (!f.has("tool_choice")) {
      return "auto";
    }
    JsonNode v = f.required("tool_choice");
    f.refuse(
        "tool_choice",
        c -> !c.isObject() && !c.asString("").equals("required"),
        "a call cannot be enforced; write \"auto\" or \"none\", not "
            + (v.isObject() ? "the name of a function" : RequestFields.shown(v)));
    return f.choice("tool_choice", "auto", "auto", "none");
  }

  private static int logprobs(RequestFields f, RequestLimits limits) {
    boolean wanted = f.flag("logprobs", false);
    OptionalInt top = f.integer("top_logprobs", 0, limits.topLogprobs());
    if (top.isPresent() && !wanted) {
      throw f.error("top_logprobs", "needs \"logprobs\": true");
    }
    return wanted ? top.orElse(0) : -1;
  }

  private static boolean json(RequestFields f) {
    if (!f.has("response_format")) {
      return false;
    }
    RequestFields format = f.object("response_format");
    String type = format.text("type");
    if (type.equals("json_schema")) {
      throw ApiException.invalid(
          "response_format",
          "'response_format' of type json_schema is not supported; json_object is.",
          "unsupported");
    }
    if (!List.of("text", "json_object").contains(type)) {
      throw format.wrong("type", "must be text or json_object");
    }
    format.end();
    return type.equals("json_object");
  }

  static ObjectNode variables(RequestFields f) {
    ObjectNode out = Json.object();
    f.entries("chat_template_kwargs")
        .forEach(e -> {
          if (List.of("messages", "tools", "add_generation_prompt").contains(e.getKey())) {
            throw f.error("chat_template_kwargs", "cannot set " + e.getKey());
          }
          out.set(e.getKey(), e.getValue());
        });
    if (f.has("reasoning_effort")) {
      out.put("reasoning_effort", f.text("reasoning_effort"));
    }
    return out;
  }

  private static void refuse(RequestFields f) {
    f.refuse("functions", "write tools");
    f.refuse("function_call", "write tool_choice");
    f.refuse("audio", "the model writes text only");
    f.refuse(
        "modalities",
        v -> v.isArray() && v.size() == 1 && v.get(0).asString("").equals("text"),
        "the model writes text only");
    f.refuse("prediction", "replies are not predicted");
    f.refuse("web_search_options", "the server makes no connections");
    f.refuse("verbosity", "the model does not know it");
    f.refuse("store", v -> v.isBoolean() && !v.booleanValue(), "nothing is stored");
  }
}
