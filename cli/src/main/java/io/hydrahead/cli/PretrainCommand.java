package io.hydrahead.cli;

import io.hydrahead.ops.Ops;
import io.hydrahead.train.Pretrainer;
import io.hydrahead.train.TrainingRun;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code hydrahead pretrain}: a small Transformer from a recipe. */
@Command(
    name = "pretrain",
    description = {
      "Train a Transformer from a recipe.",
      "An interrupted run goes on with --resume, bitwise as if nothing had happened."
    })
@Without(refused = {"--seed", "--dtype"})
final class PretrainCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Option(
      names = "--recipe",
      required = true,
      paramLabel = "FILE",
      description = "JSON: model, tokenizer, data, stages.")
  private Path recipe;

  @Option(names = "--resume", description = "Go on with the unfinished run of this output.")
  private boolean resume;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "DIR",
      description = "Folder to write.")
  private Path output;

  @Option(names = "--json", description = "Print the summary as JSON.")
  private boolean json;

  @Override
  public Integer call() {
    TrainingSummary.requireRecipeDecides(common, recipe);
    Outputs.requireReadyRun(common, output, resume, recipe);
    try (Ops ops = LoadedModel.ops(common)) {
      TrainingRun.Outcome outcome =
          new Pretrainer(ops, common.progress())
              .run(
                  recipe,
                  output,
                  new Pretrainer.Options(resume, common.force(), TrainingSummary.producer(common)));
      TrainingSummary.print("pretrain", outcome, output, json, common);
    }
    return ExitCode.OK;
  }
}
