package io.hydrahead.cli;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;

/**
 * Token ids from a JSON file: {@code [1, 2, 3]}, {@code [[1, 2], [3, 4]]}, or an object with one of
 * these as {@code input_ids} or {@code ids}.
 */
final class TokenIds {
  private TokenIds() {}

  /**
   * The sequences of {@code file}, at least one, none empty, all as long as the first.
   *
   * @throws InputException naming the file and the element, if it has another form or an id is
   *     outside 0 … {@code vocabulary − 1}
   */
  static int[][] read(Path file, int vocabulary) {
    JsonNode node = Json.read(file);
    if (node.isObject()) {
      if (node.has("input_ids") && node.has("ids")) {
        throw new InputException(file + ": has both input_ids and ids; leave one of them out");
      }
      node = node.has("input_ids") ? node.get("input_ids") : node.path("ids");
    }
    if (!node.isArray()) {
      throw new InputException(
          file
              + ": expected a list of token ids, a list of such lists, or {\"input_ids\": …} or {\"ids\": …}");
    }
    if (node.isEmpty()) {
      throw new InputException(file + ": the prompt is empty; give at least one token id");
    }
    if (!node.get(0).isArray()) {
      return new int[][] {row(file, node, vocabulary, "")};
    }
    int[][] rows = new int[node.size()][];
    for (int b = 0; b < rows.length; b++) {
      rows[b] = row(file, node.get(b), vocabulary, "sequence " + b + ", ");
      if (rows[b].length != rows[0].length) {
        throw new InputException(
            file
                + ": sequence "
                + b
                + " has "
                + rows[b].length
                + " ids, the first has "
                + rows[0].length
                + "; all must be equally long");
      }
    }
    return rows;
  }

  private static int[] row(Path file, JsonNode list, int vocabulary, String where) {
    if (!list.isArray() || list.isEmpty()) {
      throw new InputException(
          file + ": " + where + "the prompt is empty; give at least one token id");
    }
    int[] ids = new int[list.size()];
    for (int i = 0; i < ids.length; i++) {
      JsonNode id = list.get(i);
      if (!id.isIntegralNumber()
          || !id.canConvertToInt()
          || id.intValue() < 0
          || id.intValue() >= vocabulary) {
        throw new InputException(
            file
                + ": "
                + where
                + "id "
                + id
                + " at place "
                + i
                + " is no token id; the vocabulary is 0…"
                + (vocabulary - 1));
      }
      ids[i] = id.intValue();
    }
    return ids;
  }
}
