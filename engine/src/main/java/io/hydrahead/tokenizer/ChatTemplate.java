package io.hydrahead.tokenizer;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.template.Limits;
import io.hydrahead.tokenizer.template.Template;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.NullNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * How a checkpoint turns a conversation into a prompt: its own Jinja template, with the results of
 * transformers' {@code apply_chat_template}. Safe for use by many threads.
 */
public final class ChatTemplate {
  private static final String FILE = "chat_template.jinja";
  private static final String JSON_FILE = "chat_template.json";
  private static final String CONFIG = "tokenizer_config.json";
  private static final String TOKEN_MAP = "special_tokens_map.json";
  private static final String FIELD = "chat_template";
  private static final List<String> TOKENS =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  private final Template usual;

  /** For conversations with tools. */
  private final Template withTools;

  private final Map<String, JsonNode> tokens;
  private final Clock clock;
  private final Limits limits;

  private ChatTemplate(
      Template usual,
      Template withTools,
      Map<String, JsonNode> tokens,
      Clock clock,
      Limits limits) {
    this.usual = usual;
    this.withTools = withTools;
    this.tokens = tokens;
    this.clock = clock;
    this.limits = limits;
  }

  /**
   * What is rendered.
   *
   * @param messages objects with {@code role}, {@code content} and whatever else the template knows
   * @param tools list of descriptions of functions; JSON's null for none
   * @param reply whether the prompt ends where the model's reply begins
   * @param extras further variables, such as {@code enable_thinking}
   */
  public record Conversation(ArrayNode messages, JsonNode tools, boolean reply, ObjectNode extras) {
    /** No tools. */
    public static final JsonNode NONE = NullNode.getInstance();

    /** Without tools, to be replied to. */
    public static Conversation of(ArrayNode messages) {
      return new Conversation(messages, NONE, true, Json.object());
    }
  }

  /**
   * The template of the checkpoint {@code folder}: {@code chat_template.jinja}, or {@code
   * chat_template} in {@code tokenizer_config.json}; where there is none, ChatML if the tokenizer
   * has its tokens.
   *
   * @throws InputException if the template cannot be read, or there is none and no ChatML
   */
  public static ChatTemplate load(Path folder, Tokenizer tokenizer) {
    Optional<ChatTemplate> own = find(folder);
    if (own.isPresent()) {
      return own.get();
    }
    if (!knowsChatMl(tokenizer)) {
      throw new InputException(
          folder
              + ": there is no "
              + FILE
              + " and the tokenizer lacks the tokens of ChatML: this is no chat model; use generate");
    }
    return of(TokenizerFiles.CHAT_TEMPLATE, "ChatML", tokens(folder));
  }

  /** Whether the tokenizer has the tokens of ChatML. */
  public static boolean knowsChatMl(Tokenizer tokenizer) {
    return tokenizer.has("<|im_start|>") && tokenizer.has("<|im_end|>");
  }

  /**
   * The template that {@code folder} itself has.
   *
   * @throws InputException if it cannot be read
   */
  public static Optional<ChatTemplate> find(Path folder) {
    Map<String, JsonNode> tokens = tokens(folder);
    Path file = folder.resolve(FILE);
    if (Files.isRegularFile(file)) {
      return Optional.of(of(read(file), FILE, tokens));
    }
    for (String name : List.of(JSON_FILE, CONFIG)) {
      JsonNode template = object(folder, name).path(FIELD);
      if (template.isString()) {
        return Optional.of(of(template.stringValue(), name + "'s " + FIELD, tokens));
      }
      if (template.isArray()) {
        return Optional.of(named(template, name, tokens));
      }
    }
    return Optional.empty();
  }

  /**
   * From a template's text.
   *
   * @param name what errors call it
   * @param tokens variables such as {@code bos_token}
   */
  public static ChatTemplate of(String text, String name, Map<String, JsonNode> tokens) {
    Template t = Template.parse(text, name);
    return new ChatTemplate(t, t, Map.copyOf(tokens), Clock.systemDefaultZone(), Limits.DEFAULT);
  }

  /** Several templates with names: {@code tool_use} is for tools, {@code default} for the rest. */
  private static ChatTemplate named(JsonNode list, String file, Map<String, JsonNode> tokens) {
    Map<String, Template> all = new LinkedHashMap<>();
    for (JsonNode entry : list) {
      String name = entry.path("name").asString("");
      all.put(name, Template.parse(entry.path("template").asString(""), file + "'s " + name));
    }
    Template usual = all.get("default");
    if (usual == null) {
      throw new InputException(file + ": " + FIELD + " has no template named 'default'");
    }
    return new ChatTemplate(
        usual,
        all.getOrDefault("tool_use", usual),
        tokens,
        Clock.systemDefaultZone(),
        Limits.DEFAULT);
  }

  private static Map<String, JsonNode> tokens(Path folder) {
    Map<String, JsonNode> out = new LinkedHashMap<>();
    for (String file : List.of(TOKEN_MAP, CONFIG)) {
      JsonNode config = object(folder, file);
      for (String name : TOKENS) {
        JsonNode token = config.path(name);
        JsonNode text = token.isObject() ? token.path("content") : token;
        if (text.isString()) {
          out.put(name, text);
        }
      }
    }
    return out;
  }

  private static JsonNode object(Path folder, String name) {
    Path file = folder.resolve(name);
    return Files.isRegularFile(file) ? Json.read(file) : Json.object();
  }

  private static String read(Path file) {
    try {
      return Json.utf8(ByteBuffer.wrap(Files.readAllBytes(file)), file.toString());
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  /** Whether the template's text has {@code word} in it, such as the name of a role. */
  public boolean mentions(String word) {
    return usual.mentions(word) || withTools.mentions(word);
  }

  /**
   * Names that the template reads and does not set itself: what every conversation brings, such as
   * {@code messages}, and what {@link Conversation#extras} can usefully have.
   *
   * @param tools whether the conversation has tools, for which there may be another template
   */
  public Set<String> variables(boolean tools) {
    return (tools ? withTools : usual).variables();
  }

  /** The template's text, that for conversations without tools. */
  public String source() {
    return usual.text();
  }

  /** The same with another clock for {@code strftime_now}. */
  public ChatTemplate withClock(Clock other) {
    return new ChatTemplate(usual, withTools, tokens, other, limits);
  }

  /** The same with other limits. */
  public ChatTemplate withLimits(Limits other) {
    return new ChatTemplate(usual, withTools, tokens, clock, other);
  }

  /**
   * The prompt as text, byte for byte that of transformers.
   *
   * @throws io.hydrahead.tokenizer.template.RaisedException if the template refuses the messages
   * @throws io.hydrahead.tokenizer.template.TemplateException if it does not fit them
   */
  public String render(Conversation c) {
    Map<String, JsonNode> variables = new LinkedHashMap<>(tokens);
    c.extras().properties().forEach(p -> variables.put(p.getKey(), p.getValue()));
    variables.put("messages", c.messages());
    variables.put("tools", c.tools());
    variables.put(
        "documents", c.extras().has("documents") ? c.extras().get("documents") : Conversation.NONE);
    variables.put("add_generation_prompt", Json.of(c.reply()));
    return (c.tools().isNull() ? usual : withTools).render(variables, clock, limits);
  }

  /**
   * The prompt as ids. Special tokens are those that the template writes; where a message spells
   * one out, that is plain text, so nobody can forge a turn.
   *
   * @throws io.hydrahead.tokenizer.template.TemplateException like {@link #render}
   */
  public int[] encode(Conversation c, Tokenizer tokenizer) {
    SpecialTokens special = new SpecialTokens(tokenizer);
    Conversation guarded =
        new Conversation(
            (ArrayNode) special.guard(c.messages()),
            special.guard(c.tools()),
            c.reply(),
            (ObjectNode) special.guard(c.extras()));
    return special.encode(render(guarded));
  }
}
