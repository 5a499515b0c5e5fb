package io.hydrahead.model;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.checkpoint.SafetensorsWriter;
import io.hydrahead.json.Json;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/** Reads and writes models as Hugging Face folders. */
public final class ModelFiles {
  private static final String TOKENIZER_CONFIG = "tokenizer_config.json";
  private static final String MOST_TOKENS = "model_max_length";

  /** Files beside the weights that belong to a model and are copied along when it is converted. */
  public static final List<String> TOKENIZER_FILES =
      List.of("tokenizer.json", TOKENIZER_CONFIG, "chat_template.jinja");

  private static final System.Logger LOG = System.getLogger(ModelFiles.class.getName());

  private static final long MAX_SHARD_BYTES = 5L << 30;

  private ModelFiles() {}

  /** The type of matrices in the processor's memory; vectors are float32 there in any case. */
  public enum LoadOptions {
    /** For inference: matrices stay mapped in their stored type. */
    STORED,

    /** For training and exact comparison. */
    FLOAT32,

    /** For inference in half the memory: what is stored in another type is rounded to bfloat16. */
    BFLOAT16;

    /** Whether all parameters are float32. */
    public boolean float32() {
      return this == FLOAT32;
    }

    /** The type in which a matrix of type {@code stored} lies in the processor's memory. */
    private DType matrix(DType stored) {
      return switch (this) {
        case STORED -> stored;
        case FLOAT32 -> DType.F32;
        case BFLOAT16 -> DType.BF16;
      };
    }
  }

  /**
   * @param dtype of matrices; the vectors of a hybrid (norms, decays, γ) are always float32
   * @param force whether an existing folder may be replaced
   * @param companions folder of what the model was made of, or null: its tokenizer files are copied
   *     along, where {@code model_max_length} is raised to the model's context if that is longer,
   *     and if it is a model, its native context is kept
   * @param extras further fields of config.json, such as the producer
   */
  public record SaveOptions(DType dtype, boolean force, Path companions, Map<String, ?> extras) {}

  /**
   * Reads a Hugging Face folder of a Qwen3 or Qwen3.5 Transformer, or of a hybrid. Parameters come
   * to the memory of {@code ops}; on the processor, matrices that need no conversion stay mapped
   * from their files, which must not change as long as the model is open.
   *
   * @param options the type of matrices on the processor; on a device they have the type of {@code
   *     ops}, or float32 if that is asked for
   * @throws InputException naming the file or tensor and what is wrong with it: no such folder,
   *     damaged, of an unknown model type, a tensor missing, of another shape or type, or too many
   */
  public static HybridTransformer load(Path folder, Ops ops, LoadOptions options) {
    Checkpoint checkpoint = Checkpoint.open(folder);
    try {
      ModelConfig config = ConfigJson.read(checkpoint.config(), folder);
      HeadPlan plan = ConfigJson.plan(checkpoint.config(), folder);
      Style style = ConfigJson.style(checkpoint.config(), folder);
      CheckpointLayout layout = CheckpointLayout.of(config, plan, style).in(checkpoint.names());
      requireNoStrangers(checkpoint, layout, folder);
      boolean arranged = ops.packed() || !ops.memory().host();
      ParameterStore store =
          arranged
              ? ParameterStore.arranged(
                  ops.memory(),
                  ParameterLayout.of(config, plan, style),
                  options.float32() ? DType.F32 : ops.activations())
              : new ParameterStore();
      boolean mapped = false;
      for (Map.Entry<String, long[]> e : layout.parameters().entrySet()) {
        Tensor stored = layout.read(checkpoint, e.getKey());
        if (arranged) {
          store.get(e.getKey()).copyFrom(stored);
          continue;
        }
        boolean matrix = isMatrix(e.getKey(), stored);
        DType type = matrix ? options.matrix(stored.dtype()) : DType.F32;
        if (matrix && !options.float32() && type == stored.dtype()) {
          store.put(e.getKey(), stored);
          mapped = true;
        } else {
          store.allocate(e.getKey(), type, e.getValue()).copyFrom(stored);
        }
      }
      if (mapped) {
        store.own(checkpoint);
      } else {
        checkpoint.close();
      }
      return new HybridTransformer(config, plan, style, store, ops);
    } catch (RuntimeException e) {
      checkpoint.close();
      throw e;
    }
  }

  private static boolean isMatrix(String name, Tensor t) {
    return ParameterLayout.isMatrix(name, t.shape());
  }

  static void requireFloats(String name, Tensor stored, Path folder) {
    DType t = stored.dtype();
    if (t != DType.F32 && t != DType.BF16 && t != DType.F16) {
      throw new InputException(
          folder + ": tensor " + name + " is " + t + "; F32, BF16 and F16 are supported");
    }
  }

  static void requireNoStrangers(Checkpoint checkpoint, CheckpointLayout layout, Path folder) {
    Map<String, long[]> tensors = layout.tensors();
    int leftOut = 0;
    for (String name : checkpoint.names()) {
      boolean harmless =
          name.equals(ParameterShapes.LM_HEAD) || name.endsWith("rotary_emb.inv_freq");
      if (layout.leavesOut(name)) {
        leftOut++;
      } else if (!tensors.containsKey(name) && !harmless) {
        throw new InputException(
            folder
                + ": the checkpoint has a tensor '"
                + name
                + "' that its config.json does not call for; is it the config of another model?");
      }
    }
    if (leftOut > 0) {
      LOG.log(
          Level.WARNING,
          folder
              + ": read for text only; "
              + leftOut
              + " of its tensors, for images (visual) or for guessing ahead (mtp), stay unused");
    }
  }

  /**
   * Writes a folder that appears all at once.
   *
   * @throws InputException if the target exists and {@code force} is off, or cannot be written
   */
  public static void save(HybridTransformer model, Path folder, SaveOptions options) {
    try (OutputFolder out = OutputFolder.begin(folder, options.force())) {
      write(model, out, options);
      out.commit();
    }
  }

  /**
   * Writes config, weights and tokenizer files into an output folder that the caller commits, in
   * shards of 5 GiB where the model takes more.
   *
   * @throws InputException if the disk has no room for it, or it cannot be written
   */
  public static void write(HybridTransformer model, OutputFolder out, SaveOptions options) {
    boolean plain = model.style().isVanilla() && model.plan().isAllFull();
    try (Workspace memory = new Workspace()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      CheckpointLayout layout = CheckpointLayout.of(model.config(), model.plan(), model.style());
      layout
          .tensors(model.parameters(), false)
          .forEach((name, t) -> {
            DType dtype = plain || isMatrix(name, t) ? options.dtype() : DType.F32;
            Tensor converted = t;
            if (t.dtype() != dtype) {
              converted = memory.allocate(dtype, t.shape());
              converted.copyFrom(t);
            }
            tensors.put(name, converted);
          });
      SafetensorsWriter writer = SafetensorsWriter.of(tensors);
      out.requireSpace(writer.dataBytes());
      writer.writeFolder(out.path(), MAX_SHARD_BYTES);
    }
    AtomicFile.write(
        out.path().resolve("config.json"),
        ConfigJson.write(model.config(), model.plan(), model.style(), extras(model, options)),
        true);
    copyCompanions(options.companions(), out.path());
    raiseLength(out.path().resolve(TOKENIZER_CONFIG), model.config().maxPositionEmbeddings());
  }

  /** The fields that are given, and what {@code max_position_embeddings} does not say. */
  private static Map<String, Object> extras(HybridTransformer model, SaveOptions options) {
    Map<String, Object> out = new LinkedHashMap<>(options.extras());
    Path from = options.companions();
    if (from != null && Files.isRegularFile(from.resolve("config.json"))) {
      int first = ConfigJson.nativeContext(Checkpoint.config(from), from.resolve("config.json"));
      boolean transformer = model.style().isVanilla() && model.plan().isAllFull();
      if (first > 0 && !(transformer && first == model.config().maxPositionEmbeddings())) {
        out.put(ConfigJson.NATIVE_CONTEXT, first);
      }
    }
    return out;
  }

  private static void copyCompanions(Path from, Path to) {
    if (from == null) {
      return;
    }
    for (String name : TOKENIZER_FILES) {
      Path file = from.resolve(name);
      if (Files.isRegularFile(file)) {
        try {
          AtomicFile.write(to.resolve(name), Files.readAllBytes(file));
        } catch (IOException e) {
          throw new InputException(file + ": cannot be read (" + e.getMessage() + ")");
        }
      }
    }
  }

  /** Lets a tokenizer that cuts texts off cut them no shorter than the model's context. */
  private static void raiseLength(Path file, int context) {
    if (Files.isRegularFile(file)
        && Json.read(file) instanceof ObjectNode json
        && json.path(MOST_TOKENS).isNumber()
        && json.path(MOST_TOKENS).doubleValue() < context) {
      AtomicFile.write(file, json.put(MOST_TOKENS, context), true);
    }
  }
}
