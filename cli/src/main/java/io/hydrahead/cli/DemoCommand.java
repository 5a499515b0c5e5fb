package io.hydrahead.cli;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.InputException;
import io.hydrahead.train.RunFolder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code hydrahead demo}: the whole road on the bundled tiny model. */
@Command(
    name = "demo",
    description = {
      "The whole road on the bundled tiny model; ends with report.html.",
      "Probes, plans, converts and transfers three hybrids, and evaluates them. Takes",
      "seven minutes on two idle CPU cores; if interrupted, goes on with --resume."
    })
@Without(refused = {"--seed", "--dtype"})
final class DemoCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      defaultValue = "hydrahead-demo",
      description = "Folder to write (default: ${DEFAULT-VALUE}).")
  private Path output;

  @Option(
      names = "--recipe",
      paramLabel = "FILE",
      description = "JSON: teacher, arms, sizes; default: recipes/demo.json of this project.")
  private Path recipe;

  @Option(names = "--resume", description = "Go on with the unfinished demo of this output.")
  private boolean resume;

  @Override
  public Integer call() {
    Path file = recipe == null ? BuildInfo.home().resolve("recipes/demo.json") : recipe;
    DemoRecipe demo = DemoRecipe.read(file);
    if (!Files.isDirectory(demo.teacher())) {
      throw new InputException(
          demo.teacher()
              + ": the demo's teacher is not there; run the demo from a whole checkout, or"
              + " name another in "
              + file);
    }
    TrainingSummary.requireRecipeDecides(common, file);
    Outputs.requireReadyRun(common, output, resume);
    try (Ops ops = LoadedModel.ops(common);
        RunFolder run = RunFolder.begin(output, resume, common.force())) {
      try {
        new DemoRun(common, demo, ops, run).run();
      } catch (CancellationException e) {
        String at = e.getMessage() == null ? "interrupted" : e.getMessage().replaceAll(";.*", "");
        throw new CancellationException(
            run.holdsWork()
                ? at + "; what is finished is kept in " + run.work() + ", go on with --resume"
                : at + "; no step was finished, nothing is left");
      }
      run.commit();
    }
    common.out().println("report: " + output.resolve(DemoRun.REPORT));
    common.out().flush();
    return ExitCode.OK;
  }
}
