package io.hydrahead.cli;

import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code hydrahead demo}: the whole road on the bundled tiny model. */
@Command(
    name = "demo",
    description = {
      "The whole road on the bundled tiny model, in about ten minutes:",
      "probe, plan, convert and transfer three hybrids, evaluate, and write a report."
    })
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

  @Override
  public Integer call() {
    OutputFolder.requireFree(output, common.force());
    Path file = recipe == null ? BuildInfo.home().resolve("recipes/demo.json") : recipe;
    DemoRecipe demo = DemoRecipe.read(file);
    if (!Files.isDirectory(demo.teacher())) {
      throw new InputException(
          demo.teacher()
              + ": the demo's teacher is not there; run the demo from a whole checkout, or"
              + " name another in "
              + file);
    }
    try (Ops ops = LoadedModel.ops(common);
        OutputFolder out = OutputFolder.begin(output, common.force())) {
      new DemoRun(common, demo, ops, out).run();
      out.commit();
    }
    common.out().println("report: " + output.resolve(DemoRun.REPORT));
    common.out().flush();
    return ExitCode.OK;
  }
}
