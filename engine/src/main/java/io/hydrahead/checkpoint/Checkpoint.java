package io.hydrahead.checkpoint;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * A Hugging Face checkpoint folder, memory-mapped: {@code config.json} and the tensors of {@code
 * model.safetensors}, or of the shards that {@code model.safetensors.index.json} lists.
 */
public final class Checkpoint implements AutoCloseable {
  static final String CONFIG = "config.json";
  private static final String GENERATION = "generation_config.json";
  private static final String EOS = "eos_token_id";
  static final String SINGLE = "model.safetensors";
  static final String INDEX = "model.safetensors.index.json";

  private final Path folder;
  private final JsonNode config;
  private final List<SafetensorsFile> files;
  private final Map<String, SafetensorsFile> byName;

  private Checkpoint(
      Path folder,
      JsonNode config,
      List<SafetensorsFile> files,
      Map<String, SafetensorsFile> byName) {
    this.folder = folder;
    this.config = config;
    this.files = files;
    this.byName = byName;
  }

  /**
   * Opens {@code folder}, checking every header, and the index against the shards both ways.
   *
   * @throws InputException naming the file and what is wrong with it
   */
  public static Checkpoint open(Path folder) {
    JsonNode config = config(folder);
    List<SafetensorsFile> files = new ArrayList<>();
    Map<String, SafetensorsFile> byName = new LinkedHashMap<>();
    boolean ready = false;
    try {
      if (Files.exists(folder.resolve(SINGLE))) {
        SafetensorsFile f = SafetensorsFile.open(folder.resolve(SINGLE));
        files.add(f);
        f.tensors().keySet().forEach(name -> byName.put(name, f));
      } else if (Files.exists(folder.resolve(INDEX))) {
        openShards(folder, files, byName);
      } else {
        throw new InputException(
            folder
                + ": has neither "
                + SINGLE
                + " nor "
                + INDEX
                + "; only safetensors checkpoints can be read");
      }
      ready = true;
      return new Checkpoint(
          folder, config, List.copyOf(files), Collections.unmodifiableMap(byName));
    } finally {
      if (!ready) {
        files.forEach(SafetensorsFile::close);
      }
    }
  }

  /**
   * Reads {@code config.json} alone; only the tokens that end a reply are those of {@code
   * generation_config.json}, where it names some, as in Hugging Face transformers.
   *
   * @throws InputException if the folder or the file is missing or not a JSON object
   */
  public static JsonNode config(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw new InputException(
          folder
              + (Files.exists(folder)
                  ? ": a file, expected a checkpoint folder with config.json"
                  : ": no such checkpoint folder; check the path"));
    }
    if (!Files.exists(folder.resolve(CONFIG))) {
      throw new InputException(
          folder + ": no checkpoint, it has no config.json; name the folder of a model");
    }
    JsonNode config = Json.read(folder.resolve(CONFIG));
    if (!config.isObject()) {
      throw new InputException(folder.resolve(CONFIG) + ": should be a JSON object");
    }
    Path generation = folder.resolve(GENERATION);
    if (Files.isRegularFile(generation)) {
      JsonNode ends = Json.read(generation).path(EOS);
      if (!ends.isMissingNode() && !ends.isNull()) {
        setEnds((ObjectNode) config, ends);
      }
    }
    return config;
  }

  /** In models of several parts, that for text has the field too. */
  private static void setEnds(ObjectNode config, JsonNode ends) {
    config.set(EOS, ends);
    if (config.path("text_config") instanceof ObjectNode text) {
      text.set(EOS, ends);
    }
  }

  private static void openShards(
      Path folder, List<SafetensorsFile> files, Map<String, SafetensorsFile> byName) {
    Path indexFile = folder.resolve(INDEX);
    JsonNode map = Json.read(indexFile).path("weight_map");
    if (!map.isObject() || map.isEmpty()) {
      throw new InputException(indexFile + ": weight_map is missing or empty");
    }
    Map<String, Set<String>> expected = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> e : map.properties()) {
      if (!e.getValue().isString()) {
        throw new InputException(
            indexFile + ": weight_map '" + e.getKey() + "' should be a file name");
      }
      String shard = e.getValue().stringValue();
      expected.computeIfAbsent(shard, _ -> new TreeSet<>()).add(e.getKey());
    }
    for (Map.Entry<String, Set<String>> e : expected.entrySet()) {
      SafetensorsFile f = SafetensorsFile.open(shard(folder, indexFile, e.getKey()));
      files.add(f);
      agree(indexFile, f, e.getValue());
      e.getValue().forEach(name -> byName.put(name, f));
    }
  }

  private static Path shard(Path folder, Path indexFile, String name) {
    boolean plain =
        !name.isEmpty()
            && !name.equals(".")
            && !name.equals("..")
            && name.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ');
    if (!plain || !name.endsWith(".safetensors")) {
      throw new InputException(
          indexFile
              + ": shard name '"
              + name.replaceAll("\\p{Cntrl}", "?")
              + "' is no safetensors file inside the folder");
    }
    return folder.resolve(name);
  }

  private static void agree(Path indexFile, SafetensorsFile f, Set<String> expected) {
    for (String name : expected) {
      if (!f.has(name)) {
        throw new InputException(
            indexFile
                + ": promises tensor '"
                + name
                + "' in "
                + f.path().getFileName()
                + ", which does not have it");
      }
    }
    for (String name : f.tensors().keySet()) {
      if (!expected.contains(name)) {
        throw new InputException(
            f.path() + ": holds tensor '" + name + "', which " + INDEX + " does not list there");
      }
    }
  }

  /** The folder as it was given. */
  public Path folder() {
    return folder;
  }

  /** The content of {@code config.json}, an object. */
  public JsonNode config() {
    return config;
  }

  /** Names of all tensors. */
  public Set<String> names() {
    return byName.keySet();
  }

  /** Whether there is a tensor of that name. */
  public boolean has(String name) {
    return byName.containsKey(name);
  }

  /**
   * Header entry of a tensor: type, shape and place in its file.
   *
   * @throws InputException if there is none of that name
   */
  public TensorInfo info(String name) {
    return file(name).tensors().get(name);
  }

  /**
   * A read-only view of a tensor in its stored type, alive until {@link #close()}.
   *
   * @throws InputException if there is none of that name, or its type is not supported
   */
  public Tensor get(String name) {
    return file(name).get(name);
  }

  /**
   * Like {@link #get(String)}, and checks the shape.
   *
   * @throws InputException naming both shapes, if they differ; as above, else
   */
  public Tensor get(String name, long... shape) {
    List<Long> stored = info(name).shape();
    List<Long> wanted = Arrays.stream(shape).boxed().toList();
    if (!stored.equals(wanted)) {
      throw new InputException(
          file(name).path()
              + ": tensor '"
              + name
              + "' has shape "
              + stored
              + ", config.json asks for "
              + wanted);
    }
    return get(name);
  }

  private SafetensorsFile file(String name) {
    SafetensorsFile f = byName.get(name);
    if (f == null) {
      throw new InputException(folder + ": the checkpoint has no tensor '" + name + "'");
    }
    return f;
  }

  /** Bytes of all tensors as stored. */
  public long bytes() {
    return byName.keySet().stream().mapToLong(n -> info(n).bytes()).sum();
  }

  /** Unmaps all files; their tensors must not be used any more. */
  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
