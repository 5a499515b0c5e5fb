package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.study.ArmRecipe;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.results.StudyReport;
import io.hydrahead.train.TrainingRun;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code study.json}: what concerns the whole study, gathered from what is there. */
final class StudyFacts {
  /** Field of what was made: workers that shared the device, whose seconds are then shared too. */
  static final String WORKERS = "workers";

  private static final String TEACHERS = "teachers";
  private static final String HARDWARE = "hardware";

  private StudyFacts() {}

  private static Path file(Workshop shop) {
    return shop.folder().results().resolve("study.json");
  }

  /** What is there of an earlier run, or an object without fields. */
  static JsonNode before(Workshop shop) {
    Path file = file(shop);
    return Files.isRegularFile(file) ? Json.read(file) : Json.object();
  }

  /** Seconds that the device had to itself, as far as can be told. */
  private static double seconds(JsonNode made) {
    return made.path("seconds").asDouble(0) / Math.max(1, made.path(WORKERS).asInt(1));
  }

  /**
   * Gathers it anew.
   *
   * @param made whether this run made something that a page shows: commit, command, Java and
   *     hardware are then its own, and otherwise those of the runs before it, if they wrote them
   */
  static void write(Workshop shop, boolean made) {
    StudyRecipe recipe = shop.recipe();
    JsonNode before = before(shop);
    ObjectNode out = Json.object();
    out.put("schema_version", 1);
    out.put("study", recipe.name());
    if (made) {
      out.put("commit", shop.around().commit());
      out.put("command", shop.around().command());
      out.put("java", System.getProperty("java.vm.name") + " " + Runtime.version());
    } else {
      keep(before, out, "commit", "command", "java");
    }
    out.set("roles", recipe.roles().node());
    ObjectNode about = out.putObject("about");
    recipe
        .arms()
        .forEach((name, arm) -> about.put(name, arm.transfer().path("about").asString("")));
    out.set(StudyReport.ARMS, arms(recipe));
    nativeLength(shop).ifPresent(n -> out.put("native_length", n));
    out.set("seeds", Json.of(recipe.seeds()));
    out.set("data", recipe.data().node());
    Set<String> devices = new TreeSet<>();
    double seconds = 0;
    ArrayNode teachers = out.putArray(TEACHERS);
    for (int seed : recipe.seeds()) {
      ObjectNode t = teacher(shop, seed);
      teachers.add(t);
      seconds += t.path("seconds").asDouble(0);
    }
    ArrayNode trials = out.putArray(StudyReport.TRIALS);
    for (JsonNode trial : new Trials(shop).all()) {
      trials.add(trial);
      seconds += seconds(trial);
    }
    for (String arm : recipe.arms().keySet()) {
      for (int seed : recipe.seeds()) {
        Path file = shop.folder().armFile(arm, seed);
        if (Files.isRegularFile(file)) {
          JsonNode facts = Json.read(file);
          seconds += seconds(facts);
          devices.add(StudyReport.withoutNumber(facts.path("device").asString("")));
        }
      }
    }
    devices.remove("");
    if (!made && before.has(HARDWARE)) {
      keep(before, out, HARDWARE);
    } else if (!devices.isEmpty()) {
      out.put(HARDWARE, String.join("; ", devices));
    } else if (made) {
      out.put(HARDWARE, shop.ops().description());
    }
    out.put("training_device_hours", Math.round(seconds / 3.6) / 1000.0);
    keep(before, out, StudyReport.NOTES);
    AtomicFile.write(file(shop), out, true);
  }

  private static void keep(JsonNode before, ObjectNode out, String... fields) {
    for (String field : fields) {
      if (before.has(field)) {
        out.set(field, before.get(field));
      }
    }
  }

  /** What the recipes of arms alone tell, for a report of runs that did not write it down. */
  static void tellArms(Workshop shop) {
    if (before(shop) instanceof ObjectNode o && !o.isEmpty()) {
      ObjectNode arms = arms(shop.recipe());
      if (!arms.equals(o.path(StudyReport.ARMS))) {
        o.set(StudyReport.ARMS, arms);
        AtomicFile.write(file(shop), o, true);
      }
    }
  }

  /**
   * By arm: {@code of}, the arm whose model it is; {@code family}, whose learning rates it has; and
   * {@code data}, what its data has otherwise than the study's.
   */
  static ObjectNode arms(StudyRecipe recipe) {
    ObjectNode out = Json.object();
    JsonNode data = recipe.data().node();
    recipe
        .arms()
        .forEach((name, arm) -> {
          ObjectNode o = out.putObject(name);
          if (arm.source() instanceof ArmRecipe.Of of) {
            o.put("of", of.arm());
          }
          if (!arm.family().isEmpty()) {
            o.put("family", arm.family());
          }
          if (arm.trained()) {
            ArrayNode contexts = o.putArray("contexts");
            arm.recipe(arm.transfer()).stages().forEach(t -> contexts.add(t.batching().context()));
          }
          ObjectNode other = others(data, arm.transfer().path("data"));
          if (arm.trained() && !other.isEmpty()) {
            o.set("data", other);
          }
        });
    return out;
  }

  /** The fields of {@code own} that {@code base} has otherwise or not at all. */
  private static ObjectNode others(JsonNode base, JsonNode own) {
    ObjectNode out = Json.object();
    for (String field : own.propertyNames()) {
      JsonNode value = own.get(field);
      JsonNode before = base.path(field);
      if (value.isObject() && before.isObject()) {
        ObjectNode inner = others(before, value);
        if (!inner.isEmpty()) {
          out.set(field, inner);
        }
      } else if (!value.equals(before)) {
        out.set(field, value);
      }
    }
    return out;
  }

  /** From its log, or, where the teacher is elsewhere, from what an earlier run wrote. */
  private static ObjectNode teacher(Workshop shop, int seed) {
    ObjectNode t = Json.object().put("seed", seed);
    Path log = shop.teacher(seed).resolve(TrainingRun.LOG);
    if (Files.isRegularFile(log)) {
      t.setAll(TrainingFacts.of(log).summary());
      t.set("loss", t.path("held_out_loss"));
      return t;
    }
    for (JsonNode b : before(shop).path(TEACHERS)) {
      if (b.path("seed").asInt(-1) == seed && b instanceof ObjectNode o) {
        return o.deepCopy();
      }
    }
    return t;
  }

  private static OptionalInt nativeLength(Workshop shop) {
    for (int seed : shop.recipe().seeds()) {
      Path file = shop.teacher(seed).resolve("config.json");
      if (Files.isRegularFile(file)) {
        return OptionalInt.of(ConfigJson.read(Json.read(file), file).maxPositionEmbeddings());
      }
    }
    JsonNode kept = before(shop).path("native_length");
    return kept.isInt() ? OptionalInt.of(kept.intValue()) : OptionalInt.empty();
  }
}
