package io.hydrahead.json;

import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * JSON files that say only in what they differ from another one, which their field {@code extends}
 * names relative to their folder: objects are merged field by field, {@code null} takes a field
 * out, anything else replaces it (RFC 7396).
 */
public final class MergePatch {
  private static final String EXTENDS = "extends";

  private MergePatch() {}

  /**
   * The whole of {@code file}, without {@code extends}.
   *
   * @throws InputException if a file is missing, is no JSON object, or extends itself
   */
  public static ObjectNode read(Path file) {
    return read(file.toAbsolutePath().normalize(), new LinkedHashSet<>());
  }

  /** The whole of {@code file} as fields to read; paths in it are relative to its own folder. */
  public static Fields fields(Path file) {
    return Fields.of(read(file), file.toString(), "$", file.toAbsolutePath().getParent());
  }

  private static ObjectNode read(Path file, Set<Path> on) {
    if (!on.add(file)) {
      throw new InputException(file + ": extends itself, by way of " + on + "; break the circle");
    }
    JsonNode own = Json.read(file);
    if (!own.isObject()) {
      throw new InputException(file + ": should be a JSON object");
    }
    if (!own.has(EXTENDS)) {
      return (ObjectNode) own;
    }
    Fields f = Fields.read(file);
    ObjectNode base = read(f.file(EXTENDS), on);
    ObjectNode patch = (ObjectNode) own;
    patch.remove(EXTENDS);
    return apply(base, patch);
  }

  /** {@code base} changed by {@code patch}; neither of them changes. */
  public static ObjectNode apply(ObjectNode base, ObjectNode patch) {
    ObjectNode out = base.deepCopy();
    for (Map.Entry<String, JsonNode> e : patch.properties()) {
      JsonNode value = e.getValue();
      if (value.isNull()) {
        out.remove(e.getKey());
      } else if (value instanceof ObjectNode o) {
        ObjectNode there =
            out.get(e.getKey()) instanceof ObjectNode t ? t : Json.object(); // nulls go within too
        out.set(e.getKey(), apply(there, o));
      } else {
        out.set(e.getKey(), value);
      }
    }
    return out;
  }
}
