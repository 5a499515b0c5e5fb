package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.data.JdkSources;
import io.hydrahead.json.Spelling;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.study.results.StudyReport;
import io.hydrahead.study.run.Machine;
import io.hydrahead.study.run.StudyRun;
import io.hydrahead.study.run.Surroundings;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code hydrahead study}: teachers, arms and their comparison, from one recipe. */
@Command(
    name = "study",
    description = {
      "Compare arms: train teachers, probe, convert, transfer, evaluate.",
      "Makes what is missing in the output folder; the same command goes on after an",
      "interruption. --arm, --stage and --seed N (of the recipe's seeds; default: all)",
      "make a part.",
      "--device cuda:all has it make units on every GPU at once, --workers several on",
      "each. Several processes may share one folder, too.",
      "What takes a processor more than an hour has to be asked for with --device cpu."
    })
@Without(refused = "--dtype")
final class StudyCommand implements Callable<Integer> {
  private static final int MOST_WORKERS = 16;

  @Mixin private CommonOptions common;

  @Option(
      names = "--recipe",
      required = true,
      paramLabel = "FILE",
      description = "JSON: teacher, seeds, arms, rounds, evaluation.")
  private Path recipe;

  @Option(
      names = "--arm",
      paramLabel = "NAME",
      split = ",",
      description = "Only these arms, and what they need; default: all.")
  private List<String> arms = new ArrayList<>();

  @Option(
      names = "--stage",
      paramLabel = "STAGE",
      split = ",",
      description = "Only these: ${COMPLETION-CANDIDATES}; default: all.")
  private List<StudyStage> stages = new ArrayList<>();

  @Option(
      names = "--plan-only",
      description = "Print what would be made and the device time it should take; make nothing.")
  private boolean planOnly;

  @Option(
      names = "--workers",
      paramLabel = "N",
      defaultValue = "1",
      description = {
        "Units made side by side on each device, each with a stream and memory of its",
        "own: 2 or 3 keep a GPU busy with small models; default: ${DEFAULT-VALUE}."
      })
  private int workers;

  @Option(
      names = "--pack-sources",
      paramLabel = "FILE",
      description = {
        "Write the JDK sources that the recipe reads into an uncompressed archive and make nothing:",
        "for a machine whose JDK has none, as lib/src.zip of its JAVA_HOME."
      })
  private Path pack;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "DIR",
      description = "Folder of the study.")
  private Path output;

  /** The help's texts on common options that mean something else here. */
  static void describeCommon(CommandLine line) {
    CommonOptions.describe(
        line, "--seed", "Only this one of the recipe's seeds, and what it needs; default: all.");
    CommonOptions.describe(
        line,
        "--device",
        "cpu, cuda, cuda:N, several GPUs as cuda:0,cuda:2, or cuda:all; default: a GPU if one works,"
            + " else the CPU.");
  }

  @Override
  public Integer call() {
    if (common.dtype() != null) {
      throw new InputException(
          "--dtype: a study probes in float32 and trains and evaluates in bf16; leave it out");
    }
    if (workers < 1 || workers > MOST_WORKERS) {
      throw new InputException(
          "--workers " + workers + ": take 1 to " + MOST_WORKERS + ", 2 or 3 for a GPU");
    }
    StudyRecipe study = StudyRecipe.read(recipe);
    if (pack != null) {
      return pack(study);
    }
    if (output == null) {
      throw new InputException("-o is missing; name the study's folder");
    }
    OutputFolder.requireUsable(output);
    Outputs.requireParent(output, "-o");
    StudyRun.Part part = part(study);
    StudyRun run =
        new StudyRun(
            study,
            new StudyFolder(output.toAbsolutePath().normalize()),
            new Surroundings(
                machines(),
                common.progress(),
                line -> common.notice("hydrahead: " + line),
                TrainingSummary.producer(common),
                BuildInfo.commit(),
                common.commandLine(),
                common.threads(),
                workers));
    if (planOnly) {
      new StudyListing(common).print(run.plan(part));
      return ExitCode.OK;
    }
    StudyForecast.say(run.list(part), common);
    StudyRun.Outcome outcome = run.run(part);
    if (!part.stages().equals(Set.of(StudyStage.REPORT))) {
      common.out().printf("%d made in %s%n", outcome.done(), output);
    }
    if (outcome.reported()) {
      Path page = new StudyFolder(output).report().resolve(StudyReport.PAGE);
      common.out().printf("report in %s%n", page);
    }
    outcome.failures().forEach((unit, why) -> common.out().printf("not made: %s: %s%n", unit, why));
    common.out().flush();
    return outcome.failures().isEmpty() ? ExitCode.OK : ExitCode.CHECK_FAILED;
  }

  private List<Machine> machines() {
    DeviceChoice device = common.device();
    return IntStream.range(0, device.count())
        .<Machine>mapToObj(i -> type -> device.ops(common, type, i))
        .toList();
  }

  private int pack(StudyRecipe study) {
    Outputs.requireFree(common, pack, "--pack-sources");
    JdkSources sources = JdkSources.of(study.data());
    AtomicFile.write(pack, out -> common.out().println(sources.pack(JdkSources.archive(), out)));
    common.out().flush();
    return ExitCode.OK;
  }

  private StudyRun.Part part(StudyRecipe study) {
    for (String arm : arms) {
      requireArm(arm, study.arms().keySet());
    }
    Set<Integer> seeds = Set.of();
    if (common.seedGiven()) {
      if (common.seed() > Integer.MAX_VALUE || !study.seeds().contains((int) common.seed())) {
        throw new InputException(
            "--seed " + common.seed() + ": the study has the seeds " + study.seeds());
      }
      seeds = Set.of((int) common.seed());
    }
    return new StudyRun.Part(
        stages.isEmpty() ? Set.of(StudyStage.values()) : Set.copyOf(stages),
        new LinkedHashSet<>(arms),
        seeds);
  }

  private static void requireArm(String arm, Set<String> arms) {
    if (arm.isBlank()) {
      throw new InputException(
          "--arm: a name is empty; was a variable not filled? The study has the arms " + arms);
    }
    if (!arms.contains(arm)) {
      String meant =
          Spelling.nearest(arm, arms.stream())
              .map(n -> "did you mean " + n + "? It has ")
              .orElse("it has ");
      throw new InputException("--arm " + arm + ": the study has no such arm; " + meant + arms);
    }
  }
}
