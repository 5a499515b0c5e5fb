package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.report.Report;
import io.hydrahead.report.ReportFiles;
import io.hydrahead.report.ReportInput;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code hydrahead report}: the files between the steps as one page. */
@Command(
    name = "report",
    description = {
      "Draw results as one self-contained HTML page.",
      "Takes results.json, heads.json, plan.json and training-log.jsonl, told apart by",
      "content. What is of one model is joined by its name: in results that is eval's",
      "--name, in a training log the recipe's name. A plan is joined by its full heads,",
      "or by a field \"name\" that it may have."
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
    Outputs.requireFree(common, output, "-o", files.toArray(Path[]::new));
    ReportInput input = ReportFiles.read(files);
    if (title != null) {
      input = ReportInput.merge(title, List.of(input));
    }
    sayWhatStandsAlone(input);
    AtomicFile.write(output, Report.html(input));
    common.out().println(output);
    common.out().flush();
    return ExitCode.OK;
  }

  /** Models that results know under another name, or not at all. */
  private void sayWhatStandsAlone(ReportInput input) {
    Set<String> measured =
        input.cells().stream()
            .map(ReportInput.Cell::model)
            .collect(Collectors.toCollection(LinkedHashSet::new));
    if (measured.isEmpty()) {
      return;
    }
    for (String name : input.modelNames()) {
      if (!measured.contains(name)) {
        common.notice(
            "hydrahead: "
                + name
                + " has no results here (those are of "
                + String.join(", ", measured)
                + "); if it is one of these, give it that name");
      }
    }
  }
}
