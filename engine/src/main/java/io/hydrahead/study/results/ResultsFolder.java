package io.hydrahead.study.results;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Fields;
import io.hydrahead.json.Json;
import io.hydrahead.json.ReadableJson;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.eval.KeptCells;
import io.hydrahead.study.stats.Roles;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;

/**
 * The folder of a study's results: {@code study.json} and, for each arm and seed, {@code
 * <arm>/seed-<n>/} with {@code arm.json}, perhaps {@code speed.json}, and the finished cells:
 * {@code cells/*.json} as the runs write them, or {@code cells.jsonl.gz} with one a line, as they
 * are kept ({@code zcat} shows them).
 */
final class ResultsFolder {
  private static final String SEED = "seed-";

  private final Path folder;
  private final JsonNode study;
  private final Roles roles;
  private final StudyCells cells;
  private final List<ReportedArm> arms = new ArrayList<>();

  /** By arm and seed. */
  private final TreeMap<String, TreeMap<Integer, JsonNode>> speeds = new TreeMap<>();

  /**
   * @throws InputException if the folder is none, or a file in it is damaged
   */
  ResultsFolder(Path folder) {
    this.folder = folder;
    Path file = folder.resolve("study.json");
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          folder + ": no study.json in it; give the folder \"results\" that a study wrote");
    }
    study = Json.read(file);
    roles = Roles.read(Fields.of(study.get("roles"), file.toString(), "$.roles", folder));
    List<CellResult> found = new ArrayList<>();
    for (Path arm : children(folder)) {
      for (Path seed : children(arm)) {
        String name = seed.getFileName().toString();
        if (Files.isDirectory(seed) && name.matches(SEED + "\\d{1,9}")) {
          read(
              seed,
              arm.getFileName().toString(),
              Integer.parseInt(name.substring(SEED.length())),
              found);
        }
      }
    }
    if (found.isEmpty()) {
      throw new InputException(folder + ": no finished cell in it; run the study's evaluation");
    }
    cells = new StudyCells(found);
  }

  /** See {@link StudyReport#requireMeasured}. */
  static void requireMeasured(Path results) {
    boolean any =
        children(results).stream()
            .flatMap(arm -> children(arm).stream())
            .anyMatch(s -> KeptCells.there(s) || !children(s.resolve("cells")).isEmpty());
    if (!any) {
      throw new InputException(
          results
              + ": nothing has been measured yet; run the study's other stages first, or copy a"
              + " report's study/raw there");
    }
  }

  private void read(Path folder, String arm, int seed, List<CellResult> found) {
    Path facts = folder.resolve("arm.json");
    if (Files.isRegularFile(facts)) {
      arms.add(ReportedArm.read(facts, arm, seed));
    }
    Path speed = folder.resolve("speed.json");
    if (Files.isRegularFile(speed)) {
      speeds.computeIfAbsent(arm, a -> new TreeMap<>()).put(seed, Json.read(speed));
    }
    for (Path cell : children(folder.resolve("cells"))) {
      if (cell.toString().endsWith(".json")) {
        found.add(CellResult.read(cell));
      }
    }
    found.addAll(KeptCells.read(folder));
  }

  /**
   * Writes all that this folder holds to another, a line a cell: a study of thousands of cells
   * becomes three files an arm and seed. Nothing is done where {@code to} is this folder.
   */
  void keep(Path to) {
    if (to.toAbsolutePath().normalize().equals(folder.toAbsolutePath().normalize())) {
      return;
    }
    AtomicFile.write(to.resolve("study.json"), ReadableJson.text(study));
    Map<Path, List<CellResult>> runs = new TreeMap<>();
    for (CellResult c : cells.all()) {
      Path run = Path.of(c.arm(), SEED + c.seed());
      runs.computeIfAbsent(run, r -> new ArrayList<>()).add(c);
    }
    for (ReportedArm a : arms) {
      AtomicFile.write(
          to.resolve(a.arm()).resolve(SEED + a.seed()).resolve("arm.json"),
          ReadableJson.text(a.json()));
    }
    runs.forEach((run, own) -> KeptCells.write(to.resolve(run), own));
    speeds.forEach((arm, seeds) ->
        seeds.forEach((seed, speed) ->
            AtomicFile.write(
                to.resolve(arm).resolve(SEED + seed).resolve("speed.json"),
                ReadableJson.text(speed))));
  }

  private static List<Path> children(Path folder) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> list = Files.list(folder)) {
      return list.sorted().toList();
    } catch (IOException e) {
      throw new InputException(folder + ": cannot be read (" + e.getMessage() + ")", e);
    }
  }

  /** The whole study's facts. */
  JsonNode study() {
    return study;
  }

  Roles roles() {
    return roles;
  }

  StudyCells cells() {
    return cells;
  }

  /** Every arm and seed that left facts. */
  List<ReportedArm> arms() {
    return arms;
  }

  /** Arms with cells: the core first, then the others by name. */
  List<String> inOrder() {
    Set<String> all = new LinkedHashSet<>(roles.core());
    all.addAll(new TreeSet<>(cells.arms()));
    all.retainAll(cells.arms());
    return List.copyOf(all);
  }

  /** The facts of an arm's first seed. */
  Optional<ReportedArm> facts(String arm) {
    return arms.stream().filter(a -> a.arm().equals(arm)).findFirst();
  }

  /** The name that readers see. */
  String label(String arm) {
    return facts(arm).map(ReportedArm::label).orElse(arm);
  }

  /** The name of the arm that the others are compared with. */
  String causal() {
    return label(roles.causal());
  }

  /** The name of the arm that A compares it with. */
  String layer31() {
    return label(roles.layer31());
  }

  /** An arm's speeds, where they were measured: the last seed's, which were measured last. */
  Optional<JsonNode> speed(String arm) {
    return Optional.ofNullable(speeds.get(arm)).map(seeds -> seeds.lastEntry().getValue());
  }

  /** Arms with speeds. */
  List<String> timed() {
    return List.copyOf(speeds.keySet());
  }

  /** Native length of the teachers. */
  int nativeLength() {
    return study.path("native_length").asInt(4096);
  }
}
