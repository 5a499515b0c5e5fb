package io.hydrahead.server.api;

import io.hydrahead.json.Excerpt;
import io.hydrahead.json.Spelling;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;

/**
 * A strict reader of one object of a request. Every field is asked for once; {@code null} counts as
 * left out, as clients send it; {@link #end} refuses what nobody asked for.
 */
final class RequestFields {
  private final JsonNode node;
  private final String path;
  private final Set<String> known = new LinkedHashSet<>();
  private final Set<String> ignored;

  private RequestFields(JsonNode node, String path, Set<String> ignored) {
    this.node = node;
    this.path = path;
    this.ignored = ignored;
  }

  /** The body of a request. */
  static RequestFields of(JsonNode body) {
    if (!body.isObject()) {
      throw ApiException.invalid("", "The body must be a JSON object, not " + shown(body) + ".");
    }
    return new RequestFields(body, "", new LinkedHashSet<>());
  }

  private String name(String field) {
    return path.isEmpty() ? field : path + "." + field;
  }

  /** The field's value breaks {@code rule}: the message has both. */
  ApiException wrong(String field, String rule) {
    JsonNode given = node.get(field);
    return error(field, rule + (given == null ? "" : ", not " + shown(given)));
  }

  /** A value as messages have it, on one line and short. */
  static String shown(JsonNode value) {
    return switch (value.getNodeType()) {
      case ARRAY -> value.isEmpty() ? "an empty list" : "a list";
      case OBJECT -> "an object";
      case NUMBER ->
          Double.isInfinite(value.doubleValue())
              ? "a number beyond ±1.8e308"
              : Excerpt.of(value.toString());
      default -> Excerpt.of(value.toString());
    };
  }

  /** Whether the field is there and not null. */
  boolean has(String field) {
    known.add(field);
    JsonNode v = node.get(field);
    return v != null && !v.isNull();
  }

  JsonNode required(String field) {
    if (!has(field)) {
      throw ApiException.invalid(
          name(field), "'" + name(field) + "' is missing.", "missing_required_parameter");
    }
    return node.get(field);
  }

  /** Like {@link #required}; a body with {@code other} instead was meant for another path. */
  void requireOr(String field, String other, String path) {
    if (!has(field) && node.has(other)) {
      throw ApiException.invalid(
          field,
          "'%s' is missing; requests with '%s' go to %s.".formatted(field, other, path),
          "missing_required_parameter");
    }
  }

  String text(String field) {
    JsonNode v = required(field);
    if (!v.isString()) {
      throw wrong(field, "must be a string");
    }
    return v.stringValue();
  }

  Optional<String> optionalText(String field) {
    return has(field) ? Optional.of(text(field)) : Optional.empty();
  }

  String text(String field, String fallback) {
    return has(field) ? text(field) : fallback;
  }

  /** One of {@code choices}. */
  String choice(String field, String fallback, String... choices) {
    String v = text(field, fallback);
    if (!List.of(choices).contains(v)) {
      throw wrong(field, "must be one of " + String.join(", ", choices));
    }
    return v;
  }

  boolean flag(String field, boolean fallback) {
    if (!has(field)) {
      return fallback;
    }
    JsonNode v = node.get(field);
    if (!v.isBoolean()) {
      throw wrong(field, "must be true or false");
    }
    return v.booleanValue();
  }

  int integer(String field, int min, int max, int fallback) {
    return integer(field, min, max).orElse(fallback);
  }

  OptionalInt integer(String field, int min, int max) {
    OptionalLong v = whole(field, min, max);
    return v.isPresent() ? OptionalInt.of((int) v.getAsLong()) : OptionalInt.empty();
  }

  OptionalLong whole(String field, long min, long max) {
    if (!has(field)) {
      return OptionalLong.empty();
    }
    JsonNode v = node.get(field);
    boolean fits = v.isIntegralNumber() && v.canConvertToLong();
    if (!fits || v.longValue() < min || v.longValue() > max) {
      throw wrong(field, "must be a whole number from " + min + " to " + max);
    }
    return OptionalLong.of(v.longValue());
  }

  double number(String field, double min, double max, double fallback) {
    if (!has(field)) {
      return fallback;
    }
    JsonNode v = node.get(field);
    if (!v.isNumber() || !(v.doubleValue() >= min && v.doubleValue() <= max)) {
      throw wrong(field, "must be a number from " + spelled(min) + " to " + spelled(max));
    }
    return v.doubleValue();
  }

  /** A number above 0 and at most {@code max}. */
  double positive(String field, double max, double fallback) {
    if (!has(field)) {
      return fallback;
    }
    JsonNode v = node.get(field);
    if (!v.isNumber() || !(v.doubleValue() > 0 && v.doubleValue() <= max)) {
      throw wrong(field, "must be a number above 0 and at most " + spelled(max));
    }
    return v.doubleValue();
  }

  private static String spelled(double bound) {
    return bound == Math.rint(bound) ? Long.toString((long) bound) : Double.toString(bound);
  }

  RequestFields object(String field) {
    JsonNode v = required(field);
    if (!v.isObject()) {
      throw wrong(field, "must be an object");
    }
    return new RequestFields(v, name(field), ignored);
  }

  /** The entries of an object, in order. */
  Set<Map.Entry<String, JsonNode>> entries(String field) {
    if (!has(field)) {
      return Set.of();
    }
    object(field);
    return node.get(field).properties();
  }

  /** The objects of a list. */
  List<RequestFields> objects(String field, int most) {
    List<RequestFields> out = new ArrayList<>();
    for (JsonNode item : list(field, most)) {
      String at = name(field) + "[" + out.size() + "]";
      if (!item.isObject()) {
        throw ApiException.invalid(at, "'" + at + "' must be an object, not " + shown(item) + ".");
      }
      out.add(new RequestFields(item, at, ignored));
    }
    return out;
  }

  /** The items of a list; none where it is left out. */
  List<JsonNode> list(String field, int most) {
    if (!has(field)) {
      return List.of();
    }
    JsonNode v = node.get(field);
    if (!v.isArray()) {
      throw wrong(field, "must be a list");
    }
    if (v.size() > most) {
      throw error(field, "must have at most " + most + " entries, not " + v.size());
    }
    List<JsonNode> out = new ArrayList<>();
    v.forEach(out::add);
    return out;
  }

  /** Token ids, or what may be meant as such: whole numbers of 32 bits. */
  List<Integer> ids(String field, int most) {
    List<Integer> out = new ArrayList<>();
    for (JsonNode id : list(field, most)) {
      if (!id.isIntegralNumber() || !id.canConvertToInt()) {
        throw error(field, "must be a list of token ids; " + shown(id) + " is none");
      }
      out.add(id.intValue());
    }
    return out;
  }

  /** Refuses the field if it is there with a value that {@code harmless} does not let pass. */
  void refuse(String field, Predicate<JsonNode> harmless, String why) {
    if (has(field) && !harmless.test(node.get(field))) {
      throw ApiException.invalid(
          name(field), "'" + name(field) + "' is not supported: " + why + ".", "unsupported");
    }
  }

  void refuse(String field, String why) {
    refuse(field, v -> false, why);
  }

  /** Takes the field without using it; {@link #ignored} tells. */
  void ignore(String... fields) {
    for (String field : fields) {
      if (has(field)) {
        ignored.add(name(field).replaceAll("\\[\\d+]", "[]"));
      }
    }
  }

  /** Lets fields pass that are there and null, as clients send those of other kinds of objects. */
  void allowNull(String... fields) {
    for (String field : fields) {
      if (node.path(field).isNull()) {
        known.add(field);
      }
    }
  }

  /** Fields that were there and are not used; those of all entries of a list are one. */
  List<String> ignored() {
    return List.copyOf(ignored);
  }

  /** An error about this object. */
  ApiException error(String field, String rule) {
    return ApiException.invalid(name(field), "'" + name(field) + "' " + rule + ".");
  }

  /** JSON path of this object. */
  String path() {
    return path;
  }

  JsonNode node() {
    return node;
  }

  /** Refuses fields that were never asked for. */
  void end() {
    for (String field : node.propertyNames()) {
      if (!known.contains(field)) {
        String meant =
            Spelling.nearest(field.substring(0, Math.min(field.length(), 60)), known.stream())
                .map(k -> "; did you mean '" + name(k) + "'?")
                .orElse(".");
        throw ApiException.invalid(
            Excerpt.of(name(field)),
            "'" + Excerpt.of(name(field)) + "' is no field of this request" + meant,
            "unknown_parameter");
      }
    }
  }
}
