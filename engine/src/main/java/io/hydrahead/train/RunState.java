package io.hydrahead.train;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.checkpoint.SafetensorsWriter;
import io.hydrahead.json.Fields;
import io.hydrahead.json.Json;
import io.hydrahead.ops.Environment;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * The saved state of a training run: parameters and moments in float32 and where the run stands.
 * One file a state, {@code state-<stage>-<step>.safetensors}: a safetensors file whose metadata
 * hold the position and a CRC-32C over it and every tensor's name and bytes.
 *
 * <p>A state is written under a temporary name, forced to disk and renamed; the last two are kept,
 * so that a kill at any moment, and even a damaged newest file, leaves one that can be resumed
 * from.
 */
public final class RunState {
  private static final String PREFIX = "state-";
  private static final String SUFFIX = ".safetensors";
  private static final String RUN = "run";
  private static final String CHECKSUM = "crc32c";
  private static final int KEPT = 2;
  private static final long PIECE = 1L << 28;

  /**
   * Where a run stands.
   *
   * @param recipe hash of the recipe and of every input it names
   * @param stage index of the stage, from 0
   * @param step steps done in the stage
   * @param row rows of the stage's data order that are used up
   * @param updates of the optimiser since its moments were zero
   * @param tokens tokens seen in the whole run
   * @param logBytes length of the training log that belongs to this state
   * @param environment in which the state was computed
   * @param bitwise false once the run has changed its environment
   */
  public record Position(
      String recipe,
      int stage,
      long step,
      long row,
      long updates,
      long tokens,
      long logBytes,
      Environment environment,
      boolean bitwise) {

    private String toJson() {
      Map<String, Object> m = new LinkedHashMap<>();
      m.put("format", 1);
      m.put("recipe", recipe);
      m.put("stage", stage);
      m.put("step", step);
      m.put("row", row);
      m.put("updates", updates);
      m.put("tokens", tokens);
      m.put("log_bytes", logBytes);
      m.put("build", environment.build());
      m.put("kernel", environment.kernel());
      m.put("threads", environment.threads());
      m.put("machine", environment.machine());
      m.put("bitwise", bitwise);
      return Json.of(m).toString();
    }

    private static Position parse(String json, String source) {
      Fields f = Fields.parse(json, source, null);
      f.integer("format", 1, 1);
      long max = Long.MAX_VALUE;
      Position p =
          new Position(
              f.text("recipe"),
              f.integer("stage", 0, 1000),
              f.count("step", 0, max),
              f.count("row", 0, max),
              f.count("updates", 0, max),
              f.count("tokens", 0, max),
              f.count("log_bytes", 0, max),
              new Environment(
                  f.text("build"),
                  f.text("kernel"),
                  f.integer("threads", 1, 1 << 20),
                  f.text("machine")),
              f.flag("bitwise", true));
      f.end();
      return p;
    }
  }

  private final Path file;
  private final Position position;

  private RunState(Path file, Position position) {
    this.file = file;
    this.position = position;
  }

  public Path file() {
    return file;
  }

  public Position position() {
    return position;
  }

  /** Saves {@code tensors} (float32) and {@code position} in {@code folder}; keeps the last two. */
  public static Path save(Path folder, Position position, SequencedMap<String, Tensor> live)
      throws IOException {
    SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();
    live.forEach((name, t) -> tensors.put(name, t.onHost()));
    Path target =
        folder.resolve("%s%02d-%09d%s".formatted(PREFIX, position.stage, position.step, SUFFIX));
    String run = position.toJson();
    SafetensorsWriter.of(tensors)
        .metadata(RUN, run)
        .metadata(CHECKSUM, checksum(run, tensors))
        .write(target);
    List<Path> all = files(folder);
    for (Path old : all.subList(Math.min(KEPT, all.size()), all.size())) {
      Files.deleteIfExists(old);
    }
    return target;
  }

  private static String checksum(String run, SequencedMap<String, Tensor> tensors) {
    CRC32C crc = new CRC32C();
    crc.update(run.getBytes(StandardCharsets.UTF_8));
    for (Map.Entry<String, Tensor> e : new TreeMap<>(tensors).entrySet()) {
      crc.update(e.getKey().getBytes(StandardCharsets.UTF_8));
      MemorySegment s = e.getValue().segment();
      for (long at = 0; at < s.byteSize(); at += PIECE) {
        crc.update(s.asSlice(at, Math.min(PIECE, s.byteSize() - at)).asByteBuffer());
      }
    }
    return Long.toHexString(crc.getValue());
  }

  /** Removes all states of {@code folder}. */
  static void deleteAll(Path folder) throws IOException {
    for (Path file : files(folder)) {
      Files.delete(file);
    }
  }

  /** The state files of {@code folder}, newest first. */
  private static List<Path> files(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> all = Files.list(folder)) {
      return all.filter(p -> p.getFileName().toString().startsWith(PREFIX))
          .filter(p -> p.getFileName().toString().endsWith(SUFFIX))
          .sorted(Comparator.comparing((Path p) -> p.getFileName().toString()).reversed())
          .toList();
    }
  }

  /**
   * The newest whole state in {@code folder}; empty when there is none. Damaged ones are skipped.
   *
   * @param notes is told of each state that is skipped and why
   */
  public static Optional<RunState> latest(Path folder, Consumer<String> notes) throws IOException {
    for (Path file : files(folder)) {
      try {
        return Optional.of(open(file));
      } catch (InputException e) {
        notes.accept(e.getMessage() + "; trying the state before it");
      }
    }
    return Optional.empty();
  }

  /**
   * Opens a state and checks its checksum.
   *
   * @throws InputException if the file is truncated or damaged
   */
  public static RunState open(Path file) {
    try (SafetensorsFile in = SafetensorsFile.open(file)) {
      String run = in.metadata().getOrDefault(RUN, "");
      if (!checksum(run, tensors(in)).equals(in.metadata().get(CHECKSUM))) {
        throw new InputException(file + ": the run state is damaged (its checksum differs)");
      }
      return new RunState(file, Position.parse(run, file.toString()));
    }
  }

  private static SequencedMap<String, Tensor> tensors(SafetensorsFile in) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    in.tensors().keySet().forEach(name -> out.put(name, in.get(name)));
    return out;
  }

  /**
   * Fills {@code into} with the saved tensors.
   *
   * @throws InputException if names or shapes are not the saved ones
   */
  public void restore(SequencedMap<String, Tensor> into) {
    try (SafetensorsFile in = SafetensorsFile.open(file)) {
      SequencedMap<String, Tensor> saved = tensors(in);
      if (!saved.keySet().equals(into.keySet())) {
        throw new InputException(
            file
                + ": holds "
                + saved.size()
                + " tensors, this run has "
                + into.size()
                + "; resume with the recipe and models the run began with");
      }
      saved.forEach((name, t) -> {
        Tensor here = into.get(name);
        if (!Arrays.equals(here.shape(), t.shape())) {
          throw new InputException(
              file
                  + ": "
                  + name
                  + " is "
                  + t
                  + ", this run has "
                  + here
                  + "; resume with the recipe and models the run began with");
        }
        here.copyFrom(t);
      });
    }
  }
}
