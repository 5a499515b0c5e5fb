package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.json.Json;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Style;
import io.hydrahead.plan.MemoryPlan;
import io.hydrahead.study.ArmRecipe;
import io.hydrahead.study.Flops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.train.Fingerprint;
import io.hydrahead.train.TrainingRun;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code arm.json}: what an arm of a seed is, what it costs and how it was made. */
final class ArmFacts {
  private static final String TEACHER = "teacher_hash";
  private static final String CHECKPOINT = "checkpoint_hash";
  private static final List<Integer> LENGTHS = List.of(1 << 12, 1 << 17, 1 << 19);

  private final Workshop shop;
  private final Remembered<Hashes> records = new Remembered<>(Hashes::read);

  /** Hashes of the seeds' Transformers, which stay as they are while a study runs. */
  private final Map<Integer, String> teachers = new HashMap<>();

  /** What a file says its arm was made from and is; empty texts where it does not. */
  private record Hashes(String teacher, String checkpoint) {
    static Hashes read(Path file) {
      JsonNode json = Json.read(file);
      return new Hashes(json.path(TEACHER).asString(""), json.path(CHECKPOINT).asString(""));
    }
  }

  ArmFacts(Workshop shop) {
    this.shop = shop;
  }

  /**
   * Whether the file is there, and is of a model made from the seed's Transformer: a Transformer
   * that was trained again is the same only where training is deterministic.
   */
  boolean done(String arm, int seed) {
    Path file = shop.folder().armFile(arm, seed);
    return Files.isRegularFile(file) && !ofAnother(file, seed);
  }

  private boolean ofAnother(Path file, int seed) {
    String recorded = records.of(file).teacher();
    return !recorded.isEmpty() && teacher(seed).filter(h -> !h.equals(recorded)).isPresent();
  }

  /**
   * What must hold before an arm's facts are written anew.
   *
   * @throws InputException if the arm has a model that was made from another Transformer
   */
  void requireOwnModel(ArmRecipe arm, int seed) {
    Path model = checkpoint(arm, seed);
    Path file = shop.folder().armFile(arm.name(), seed);
    if (arm.trained()
        && Files.exists(model)
        && Files.isRegularFile(file)
        && ofAnother(file, seed)) {
      throw new InputException(
          model
              + ": was made from another Transformer than the one in "
              + shop.teacher(seed)
              + "; remove it, and it is made again");
    }
  }

  /** The hash that the file has of the arm's weights. */
  String recordedHash(String arm, int seed) {
    return records.of(shop.folder().armFile(arm, seed)).checkpoint();
  }

  /** The hash of the seed's Transformer as an arm, where it is there. */
  private Optional<String> teacher(int seed) {
    Path folder = shop.teacher(seed);
    if (!Files.isRegularFile(folder.resolve("config.json"))) {
      return Optional.empty();
    }
    return Optional.of(
        teachers.computeIfAbsent(seed, s -> hash(new ArmRecipe.Teacher(false), folder)));
  }

  /** The folder whose weights an arm computes with. */
  Path checkpoint(ArmRecipe arm, int seed) {
    return switch (arm.source()) {
      case ArmRecipe.Teacher t -> shop.teacher(seed);
      case ArmRecipe.Of of -> shop.folder().model(of.arm(), seed);
      case ArmRecipe.Student s -> shop.folder().model(arm.name(), seed);
    };
  }

  /** Changes with the weights, and with what an arm does otherwise with them. */
  String hash(ArmRecipe arm, int seed) {
    return hash(arm.source(), checkpoint(arm, seed));
  }

  private static String hash(ArmRecipe.Source source, Path folder) {
    Fingerprint f = new Fingerprint();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path p :
          files
              .filter(p -> p.getFileName().toString().endsWith(".safetensors"))
              .sorted()
              .toList()) {
        f.add(p.getFileName().toString()).add(p);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(folder + ": cannot be read", e);
    }
    return f.add(source instanceof ArmRecipe.Student ? "" : source.toString()).hex();
  }

  /** Writes the file. {@code rate} is the factor of the learning rates. */
  void write(ArmRecipe arm, int seed, double rate) {
    Path folder = checkpoint(arm, seed);
    Path file = folder.resolve("config.json");
    JsonNode json = Checkpoint.config(folder);
    ModelConfig c = ConfigJson.read(json, file);
    HeadPlan plan = ConfigJson.plan(json, file);
    Style stored = ConfigJson.style(json, file);
    Style style = arm.source() instanceof ArmRecipe.Of of ? of.style(stored) : stored;
    MemoryPlan memory = MemoryPlan.of(c, plan, style, DType.BF16, DType.BF16);
    ObjectNode out = Json.object();
    out.put("schema_version", 1);
    out.put("arm", arm.name());
    out.put("label", arm.label());
    out.put("group", arm.group().name().toLowerCase(java.util.Locale.ROOT));
    out.put("seed", seed);
    out.put("full_heads", plan.fullCount());
    out.put("heads", plan.layers() * plan.heads());
    out.put("kv_share", plan.cacheShare(c.kvHeads()));
    out.put("parameters", memory.parameters());
    out.put("kv_bytes_per_token", memory.kvBytesPerToken());
    out.put("window_bytes_per_token", memory.windowBytesPerToken());
    out.put("window_tokens", memory.windowTokens());
    out.put("state_bytes", memory.stateBytes());
    out.put("flops_per_token", Flops.perToken(c, plan, style, LENGTHS.getFirst()));
    ObjectNode flops = out.putObject("flops_per_token_at");
    LENGTHS.forEach(n -> flops.put(Integer.toString(n), Flops.perToken(c, plan, style, n)));
    out.put("learning_rate_factor", rate);
    Path log = folder.resolve(TrainingRun.LOG);
    boolean ownLog = arm.trained() && Files.isRegularFile(log);
    if (ownLog) {
      out.setAll(TrainingFacts.of(log).summary());
    } else {
      out.put("tokens", 0);
      out.put("seconds", 0);
      out.putArray("stages");
    }
    out.put("recipe", arm.file().getFileName().toString());
    out.put("command", shop.around().command());
    out.put("device", shop.ops().description());
    out.put("commit", shop.around().commit());
    out.put(StudyFacts.WORKERS, shop.around().workers());
    out.put(CHECKPOINT, hash(arm, seed));
    teacher(seed).ifPresent(hash -> out.put(TEACHER, hash));
    out.set("style", Json.of(style));
    out.set("plan", Json.of(plan.toLists()));
    AtomicFile.write(shop.folder().armFile(arm.name(), seed), out, true);
  }
}
