package io.hydrahead.cli;

import io.hydrahead.eval.Cell;
import io.hydrahead.eval.EvalOptions;
import io.hydrahead.eval.EvalTask;
import io.hydrahead.eval.Evaluator;
import io.hydrahead.eval.SessionModel;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.ops.Ops;
import io.hydrahead.plan.Conversion;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tokenizer.Tokenizer;
import io.hydrahead.train.TrainingRun;
import io.hydrahead.transfer.Transfer;
import io.hydrahead.transfer.Transfers;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code hydrahead transfer}: the three stages from teacher to student. */
@Command(
    name = "transfer",
    description = {
      "Teach a converted model what its teacher knows.",
      "Stages, losses and schedules are in the recipe; an interrupted run goes on",
      "with --resume."
    })
@Without(refused = {"--seed", "--dtype"})
final class TransferCommand implements Callable<Integer> {
  @Mixin private CommonOptions common;

  @Parameters(index = "0", paramLabel = "TEACHER", description = "The Transformer's folder.")
  private Path teacher;

  @Parameters(
      index = "1",
      paramLabel = "STUDENT",
      description = "The folder that hydrahead convert made of it.")
  private Path student;

  @Option(
      names = "--recipe",
      required = true,
      paramLabel = "FILE",
      description = "JSON: data, stages.")
  private Path recipe;

  @Option(names = "--resume", description = "Go on with the unfinished run of this output.")
  private boolean resume;

  @Option(
      names = "--eval-tasks",
      paramLabel = "LIST",
      defaultValue = "niah_single_2,niah_multikey_1",
      description = "Short evaluation after each stage (default: ${DEFAULT-VALUE}).")
  private String tasks;

  @Option(
      names = "--eval-samples",
      paramLabel = "N",
      defaultValue = "8",
      description = "Examples a task; 0 leaves it out (default: ${DEFAULT-VALUE}).")
  private int samples;

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
    Outputs.requireReadyRun(common, output, resume, teacher, student, recipe);
    Sources.requireAtLeast("--eval-samples", samples, 0);
    if (teacher.toAbsolutePath().normalize().equals(student.toAbsolutePath().normalize())) {
      throw new InputException(
          "teacher and student are the same folder "
              + teacher
              + "; make the student with hydrahead convert");
    }
    Conversion.refuseQwen35(teacher);
    Conversion.refuseQwen35(student);
    Sources.requireTransformer(teacher);
    List<EvalTask> chosen = EvalTask.parse(tasks);
    try (Ops ops = LoadedModel.ops(common)) {
      TrainingRun.Outcome outcome =
          new Transfers(ops, common.progress())
              .run(
                  teacher,
                  student,
                  recipe,
                  output,
                  new Transfers.Options(
                      resume,
                      common.force(),
                      evaluation(chosen),
                      TrainingSummary.producer(common)));
      TrainingSummary.print("transfer", outcome, output, json, common);
    }
    return ExitCode.OK;
  }

  private Transfer.Evaluation evaluation(List<EvalTask> chosen) {
    if (samples == 0) {
      return Transfer.Evaluation.NONE;
    }
    Tokenizer tokenizer = Tokenizer.load(teacher);
    int length = Sources.config(teacher).maxPositionEmbeddings();
    return (stage, name, model) -> measure(stage.name(), name, model, tokenizer, chosen, length);
  }

  private Map<String, Double> measure(
      String stage,
      String name,
      HybridTransformer model,
      Tokenizer tokenizer,
      List<EvalTask> chosen,
      int length) {
    Map<String, Double> out = new LinkedHashMap<>();
    try (SessionModel asked = new SessionModel(name, model, tokenizer)) {
      for (Cell c :
          new Evaluator(EvalOptions.small())
              .run(asked, chosen, List.of(length), samples, 0, common.progress())) {
        if (c.outcome() instanceof Cell.Measured m) {
          out.put(c.task(), m.accuracy());
          common.notice(
              String.format(
                  Locale.ROOT,
                  "after %s: %s at %s %.2f",
                  stage,
                  c.task(),
                  TokenCount.format(length),
                  m.accuracy()));
        }
      }
    }
    return out;
  }
}
