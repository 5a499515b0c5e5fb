package io.hydrahead.server.engine;

import io.hydrahead.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;

/**
 * Parts a reply's text into what is said and the functions that are called, as the text comes. A
 * call is written as Qwen3's chat template shows it:
 *
 * <pre>{@code
 * <tool_call>
 * {"name": "weather", "arguments": {"city": "Paris"}}
 * </tool_call>
 * }</pre>
 *
 * <p>A block is held back until it is whole, or until it can be no call: then it is said. White
 * space around calls is not said. In the {@code <think>} that a reply begins with nothing is
 * called.
 */
public final class ToolCallText {
  private static final String OPEN = "<tool_call>";
  private static final String CLOSE = "</tool_call>";
  private static final String THINK = "<think>";
  private static final String THOUGHT = "</think>";

  /** Most white space that is held back. */
  private static final int MAX_SPACE = 100;

  /** Stands for any character beyond ASCII, all of which JSON has in strings only. */
  private static final int[] BEYOND_ASCII = {0xC3, 0xA9};

  private final Set<String> functions;
  private final boolean many;

  /** Not yet certain: white space, then the beginning of a tag, or a block. */
  private final StringBuilder held = new StringBuilder();

  private StringBuilder said = new StringBuilder();
  private List<Call> called = new ArrayList<>();

  private boolean thinking;
  private boolean anySaid;
  private boolean anyCalled;

  /** What was read of the block that is held, or null outside of one. */
  private JsonMachine block;

  /** Where the block's JSON begins and ends in {@link #held}, and how far it was looked at. */
  private int jsonFrom;

  private int jsonTo;
  private int seen;

  /**
   * @param functions names that can be called; with none, everything is said
   * @param many whether there may be more than one call
   * @param thinking whether the prompt has begun a {@code <think>} already
   */
  public ToolCallText(Set<String> functions, boolean many, boolean thinking) {
    this.functions = Set.copyOf(functions);
    this.many = many;
    this.thinking = thinking;
  }

  /**
   * A call of a function.
   *
   * @param arguments a JSON object, as it was written
   */
  public record Call(String name, String arguments) {}

  /** What has become certain: a text, which may be empty, and calls. */
  public record Piece(String text, List<Call> calls) {}

  /** What is certain with {@code text}; nothing once {@link #complete}. */
  public Piece push(String text) {
    if (functions.isEmpty()) {
      return new Piece(text, List.of());
    }
    if (!complete()) {
      held.append(text);
      while (advance()) {
        // one tag after another
      }
    }
    return take();
  }

  /** The rest, after the last text. */
  public Piece finish() {
    if (!complete() && !(anyCalled && held.toString().isBlank())) {
      say(held.length());
    }
    return take();
  }

  /** Whether the only call that there may be has come: what follows is dropped. */
  public boolean complete() {
    return anyCalled && !many;
  }

  private Piece take() {
    Piece out = new Piece(said.toString(), List.copyOf(called));
    said = new StringBuilder();
    called = new ArrayList<>();
    return out;
  }

  /** Goes on to the end of the next tag; false where more text is needed. */
  private boolean advance() {
    if (complete() || held.isEmpty()) {
      return false;
    }
    if (thinking) {
      return think();
    }
    return block == null ? talk() : call();
  }

  private boolean think() {
    int end = held.indexOf(THOUGHT);
    if (end < 0) {
      say(held.length() - ReplyText.beginnings(held, List.of(THOUGHT)));
      return false;
    }
    say(end + THOUGHT.length());
    thinking = false;
    return true;
  }

  private boolean talk() {
    if (!anySaid && !anyCalled && held.toString().stripLeading().startsWith(THINK)) {
      say(held.indexOf(THINK) + THINK.length());
      thinking = true;
      return true;
    }
    int open = held.indexOf(OPEN);
    if (open >= 0) {
      int space = spaceBefore(open);
      say(space);
      jsonFrom = open - space + OPEN.length();
      seen = jsonFrom;
      block = new JsonMachine();
      return true;
    }
    List<String> tags = anySaid || anyCalled ? List.of(OPEN) : List.of(OPEN, THINK);
    say(spaceBefore(held.length() - ReplyText.beginnings(held, tags)));
    return false;
  }

  private boolean call() {
    for (; !block.complete(); jsonTo = ++seen) {
      if (seen == held.length()) {
        return false;
      }
      if (!step(held.charAt(seen))) {
        return noCall();
      }
    }
    while (seen < held.length() && Character.isWhitespace(held.charAt(seen))) {
      seen++;
    }
    String rest = held.substring(seen, Math.min(held.length(), seen + CLOSE.length()));
    if (!rest.equals(CLOSE)) {
      return !CLOSE.startsWith(rest) && noCall();
    }
    Optional<Call> call = parse(held.substring(jsonFrom, jsonTo));
    if (call.isEmpty()) {
      return noCall();
    }
    called.add(call.get());
    anyCalled = true;
    block = null;
    held.delete(0, many ? seen + CLOSE.length() : held.length());
    return true;
  }

  private boolean step(char c) {
    return c < 0x80 ? block.step(c) : block.step(BEYOND_ASCII[0]) && block.step(BEYOND_ASCII[1]);
  }

  /** The tag was only text; another may come behind it. */
  private boolean noCall() {
    block = null;
    say(jsonFrom);
    return true;
  }

  /** The call that is written in JSON whose syntax is right; empty if it is none that can be. */
  private Optional<Call> parse(String json) {
    String name = "";
    String arguments = "";
    try (JsonParser p = Json.FACTORY.createParser(ObjectReadContext.empty(), json)) {
      p.nextToken();
      while (p.nextToken() == JsonToken.PROPERTY_NAME) {
        String field = p.currentName();
        JsonToken value = p.nextToken();
        int from = (int) p.currentTokenLocation().getCharOffset();
        if (field.equals("name") && value == JsonToken.VALUE_STRING) {
          name = p.getString();
        }
        p.skipChildren();
        if (field.equals("arguments") && value == JsonToken.START_OBJECT) {
          arguments = json.substring(from, (int) p.currentLocation().getCharOffset());
        }
      }
    } catch (JacksonException twice) {
      return Optional.empty(); // a name that occurs twice, which the syntax does not forbid
    }
    return functions.contains(name) && !arguments.isEmpty()
        ? Optional.of(new Call(name, arguments))
        : Optional.empty();
  }

  private int spaceBefore(int end) {
    int at = end;
    while (at > 0 && end - at < MAX_SPACE && Character.isWhitespace(held.charAt(at - 1))) {
      at--;
    }
    return at;
  }

  private void say(int length) {
    said.append(held, 0, length);
    held.delete(0, length);
    anySaid |= length > 0;
  }
}
