package io.hydrahead.cli;

import io.hydrahead.tensor.InputException;
import io.hydrahead.train.TrainingRun;
import java.nio.file.Path;
import java.util.Map;
import tools.jackson.databind.node.ObjectNode;

/** What {@code pretrain} and {@code transfer} have in common around their run. */
final class TrainingSummary {
  private TrainingSummary() {}

  /** Fields of config.json that say where a trained model comes from. */
  static Map<String, String> producer(CommonOptions common) {
    return Map.of(
        "producer_version", BuildInfo.version(),
        "producer_commit", BuildInfo.commit(),
        "producer_command", common.commandLine());
  }

  /**
   * @throws InputException if options are given that the recipe decides
   */
  static void requireRecipeDecides(CommonOptions common, Path recipe) {
    if (common.seedGiven()) {
      throw new InputException("--seed: the recipe decides; set \"seed\" in " + recipe);
    }
    if (common.dtype() != null) {
      throw new InputException("--dtype: the recipe decides; set \"dtype\" in " + recipe);
    }
  }

  static void print(
      String schema, TrainingRun.Outcome outcome, Path output, boolean json, CommonOptions common) {
    outcome.notes().forEach(n -> common.notice("hydrahead: " + n));
    if (json) {
      ObjectNode o = JsonReport.begin(schema, common);
      o.put("output", output.toString());
      o.put("tokens", outcome.tokens());
      o.put("bitwise", outcome.bitwise());
      JsonReport.print(o, common.out());
    } else {
      common.out().println(Table.counted(outcome.tokens(), "token") + "; written: " + output);
      common.out().flush();
    }
  }
}
