package io.hydrahead.server.api;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.nio.ByteBuffer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.json.JsonMapper;

/** Bodies as JSON: names with underscores, compact, on one line. */
public final class Bodies {
  private static final JsonMapper MAPPER =
      JsonMapper.builder().propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE).build();

  private Bodies() {}

  /**
   * Reads the body of a request: strict UTF-8 and JSON, without duplicate names.
   *
   * @throws ApiException 400 if it is not that
   */
  public static JsonNode read(byte[] body) {
    try {
      return Json.parse(Json.utf8(ByteBuffer.wrap(body), "body"), "body");
    } catch (InputException e) {
      throw ApiException.invalid("", e.getMessage(), "invalid_json");
    }
  }

  /** Writes the body of a response. */
  public static String write(Object body) {
    return MAPPER.writeValueAsString(body);
  }
}
