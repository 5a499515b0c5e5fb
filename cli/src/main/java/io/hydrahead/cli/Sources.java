package io.hydrahead.cli;

import io.hydrahead.checkpoint.Checkpoint;
import io.hydrahead.model.ConfigJson;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.plan.Provenance;
import java.nio.file.Path;

/** What several commands first read of a checkpoint folder. */
final class Sources {
  private Sources() {}

  /** Shape and constants alone, without opening the weights. */
  static ModelConfig config(Path folder) {
    return ConfigJson.read(Checkpoint.config(folder), folder.resolve("config.json"));
  }

  /** Where a file comes from that this run writes. */
  static Provenance provenance(Path checkpoint, CommonOptions common) {
    return new Provenance(
        checkpoint.toString(), BuildInfo.commit(), common.commandLine(), common.seed());
  }
}
