package io.hydrahead.cli;

import io.hydrahead.data.DataRecipe;
import io.hydrahead.data.Split;
import io.hydrahead.data.TextCodec;
import io.hydrahead.data.TrainingText;
import io.hydrahead.json.Fields;
import io.hydrahead.json.Json;
import io.hydrahead.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Text for commands that measure a model: a user's file, or generated. */
final class Texts {
  private Texts() {}

  static TextCodec codec(Tokenizer t) {
    return TextCodec.of(t);
  }

  /**
   * {@code count} texts of {@code tokens} tokens, the same for the same arguments.
   *
   * @param file plain text to take excerpts of; null for a mix of generated prose and retrieval
   *     tasks
   */
  static List<int[]> rows(TextCodec codec, Path file, int tokens, int count, long seed) {
    TrainingText text = new TrainingText(recipe(file), codec, Split.PROBE, tokens - 1, seed);
    List<int[]> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      rows.add(text.row(i).ids());
    }
    return rows;
  }

  private static DataRecipe recipe(Path file) {
    if (file == null) {
      return DataRecipe.defaults();
    }
    Path place = file.toAbsolutePath().normalize();
    String json =
        "{\"plain\": 1, \"text\": [{\"files\": " + Json.of(place.getFileName().toString()) + "}]}";
    return DataRecipe.read(Fields.parse(json, file.toString(), place.getParent()));
  }
}
