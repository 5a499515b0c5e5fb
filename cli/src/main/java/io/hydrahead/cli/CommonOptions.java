package io.hydrahead.cli;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/** Options that every command takes, and what a command needs from its surroundings. */
final class CommonOptions {
  /** Arithmetic type of the parameters in memory. */
  enum DataType {
    F32,
    BF16
  }

  /** Which library multiplies matrices. */
  enum Blas {
    AUTO,
    JAVA,
    ONEDNN,
    OPENBLAS
  }

  private static final int MOST_THREADS_A_PROCESSOR = 4;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help and exit.",
      order = 100)
  private boolean help;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description = "cpu, cuda or cuda:N; default: a GPU if one works, else the CPU.",
      order = 101)
  private String device;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Compute threads; default: the processors this machine or container allows.",
      order = 102)
  private Integer threads;

  @Option(
      names = "--dtype",
      paramLabel = "TYPE",
      description = "Matrices in memory: ${COMPLETION-CANDIDATES}; default: as stored.",
      order = 103)
  private DataType dtype;

  @Option(
      names = "--blas",
      paramLabel = "NAME",
      defaultValue = "AUTO",
      description = "Matrix products: ${COMPLETION-CANDIDATES}.",
      order = 104)
  private Blas blas;

  @Option(
      names = "--deterministic",
      description = "Same bits on the same machine, build and thread count.",
      order = 105)
  private boolean deterministic;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of everything random (default: 0).",
      order = 106)
  private Long seed;

  @Option(names = "--force", description = "Replace outputs that exist.", order = 107)
  private boolean force;

  @Option(
      names = {"-q", "--quiet"},
      description = "No progress, no notices.",
      order = 108)
  private boolean quiet;

  @Option(names = "--debug", description = "Show stack traces and debug messages.", order = 109)
  private boolean debug;

  private DeviceChoice choice = DeviceChoice.parse(null);
  private Terminal terminal;
  private String commandLine = "hydrahead";
  private ProgressBar progress;

  /** The mixin of a command, or null for those that have none (the root, help). */
  static CommonOptions of(CommandSpec spec) {
    CommandSpec mixin = spec.mixins().get("common");
    return mixin != null && mixin.userObject() instanceof CommonOptions o ? o : null;
  }

  /** As a shell takes it back: what is not plain is in single quotes. */
  static String commandLine(List<String> args) {
    StringBuilder line = new StringBuilder("hydrahead");
    for (String a : args) {
      boolean plain = a.matches("[\\w./:=,@%+-]+");
      line.append(' ').append(plain ? a : "'" + a.replace("'", "'\\''") + "'");
    }
    return line.toString();
  }

  /** Gives a common option another text in the help of one command. */
  static void describe(CommandLine line, String name, String description) {
    CommandSpec spec = line.getCommandSpec();
    OptionSpec option = spec.findOption(name);
    spec.remove(option);
    spec.addOption(OptionSpec.builder(option).description(description).build());
  }

  /** Called before the command runs. */
  void attach(Terminal terminal, List<String> args) {
    this.commandLine = commandLine(args);
    this.terminal = terminal;
    this.progress = new ProgressBar(terminal, quiet);
    Logs.attach(terminal, progress, debug);
    if (threads != null && threads < 1) {
      throw new InputException("--threads must be at least 1, not " + threads);
    }
    choice = DeviceChoice.parse(device);
  }

  /**
   * More threads than processors wait for each other; of many more a run takes for ever.
   *
   * @throws InputException above four for each processor
   */
  void checkThreads() {
    int available = Runtime.getRuntime().availableProcessors();
    if (threads == null || threads <= available) {
      return;
    }
    String here = "this machine or container allows " + Table.counted(available, "processor");
    if (threads > MOST_THREADS_A_PROCESSOR * available) {
      throw new InputException(
          "--threads "
              + threads
              + " is too much: "
              + here
              + "; take "
              + available
              + ", and "
              + MOST_THREADS_A_PROCESSOR * available
              + " at most");
    }
    notice(
        "hydrahead: --threads "
            + threads
            + ": "
            + here
            + "; more threads than that make it slower, not faster");
  }

  /** Where to compute. */
  DeviceChoice device() {
    return choice;
  }

  /** The words of this run, for the sources of results. */
  String commandLine() {
    return commandLine;
  }

  /** Data. */
  PrintWriter out() {
    return terminal.out();
  }

  /** Prints a piece of a text at once; false if nobody takes it any more. */
  boolean show(String piece) {
    out().print(piece);
    return !out().checkError();
  }

  Terminal terminal() {
    return terminal;
  }

  /** One line for a person, on stderr; not with {@code --quiet}. */
  void notice(String line) {
    if (!quiet) {
      progress.print(line);
    }
  }

  Progress progress() {
    return progress;
  }

  void abandonProgress() {
    if (progress != null) {
      progress.abandon();
    }
  }

  int threads() {
    return threads != null ? threads : Runtime.getRuntime().availableProcessors();
  }

  DataType dtype() {
    return dtype;
  }

  Blas blas() {
    return blas;
  }

  boolean deterministic() {
    return deterministic;
  }

  long seed() {
    return seed == null ? 0 : seed;
  }

  /** Whether the user named a seed: it then goes before a recipe's. */
  boolean seedGiven() {
    return seed != null;
  }

  boolean force() {
    return force;
  }

  boolean quiet() {
    return quiet;
  }

  boolean debug() {
    return debug;
  }
}
