package io.hydrahead.server.api;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/** Bodies as JSON: names with underscores, compact, on one line. */
public final class Bodies {
  private static final JsonMapper MAPPER =
      JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();

  /** An escape that is half of a character; whether its other half is there is seen later. */
  private static final Pattern HALF = Pattern.compile("\\\\u[dD][89a-fA-F]");

  private Bodies() {}

  /**
   * Reads the body of a request: strict UTF-8 and JSON, without duplicate names.
   *
   * @throws ApiException 400 if it is not that
   */
  public static JsonNode read(byte[] body) {
    try {
      String text = Json.utf8(ByteBuffer.wrap(body), "body");
      JsonNode node = Json.parse(text, "body");
      if (HALF.matcher(text).find()) {
        requireWhole(node, "");
      }
      return node;
    } catch (InputException e) {
      throw ApiException.invalid("", e.getMessage(), "invalid_json");
    }
  }

  /** A character beyond 16 bits is written as two escapes; one of them alone is no text. */
  private static void requireWhole(JsonNode node, String path) {
    if (node.isString()) {
      requireWhole(node.stringValue(), path);
    }
    for (Map.Entry<String, JsonNode> e : node.properties()) {
      requireWhole(e.getKey(), path);
      requireWhole(e.getValue(), path.isEmpty() ? e.getKey() : path + "." + e.getKey());
    }
    for (int i = 0; node.isArray() && i < node.size(); i++) {
      requireWhole(node.get(i), path + "[" + i + "]");
    }
  }

  private static void requireWhole(String text, String path) {
    Optional<String> half =
        text.codePoints()
            .filter(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)
            .mapToObj(c -> "\\u%04x".formatted(c))
            .findFirst();
    if (half.isPresent()) {
      throw ApiException.invalid(
          path,
          (path.isEmpty() ? "A name" : "'" + path + "'")
              + " has %s, half of a character, without its other half.".formatted(half.get()),
          "invalid_json");
    }
  }

  /** Writes the body of a response. */
  public static String write(Object body) {
    return MAPPER.writeValueAsString(body);
  }
}
