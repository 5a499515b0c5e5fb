package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.report.Report;
import io.hydrahead.report.ReportFiles;
import io.hydrahead.report.ReportInput;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code hydrahead report}: the files between the steps as one page. */
@Command(
    name = "report",
    description = {
      "Draw results as one self-contained HTML page.",
      "Takes results.json, heads.json, plan.json and training-log.jsonl, told apart by content."
    })
@Without({"--device", "--threads", "--dtype", "--blas", "--deterministic", "--seed"})
final class ReportCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Parameters(
      arity = "1..*",
      paramLabel = "FILE",
      description = "Results of eval, scores of probe, plans, training logs.")
  private List<Path> files;

  @Option(names = "--title", paramLabel = "TEXT", description = "Title of the page.")
  private String title;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      defaultValue = "report.html",
      description = "Where to write (default: ${DEFAULT-VALUE}).")
  private Path output;

  @Override
  public Integer call() {
    Outputs.requireFree(common, output, "-o");
    ReportInput input = ReportFiles.read(files);
    if (title != null) {
      input = ReportInput.merge(title, List.of(input));
    }
    AtomicFile.write(output, Report.html(input));
    common.out().println(output);
    common.out().flush();
    return ExitCode.OK;
  }
}
