package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.train.TrainingRun;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code study.json}: what concerns the whole study, gathered from what is there. */
final class StudyFacts {
  private StudyFacts() {}

  static void write(Workshop shop) {
    StudyRecipe recipe = shop.recipe();
    ObjectNode out = Json.object();
    out.put("schema_version", 1);
    out.put("study", recipe.name());
    out.put("commit", shop.around().commit());
    out.put("command", shop.around().command());
    Set<String> devices = new TreeSet<>();
    out.put("java", System.getProperty("java.vm.name") + " " + Runtime.version());
    out.set("roles", recipe.roles().node());
    nativeLength(shop).ifPresent(n -> out.put("native_length", n));
    out.set("seeds", Json.of(recipe.seeds()));
    out.set("data", recipe.data().node());
    double seconds = 0;
    ArrayNode teachers = out.putArray("teachers");
    for (int seed : recipe.seeds()) {
      ObjectNode t = teachers.addObject();
      t.put("seed", seed);
      Path log = shop.teacher(seed).resolve(TrainingRun.LOG);
      if (Files.isRegularFile(log)) {
        t.setAll(TrainingFacts.of(log).summary());
        t.set("loss", t.path("held_out_loss"));
        seconds += t.path("seconds").asDouble(0);
      }
    }
    ArrayNode trials = out.putArray("learning_rate_trials");
    for (Path p : json(shop.folder().root().resolve("sweep"))) {
      JsonNode trial = Json.read(p);
      trials.add(trial);
      seconds += trial.path("seconds").asDouble(0);
    }
    for (String arm : recipe.arms().keySet()) {
      for (int seed : recipe.seeds()) {
        Path file = shop.folder().armFile(arm, seed);
        if (Files.isRegularFile(file)) {
          JsonNode facts = Json.read(file);
          seconds += facts.path("seconds").asDouble(0);
          devices.add(facts.path("device").asString("").replaceFirst("^cuda:\\d+: ", ""));
        }
      }
    }
    devices.remove("");
    out.put("hardware", devices.isEmpty() ? shop.ops().description() : String.join("; ", devices));
    out.put("training_device_hours", Math.round(seconds / 3.6) / 1000.0);
    AtomicFile.write(shop.folder().results().resolve("study.json"), out, true);
  }

  private static OptionalInt nativeLength(Workshop shop) {
    for (int seed : shop.recipe().seeds()) {
      Path file = shop.teacher(seed).resolve("config.json");
      if (Files.isRegularFile(file)) {
        return OptionalInt.of(ConfigJson.read(Json.read(file), file).maxPositionEmbeddings());
      }
    }
    return OptionalInt.empty();
  }

  private static List<Path> json(Path folder) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(p -> p.toString().endsWith(".json")).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot be read", e);
    }
  }
}
