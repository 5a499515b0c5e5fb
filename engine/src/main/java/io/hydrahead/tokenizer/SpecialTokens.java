package io.hydrahead.tokenizer;

import io.hydrahead.json.Json;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Keeps what people write from being read as special tokens: before a template puts texts together,
 * a character that no text has is put inside every special token that they spell out; afterwards
 * tokens are those of the template only, and the character goes.
 */
final class SpecialTokens {
  /** A noncharacter, which no text may contain: U+FDD0. */
  private static final char GUARD = '\uFDD0';

  private static final char REPLACEMENT = '\uFFFD';

  private final Tokenizer tokenizer;
  private final Pattern tokens;

  SpecialTokens(Tokenizer tokenizer) {
    this.tokenizer = tokenizer;
    String any =
        tokenizer.addedTokens().stream()
            .filter(t -> t.special() && t.content().length() > 1)
            .map(AddedToken::content)
            .sorted(Comparator.comparingInt(String::length).reversed())
            .map(Pattern::quote)
            .collect(Collectors.joining("|"));
    // Texts are long and tokens rare: a look at the first character spares trying every token.
    String first =
        tokenizer.addedTokens().stream()
            .filter(t -> t.special() && t.content().length() > 1)
            .map(t -> Pattern.quote(Character.toString(t.content().codePointAt(0))))
            .distinct()
            .collect(Collectors.joining());
    this.tokens = Pattern.compile(any.isEmpty() ? "(?!)" : "(?=[" + first + "])(?:" + any + ")");
  }

  /** {@code node} with all its texts guarded; itself if there is nothing to do. */
  JsonNode guard(JsonNode node) {
    return switch (node.getNodeType()) {
      case STRING -> {
        String text = node.stringValue();
        String guarded = guard(text);
        yield guarded.equals(text) ? node : Json.of(guarded);
      }
      case ARRAY -> {
        ArrayNode out = Json.object().putArray("a");
        node.forEach(item -> out.add(guard(item)));
        yield out;
      }
      case OBJECT -> {
        ObjectNode out = Json.object();
        node.properties().forEach(p -> out.set(guard(p.getKey()), guard(p.getValue())));
        yield out;
      }
      default -> node;
    };
  }

  private String guard(String text) {
    String clean = text.indexOf(GUARD) >= 0 ? text.replace(GUARD, REPLACEMENT) : text;
    Matcher m = tokens.matcher(clean);
    if (!m.find()) {
      return clean;
    }
    StringBuilder out = new StringBuilder();
    int done = 0;
    // From the next character on, since tokens may overlap.
    for (int from = 0; m.find(from); from = m.start() + 1) {
      int inside = clean.offsetByCodePoints(m.start(), 1);
      out.append(clean, done, inside).append(GUARD);
      done = inside;
    }
    return out.append(clean, done, clean.length()).toString();
  }

  /** Ids of a rendered text, in which guarded tokens are plain text. */
  int[] encode(String text) {
    if (text.indexOf(GUARD) < 0) {
      return tokenizer.encode(text);
    }
    List<int[]> parts = new ArrayList<>();
    Matcher m = tokens.matcher(text);
    int from = 0;
    int plain = 0;
    // Text without a guard goes as one with the tokens around it; a run with one goes alone.
    while (plain <= text.length()) {
      boolean token = m.find(plain);
      int end = token ? m.start() : text.length();
      if (text.substring(plain, end).indexOf(GUARD) >= 0) {
        parts.add(tokenizer.encode(text.substring(from, plain)));
        String run = text.substring(plain, end).replace(String.valueOf(GUARD), "");
        parts.add(tokenizer.encode(run, false));
        from = end;
      }
      plain = token ? m.end() : text.length() + 1;
    }
    parts.add(tokenizer.encode(text.substring(from)));
    return parts.stream().flatMapToInt(Arrays::stream).toArray();
  }
}
