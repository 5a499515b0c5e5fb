package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.eval.Cell;
import io.hydrahead.eval.Results;
import io.hydrahead.json.Fields;
import io.hydrahead.json.Json;
import io.hydrahead.plan.HeadScores;
import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import tools.jackson.databind.node.ObjectNode;

/**
 * The finished steps of an unfinished demo, in the run's folder beside the training's own states:
 * what a later sitting reads instead of computing it again.
 */
final class DemoState {
  private static final String STATE = "demo.json";
  private static final String HEADS = "heads.json";

  private final Path folder;
  private final String fingerprint;
  private final double earlier;
  private final int sittings;
  private final long began = System.nanoTime();

  private DemoState(Path folder, String fingerprint, double earlier, int sittings) {
    this.folder = folder;
    this.fingerprint = fingerprint;
    this.earlier = earlier;
    this.sittings = sittings;
  }

  /**
   * Begins a sitting.
   *
   * @param fingerprint of the recipe and the teacher
   * @param resume go on with what {@code folder} holds
   * @throws InputException if that belongs to another recipe or teacher
   */
  static DemoState begin(Path folder, String fingerprint, boolean resume) {
    Path file = folder.resolve(STATE);
    double earlier = 0;
    int sittings = 1;
    if (resume && Files.exists(file)) {
      Fields f = Fields.read(file);
      if (!f.text("fingerprint").equals(fingerprint)) {
        throw new InputException(
            folder
                + ": was begun with another recipe or teacher; give those, or start again with"
                + " --force");
      }
      earlier = f.number("seconds", 0, 1e9);
      sittings = f.integer("sittings", 1, 1_000_000) + 1;
      f.end();
    }
    DemoState state = new DemoState(folder, fingerprint, earlier, sittings);
    if (sittings > 1) {
      state.save();
    }
    return state;
  }

  /** Seconds of all sittings; of an interrupted one up to the last step that it finished. */
  double seconds() {
    return earlier + (System.nanoTime() - began) / 1e9;
  }

  /** Times that the demo was started until now. */
  int sittings() {
    return sittings;
  }

  private void save() {
    ObjectNode o = Json.object();
    o.put("fingerprint", fingerprint);
    o.put("seconds", seconds());
    o.put("sittings", sittings);
    AtomicFile.write(folder.resolve(STATE), o, true);
  }

  Optional<HeadScores> scores() {
    Path file = folder.resolve(HEADS);
    return Files.exists(file) ? Optional.of(HeadScores.read(file)) : Optional.empty();
  }

  void keep(HeadScores scores) {
    save(); // first: whose scores they are
    AtomicFile.write(folder.resolve(HEADS), scores.toText());
  }

  /** The cells of the {@code index}-th model, once they are all there. */
  Optional<List<Cell>> cells(int index) {
    Path file = cellFile(index);
    return Files.exists(file) ? Optional.of(Results.read(file).cells()) : Optional.empty();
  }

  void keep(int index, Results results) {
    results.write(cellFile(index), true);
    save();
  }

  private Path cellFile(int index) {
    return folder.resolve("results-" + index + ".json");
  }
}
