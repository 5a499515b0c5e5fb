package io.hydrahead.cli;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.plan.Conversion;
import io.hydrahead.plan.Provenance;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import tools.jackson.databind.JsonNode;

/** What several commands first read of a checkpoint folder. */
final class Sources {
  /** How the name of the token embeddings ends in every family. */
  private static final String EMBEDDING = "embed_tokens.weight";

  private Sources() {}

  /** Shape and constants alone, without opening the weights. */
  static ModelConfig config(Path folder) {
    return ConfigJson.read(Checkpoint.config(folder), folder.resolve("config.json"));
  }

  /** Context of the Transformer that the model is or was made of; 0 if it does not say. */
  static int nativeContext(Path folder) {
    return ConfigJson.nativeContext(Checkpoint.config(folder), folder.resolve("config.json"));
  }

  /**
   * @throws InputException if the folder holds a hybrid: only a Transformer can be converted
   */
  static void requireTransformer(Path folder) {
    Path file = folder.resolve("config.json");
    JsonNode config = Checkpoint.config(folder);
    Conversion.requireTransformer(
        folder.toString(), ConfigJson.plan(config, file), ConfigJson.style(config, file));
  }

  /** The type that most of a checkpoint's weights are stored in: what a copy of it is saved as. */
  static DType storedType(Path folder) {
    try (Checkpoint c = Checkpoint.open(folder)) {
      return c.names().stream()
          .filter(name -> name.endsWith(EMBEDDING))
          .findFirst()
          .flatMap(name -> c.info(name).type().dtype())
          .orElse(DType.F32);
    }
  }

  /**
   * @throws InputException naming the option, if {@code value} is below {@code least}
   */
  static void requireAtLeast(String option, long value, long least) {
    if (value < least) {
      throw new InputException(option + " must be at least " + least + ", not " + value);
    }
  }

  /**
   * @throws InputException naming the option, if {@code value} is not in the range
   */
  static void requireBetween(String option, long value, long least, long most) {
    if (value < least || value > most) {
      throw new InputException(
          option + " must be between " + least + " and " + most + ", not " + value);
    }
  }

  /** Where a file comes from that this run writes. */
  static Provenance provenance(Path checkpoint, CommonOptions common) {
    return new Provenance(
        checkpoint.toString(), BuildInfo.commit(), common.commandLine(), common.seed());
  }
}
