package io.hydrahead.cli;

import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.plan.Conversion;
import io.hydrahead.plan.ConvertRecipe;
import io.hydrahead.plan.HeadScale;
import io.hydrahead.plan.HeadShape;
import io.hydrahead.plan.PlanFile;
import io.hydrahead.tensor.DType;
import io.hydrahead.tokenizer.Tokenizer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.node.ObjectNode;

/** {@code hydrahead convert}: a hybrid's first parameters from a Transformer's. */
@Command(
    name = "convert",
    description = {
      "Turn the heads that a plan leaves out into linear attention.",
      "Into windowed attention, if the recipe says so.",
      "The result knows little yet: hydrahead transfer teaches it."
    })
final class ConvertCommand implements Callable<Integer> {
  private static final int TEXT_TOKENS = 512;
  private static final int ALL_TOKENS = 8192;

  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "CHECKPOINT", description = "The teacher's folder.")
  private Path folder;

  @Option(
      names = "--plan",
      required = true,
      paramLabel = "FILE",
      description = "plan.json, made by hydrahead plan or by hand.")
  private Path planFile;

  @Option(
      names = "--recipe",
      paramLabel = "FILE",
      description = {
        "JSON with style and initialise; default: HydraHead's, that is Gated DeltaNet with"
            + " gates, norms and weights for each head. For windowed heads:",
        "{\"style\": {\"linear_kind\": \"window\", \"window\": 1024, \"sinks\": 4}}"
      })
  private Path recipeFile;

  @Option(
      names = "--text",
      paramLabel = "FILE",
      description = "Text on which the heads' loudness is measured; default: generated.")
  private Path text;

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
    Outputs.requireFreeFolder(common, output, folder, planFile, recipeFile, text);
    ModelConfig config = Sources.config(folder);
    Conversion.refuseQwen35(folder);
    Sources.requireTransformer(folder);
    PlanFile plan = PlanFile.read(planFile, HeadShape.of(config));
    ConvertRecipe given =
        recipeFile == null ? ConvertRecipe.DEFAULT : ConvertRecipe.read(recipeFile);
    ConvertRecipe recipe =
        common.seedGiven()
            ? new ConvertRecipe(given.style(), given.options().withSeed(common.seed()))
            : given;
    int tokens = Math.min(TEXT_TOKENS, config.maxPositionEmbeddings());
    List<int[]> texts =
        Texts.rows(
            Texts.codec(Tokenizer.load(folder)), text, tokens, ALL_TOKENS / tokens, common.seed());
    Summary summary = new Summary(config, plan.plan(), recipe.style());
    if (json) {
      printJson(summary);
    } else {
      printText(summary);
    }
    convert(plan, recipe, texts);
    common.notice("written: " + output);
    return ExitCode.OK;
  }

  private void convert(PlanFile plan, ConvertRecipe recipe, List<int[]> texts) {
    try (LoadedModel teacher = LoadedModel.open(folder, common, ModelFiles.LoadOptions.FLOAT32)) {
      double[][] scale = HeadScale.measure(teacher.model(), texts, common.progress());
      common.progress().throwIfCancelled();
      try (HybridTransformer student =
          Conversion.convert(teacher.model(), plan.plan(), recipe, scale)) {
        student.save(
            output, new ModelFiles.SaveOptions(savedType(), common.force(), folder, extras()));
      }
    }
  }

  private DType savedType() {
    if (common.dtype() != null) {
      return common.dtype() == CommonOptions.DataType.F32 ? DType.F32 : DType.BF16;
    }
    return Sources.storedType(folder);
  }

  private Map<String, ?> extras() {
    return Map.of(
        "converted_from",
        Map.of(
            "checkpoint", folder.toString(),
            "plan", planFile.toString(),
            "commit", BuildInfo.commit(),
            "command", common.commandLine(),
            "seed", common.seed()));
  }

  private void printText(Summary summary) {
    PrintWriter out = common.out();
    summary.printPlan(out);
    summary.printParameters(out);
    out.println();
    summary.printMemory(out);
    out.flush();
  }

  private void printJson(Summary summary) {
    ObjectNode o = JsonReport.begin("convert", common);
    o.put("checkpoint", folder.toString());
    o.put("plan", planFile.toString());
    o.put("output", output.toString());
    o.put("parameters", summary.parameters());
    o.put("parameters_all_full", summary.parametersAllFull());
    summary.put(o);
    JsonReport.print(o, common.out());
  }
}
