package io.hydrahead.model;

import io.hydrahead.checkpoint.Checkpoint;
import java.nio.file.Path;
import java.util.List;

/** Whether a checkpoint holds what its config.json calls for, told without reading a weight. */
public final class CheckpointContents {
  private CheckpointContents() {}

  /**
   * Compares names, shapes and types of all tensors with those of the config, plan and style, and
   * returns the names of those that are the model's, all but what Qwen3.5 has beside its text
   * model.
   *
   * @throws io.hydrahead.tensor.InputException naming the first tensor that is missing, not called
   *     for, or of another shape
   */
  public static List<String> require(Checkpoint checkpoint, Path folder) {
    ModelConfig config = ConfigJson.read(checkpoint.config(), folder);
    HeadPlan plan = ConfigJson.plan(checkpoint.config(), folder);
    Style style = ConfigJson.style(checkpoint.config(), folder);
    CheckpointLayout layout = CheckpointLayout.of(config, plan, style).in(checkpoint.names());
    ModelFiles.requireNoStrangers(checkpoint, layout, folder);
    layout
        .tensors()
        .forEach(
            (name, shape) -> ModelFiles.requireFloats(name, checkpoint.get(name, shape), folder));
    return checkpoint.names().stream().filter(name -> !layout.leavesOut(name)).toList();
  }
}
