package io.hydrahead.json;

import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * A strict reader of one JSON object of a recipe. Each field is asked for once with its range;
 * {@link #end} then refuses what nobody asked for. Every error is an {@link InputException} that
 * names the file, the field's JSON path, its value and what to write instead.
 */
public final class Fields {
  private final JsonNode node;
  private final String source;
  private final String path;
  private final Path folder;
  private final Set<String> known = new LinkedHashSet<>();

  private Fields(JsonNode node, String source, String path, Path folder) {
    this.node = node;
    this.source = source;
    this.path = path;
    this.folder = folder;
  }

  /** The object in {@code file}; paths inside it are relative to the file's folder. */
  public static Fields read(Path file) {
    return of(Json.read(file), file.toString(), "$", file.toAbsolutePath().getParent());
  }

  /**
   * The object in {@code text}.
   *
   * @param source what errors call it, such as the file's name
   * @param folder where relative paths inside it start
   */
  public static Fields parse(String text, String source, Path folder) {
    return of(Json.parse(text, source), source, "$", folder);
  }

  /** The object {@code node}, found at {@code path} in {@code source}. */
  public static Fields of(JsonNode node, String source, String path, Path folder) {
    if (node == null || !node.isObject()) {
      throw new InputException(
          source
              + ": "
              + path
              + " must be a JSON object {…}, not "
              + show(node)
              + "; write {\"…\": …}");
    }
    return new Fields(node, source, path, folder);
  }

  /** Another object in the place of this one. */
  public Fields with(JsonNode other) {
    return of(other, source, path, folder);
  }

  /** What errors call the file. */
  public String source() {
    return source;
  }

  /** JSON path of this object, such as {@code $.stages[0].optimizer}. */
  public String path() {
    return path;
  }

  /** The object itself, with every field. */
  public JsonNode node() {
    return node;
  }

  public boolean has(String name) {
    known.add(name);
    return node.has(name);
  }

  public String text(String name) {
    return string(name, required(name));
  }

  public String text(String name, String fallback) {
    return has(name) ? text(name) : fallback;
  }

  private String string(String name, JsonNode value) {
    if (!value.isString() || value.stringValue().isBlank()) {
      throw error(name, "must be a text that is not empty; write \"" + name + "\": \"…\"");
    }
    return value.stringValue();
  }

  /** A path, resolved against the folder of the file. */
  public Path file(String name) {
    String text = text(name);
    try {
      return folder.resolve(text).normalize();
    } catch (java.nio.file.InvalidPathException e) {
      throw error(name, "is not a path; write a file name relative to the recipe's folder");
    }
  }

  public int integer(String name, int min, int max) {
    return (int) count(name, min, max);
  }

  public int integer(String name, int min, int max, int fallback) {
    return has(name) ? integer(name, min, max) : fallback;
  }

  /** An integer of 64 bits; a number such as 3e6 counts as one when it is whole. */
  public long count(String name, long min, long max) {
    JsonNode value = required(name);
    String fix = "must be a whole number from " + min + " to " + max;
    if (!value.isNumber()) {
      throw error(name, fix + "; write it without quotes");
    }
    double d = value.doubleValue();
    if (value.isIntegralNumber()
        ? !value.canConvertToLong()
        : d != Math.rint(d) || Math.abs(d) > 1e15) {
      throw error(name, fix);
    }
    long v = value.isIntegralNumber() ? value.longValue() : (long) d;
    if (v < min || v > max) {
      throw error(name, fix);
    }
    return v;
  }

  public long count(String name, long min, long max, long fallback) {
    return has(name) ? count(name, min, max) : fallback;
  }

  /** A finite number in [min, max]. */
  public double number(String name, double min, double max) {
    JsonNode value = required(name);
    String fix = "must be a number from " + plain(min) + " to " + plain(max);
    if (!value.isNumber()) {
      throw error(name, fix + "; write it without quotes");
    }
    double v = value.doubleValue();
    if (!(v >= min && v <= max)) {
      throw error(name, fix);
    }
    return v;
  }

  public double number(String name, double min, double max, double fallback) {
    return has(name) ? number(name, min, max) : fallback;
  }

  public boolean flag(String name, boolean fallback) {
    if (!has(name)) {
      return fallback;
    }
    JsonNode value = node.get(name);
    if (!value.isBoolean()) {
      throw error(name, "must be true or false, without quotes");
    }
    return value.booleanValue();
  }

  /** One of an enum's constants, written in lower case with underscores. */
  public <E extends Enum<E>> E choice(String name, Class<E> type, E fallback) {
    return has(name) ? choice(name, type) : fallback;
  }

  public <E extends Enum<E>> E choice(String name, Class<E> type) {
    JsonNode value = required(name);
    for (E e : type.getEnumConstants()) {
      if (value.isString() && e.name().toLowerCase(Locale.ROOT).equals(value.stringValue())) {
        return e;
      }
    }
    List<String> all =
        Arrays.stream(type.getEnumConstants())
            .map(e -> '"' + e.name().toLowerCase(Locale.ROOT) + '"')
            .toList();
    throw error(name, "must be one of " + String.join(", ", all));
  }

  public Fields object(String name) {
    JsonNode value = required(name);
    if (!value.isObject()) {
      throw error(name, "must be a JSON object {…}");
    }
    return new Fields(value, source, path + "." + name, folder);
  }

  /** The object {@code name}, or an empty one where there is none: then every fallback holds. */
  public Fields objectOrEmpty(String name) {
    return has(name) ? object(name) : new Fields(Json.object(), source, path + "." + name, folder);
  }

  /** A list of objects with at least one in it. */
  public List<Fields> objects(String name) {
    List<Fields> out = new ArrayList<>();
    int i = 0;
    for (JsonNode item : array(name)) {
      out.add(of(item, source, path + "." + name + "[" + i++ + "]", folder));
    }
    return out;
  }

  /** A list of texts with at least one in it. */
  public List<String> texts(String name) {
    List<String> out = new ArrayList<>();
    for (JsonNode item : array(name)) {
      out.add(string(name, item));
    }
    return out;
  }

  private JsonNode array(String name) {
    JsonNode value = required(name);
    if (!value.isArray() || value.isEmpty()) {
      throw error(name, "must be a list […] with at least one entry");
    }
    return value;
  }

  private JsonNode required(String name) {
    known.add(name);
    JsonNode value = node.get(name);
    if (value == null) {
      throw new InputException(
          source + ": " + path + "." + name + " is missing; add \"" + name + "\": …" + hint(name));
    }
    return value;
  }

  /** Names the field that is there in place of {@code name}, if one is spelt nearly alike. */
  private String hint(String name) {
    return Spelling.nearest(name, node.propertyNames().stream().filter(n -> !known.contains(n)))
        .map(n -> " (there is \"" + n + "\": is it meant?)")
        .orElse("");
  }

  /** Refuses fields that were never asked for. */
  public void end() {
    for (String name : node.propertyNames()) {
      if (!known.contains(name)) {
        throw error(name, "is not a field of this object; it has " + String.join(", ", known));
      }
    }
  }

  /** An error about field {@code name}: "file: path = value fix". */
  public InputException error(String name, String fix) {
    return new InputException(
        source + ": " + path + "." + name + " = " + show(node.get(name)) + " " + fix);
  }

  private static String show(JsonNode value) {
    if (value == null || value.isMissingNode()) {
      return "(missing)";
    }
    return Excerpt.of(value.toString());
  }

  private static String plain(double v) {
    return v == Math.rint(v) && Math.abs(v) < 1e15 ? Long.toString((long) v) : Double.toString(v);
  }
}
