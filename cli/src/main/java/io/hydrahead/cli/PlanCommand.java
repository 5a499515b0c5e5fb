package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.Style;
import io.hydrahead.plan.Conversion;
import io.hydrahead.plan.HeadScores;
import io.hydrahead.plan.HeadShape;
import io.hydrahead.plan.PlanChoices;
import io.hydrahead.plan.PlanChoices.Align;
import io.hydrahead.plan.PlanChoices.Axis;
import io.hydrahead.plan.PlanChoices.Floor;
import io.hydrahead.plan.PlanChoices.Quota;
import io.hydrahead.plan.PlanChoices.Rule;
import io.hydrahead.plan.PlanFile;
import io.hydrahead.plan.PlanRequest;
import io.hydrahead.plan.PlanRules;
import io.hydrahead.plan.Ratio;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead plan}: from scores and a budget to the heads that stay full. */
@Command(
    name = "plan",
    description = {
      "Choose the heads that keep full attention, and say what that costs.",
      "Writes plan.json to -o, or to stdout."
    })
@Without({"--device", "--threads", "--dtype", "--blas", "--deterministic"})
final class PlanCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  @Parameters(paramLabel = "CHECKPOINT", description = "The teacher's folder.")
  private Path folder;

  @Option(names = "--heads", paramLabel = "FILE", description = "Scores from hydrahead probe.")
  private Path heads;

  @Option(
      names = "--ratio",
      required = true,
      paramLabel = "R:1",
      description = "Linear heads to one full head, such as 7:1; or full, or all-linear.")
  private String ratio;

  @Option(
      names = "--axis",
      defaultValue = "HEAD",
      description =
          "Single heads or whole layers: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).",
      paramLabel = "AXIS")
  private Axis axis;

  @Option(
      names = "--rule",
      paramLabel = "RULE",
      description = {
        "What ranks them: ${COMPLETION-CANDIDATES};",
        "default: causal for heads, fixed for layers."
      })
  private Rule rule;

  @Option(
      names = "--align",
      defaultValue = "GROUP",
      description =
          "Spend heads on whole KV groups, or one by one: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).",
      paramLabel = "ALIGN")
  private Align align;

  @Option(
      names = "--floor",
      defaultValue = "HEAD",
      description =
          "What every layer gets at least: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).",
      paramLabel = "FLOOR")
  private Floor floor;

  @Option(
      names = "--quota",
      defaultValue = "GLOBAL",
      description =
          "Whether layers compete or share evenly: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).",
      paramLabel = "QUOTA")
  private Quota quota;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "Where to write plan.json; default: stdout.")
  private Path output;

  @Option(names = "--json", description = "With -o: print the summary as JSON.")
  private boolean json;

  @Override
  public Integer call() {
    if (output != null) {
      Outputs.requireFree(common, output, "-o", folder, heads);
    }
    Conversion.refuseQwen35(folder);
    ModelConfig config = Sources.config(folder);
    HeadShape shape = HeadShape.of(config);
    HeadScores scores = HeadScores.none(shape);
    if (heads != null) {
      scores = HeadScores.read(heads);
      scores.requireShape(shape, heads.toString());
    }
    PlanChoices choices =
        new PlanChoices(axis, rule == null ? Rule.defaultFor(axis) : rule, align, floor, quota);
    PlanRequest request =
        new PlanRequest(shape, Ratio.parse(ratio), choices, scores, common.seed());
    HeadPlan plan = PlanRules.select(request);
    sayWhatRowsCannot(request, plan);
    PlanFile file = PlanFile.of(request, plan, Sources.provenance(folder, common));
    Summary summary = new Summary(config, plan, Style.HYDRAHEAD);
    if (output == null) {
      common.out().println(file.toText().strip());
      common.out().flush();
      if (!common.quiet()) {
        print(summary, choices, common.terminal().err());
      }
    } else {
      AtomicFile.write(output, file.toText());
      if (json) {
        ObjectNode o = JsonReport.begin("plan", common);
        o.put("checkpoint", folder.toString());
        o.put("output", output.toString());
        o.put("parameters", summary.parameters());
        summary.put(o);
        JsonReport.print(o, common.out());
      } else {
        print(summary, choices, common.out());
      }
    }
    return ExitCode.OK;
  }

  /** Whole rows give few ratios, and the other switches are for single heads. */
  private void sayWhatRowsCannot(PlanRequest request, HeadPlan plan) {
    if (axis != Axis.LAYER) {
      return;
    }
    ParseResult given = spec.commandLine().getParseResult();
    for (String option : List.of("--align", "--floor", "--quota")) {
      if (given.hasMatchedOption(option)) {
        common.notice("hydrahead: " + option + " has no effect with --axis layer");
      }
    }
    int layers = plan.layers();
    int taken = plan.fullCount() / plan.heads();
    if (!request.ratio().isExactOf(layers)) {
      common.notice(
          "hydrahead: whole layers cannot give "
              + ratio
              + ": "
              + taken
              + " of "
              + layers
              + ", the nearest from above, is "
              + Ratio.real(taken / (double) layers)
              + ", and "
              + (taken - 1)
              + " would be "
              + Ratio.real((taken - 1) / (double) layers)
              + "; --axis head comes nearer");
    }
  }

  private static void print(Summary summary, PlanChoices choices, PrintWriter out) {
    summary.printPlan(out);
    if (summary.cacheAboveHeads() && choices.floor() == Floor.HEAD) {
      out.println(
          "note        a layer's one head keeps the cache of its whole KV group; --floor group or none,"
              + " with --align group, take whole groups only: the cache share is then the head share");
    }
    summary.printParameters(out);
    out.println();
    summary.printMemory(out);
    out.flush();
  }
}
