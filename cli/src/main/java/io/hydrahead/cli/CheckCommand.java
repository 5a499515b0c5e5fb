package io.hydrahead.cli;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.model.GoldenCheck;
import io.hydrahead.model.GoldenCheck.Deviation;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead check}: compares a model, or one operation, with a golden file. */
@Command(
    name = "check",
    description = {
      "Compare a model with a golden file, tensor by tensor.",
      "Outputs, gradients, decoding; prints relative L2, and ends with 1 if one is",
      "above the tolerance."
    },
    customSynopsis = {
      "hydrahead check [OPTIONS] CHECKPOINT GOLDEN",
      "hydrahead check [OPTIONS] --op gated-delta GOLDEN"
    })
@Without({"--seed", "--force"})
final class CheckCommand implements Callable<Integer> {
  /** A gradient that is missing altogether deviates by 1: rounding excuses less than that. */
  private static final double MOST_EXCUSED = 0.9;

  @Mixin private CommonOptions common;
  @Spec private CommandSpec spec;

  @Parameters(
      arity = "1..2",
      paramLabel = "CHECKPOINT GOLDEN",
      description = "The checkpoint folder (not with --op) and the golden safetensors file.")
  private List<Path> paths;

  @Option(
      names = "--tolerance",
      paramLabel = "X",
      description =
          "Largest relative L2 allowed (default: 1e-4; in bf16 on a GPU 2e-2, and 4e-2 for the"
              + " gradients of single parameters, or three times what rounding the parameters, with"
              + " --op the inputs, alone makes, if that is more, but at most 0.9).")
  private Double tolerance;

  /** For gradients of parameters: rounding nothing but the weights moves some by 2.4e-2. */
  private double gradientTolerance;

  private boolean chosen;

  @Option(
      names = "--op",
      paramLabel = "NAME",
      description = "Check an operation instead of a model: gated-delta.")
  private String op;

  @Option(names = "--json", description = "Print JSON instead of text.")
  private boolean json;

  @Override
  public Integer call() {
    if (tolerance != null && !(tolerance >= 0)) {
      throw new InputException("--tolerance must be 0 or more, not " + tolerance);
    }
    if (paths.size() != (op == null ? 2 : 1)) {
      throw new ParameterException(
          spec.commandLine(),
          op == null
              ? "a checkpoint and a golden file are needed (or --op with a golden file alone)"
              : "--op takes a golden file and no checkpoint");
    }
    List<Deviation> found =
        op == null ? model(paths.get(0), paths.get(1)) : operation(paths.get(0));
    boolean fine = found.stream().allMatch(this::passes);
    if (json) {
      printJson(found, fine);
    } else {
      printText(found, fine);
    }
    return fine ? ExitCode.OK : ExitCode.CHECK_FAILED;
  }

  private List<Deviation> model(Path folder, Path goldenFile) {
    try (SafetensorsFile golden = SafetensorsFile.open(goldenFile)) {
      if (golden.tensors().keySet().stream().noneMatch(n -> n.endsWith("input_ids"))) {
        throw new InputException(
            goldenFile
                + ": has no input_ids, nothing to run the model on; for operation goldens use --op");
      }
    }
    try (SafetensorsFile golden = SafetensorsFile.open(goldenFile);
        LoadedModel loaded =
            LoadedModel.open(
                folder, common, ModelFiles.LoadOptions.FLOAT32, LoadedModel.type(common))) {
      setTolerance(loaded.ops());
      saySoWhereExact(loaded.ops());
      Set<String> names = golden.tensors().keySet();
      List<Deviation> found = GoldenCheck.run(loaded.model(), names, golden::get);
      DType type = loaded.ops().activations();
      if (type == DType.F32) {
        return found;
      }
      try (Ops cpu = OpsFactory.cpu(new OpsOptions(common.threads(), "auto", true));
          HybridTransformer exact =
              HybridTransformer.load(folder, cpu, ModelFiles.LoadOptions.FLOAT32)) {
        return GoldenCheck.beside(found, exact, type, names, golden::get, common.progress());
      }
    }
  }

  private List<Deviation> operation(Path goldenFile) {
    if (!op.equals("gated-delta")) {
      throw new InputException("--op " + op + " is unknown; known is gated-delta");
    }
    try (SafetensorsFile golden = SafetensorsFile.open(goldenFile);
        Ops ops = LoadedModel.ops(common, LoadedModel.type(common))) {
      setTolerance(ops);
      saySoWhereExact(ops);
      return DeltaRuleCheck.run(ops, golden);
    }
  }

  private void saySoWhereExact(Ops ops) {
    if (common.dtype() == CommonOptions.DataType.BF16 && ops.activations() == DType.F32) {
      common.notice(
          "hydrahead: --dtype bf16 has no effect on check on the CPU, which compares in float32");
    }
  }

  private void setTolerance(Ops ops) {
    boolean rounded = ops.activations() == DType.BF16;
    chosen = tolerance != null;
    tolerance = chosen ? tolerance : rounded ? 2e-2 : 1e-4;
    gradientTolerance = rounded && !chosen ? 2 * tolerance : tolerance;
  }

  private boolean passes(Deviation d) {
    double allowed = d.tensor().startsWith("grad.") ? gradientTolerance : tolerance;
    double excused = Math.min(3 * d.rounding(), MOST_EXCUSED);
    return d.within(chosen ? allowed : Math.max(allowed, excused));
  }

  private void printText(List<Deviation> found, boolean fine) {
    PrintWriter out = common.out();
    boolean rounded = found.stream().anyMatch(d -> d.rounding() > 0);
    Table t =
        rounded
            ? new Table("tensor", "relative L2", "of rounding alone", "")
            : new Table("tensor", "relative L2", "");
    for (Deviation d : found) {
      String verdict = passes(d) ? "ok" : "ABOVE";
      if (rounded) {
        t.row(d.tensor(), number(d.relativeL2()), number(d.rounding()), verdict);
      } else {
        t.row(d.tensor(), number(d.relativeL2()), verdict);
      }
    }
    t.print(out);
    long above = found.stream().filter(d -> !passes(d)).count();
    out.printf(
        Locale.ROOT,
        "%s: %d tensors, %d above %.1e%n",
        fine ? "passed" : "FAILED",
        found.size(),
        above,
        tolerance);
    out.flush();
  }

  private static String number(double relativeL2) {
    return String.format(Locale.ROOT, "%.2e", relativeL2);
  }

  private void printJson(List<Deviation> found, boolean fine) {
    ObjectNode o = JsonReport.begin("check", common);
    if (op == null) {
      o.put("checkpoint", paths.get(0).toString());
    } else {
      o.put("op", op);
    }
    o.put("golden", paths.getLast().toString());
    o.put("tolerance", tolerance);
    o.put("passed", fine);
    ArrayNode tensors = o.putArray("tensors");
    for (Deviation d : found) {
      ObjectNode t = tensors.addObject().put("name", d.tensor());
      if (Double.isFinite(d.relativeL2())) {
        t.put("relative_l2", d.relativeL2());
      } else {
        t.putNull("relative_l2");
      }
      if (d.rounding() > 0) {
        t.put("rounding_relative_l2", d.rounding());
      }
      t.put("passed", passes(d));
    }
    JsonReport.print(o, common.out());
  }
}
