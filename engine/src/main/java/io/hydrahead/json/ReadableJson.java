package io.hydrahead.json;

import tools.jackson.databind.JsonNode;

/**
 * JSON laid out to be read and compared line by line: one field a line, a list of lists or of
 * objects one element a line, a list of plain values on one line.
 */
public final class ReadableJson {
  private ReadableJson() {}

  /** The text of {@code node}, with a newline at its end. */
  public static String text(JsonNode node) {
    StringBuilder out = new StringBuilder();
    append(out, node, "");
    return out.append('\n').toString();
  }

  private static void append(StringBuilder out, JsonNode node, String indent) {
    String inner = indent + "  ";
    if (node.isObject() && !node.isEmpty()) {
      String separator = "{\n";
      for (String name : node.propertyNames()) {
        out.append(separator).append(inner).append(Json.of(name)).append(": ");
        append(out, node.get(name), inner);
        separator = ",\n";
      }
      out.append('\n').append(indent).append('}');
    } else if (node.isArray() && nested(node)) {
      String separator = "[\n";
      for (JsonNode element : node) {
        out.append(separator).append(inner).append(line(element));
        separator = ",\n";
      }
      out.append('\n').append(indent).append(']');
    } else {
      out.append(line(node));
    }
  }

  private static boolean nested(JsonNode array) {
    for (JsonNode element : array) {
      if (element.isArray() || element.isObject()) {
        return true;
      }
    }
    return false;
  }

  private static String line(JsonNode node) {
    StringBuilder out = new StringBuilder();
    String separator = "";
    if (node.isArray()) {
      out.append('[');
      for (JsonNode element : node) {
        out.append(separator).append(line(element));
        separator = ", ";
      }
      return out.append(']').toString();
    }
    if (node.isObject()) {
      out.append('{');
      for (String name : node.propertyNames()) {
        out.append(separator).append(Json.of(name)).append(": ").append(line(node.get(name)));
        separator = ", ";
      }
      return out.append('}').toString();
    }
    return node.toString();
  }
}
