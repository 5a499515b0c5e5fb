package io.hydrahead.cli;

import io.hydrahead.tensor.InputException;
import java.util.List;
import picocli.AutoComplete;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;

/** The root command. One class a command, listed here in the order of the road. */
@Command(
    name = "hydrahead",
    description = {
      "Turns Transformer checkpoints into head-wise hybrids of full and linear",
      "attention, transfers the knowledge, and proves the result on long contexts.",
      "Reads Qwen3 and its own hybrids; Qwen3.5 wherever no heads are chosen anew.",
      ""
    },
    versionProvider = HydraHead.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      DemoCommand.class,
      InfoCommand.class,
      LogitsCommand.class,
      CheckCommand.class,
      TokenizeCommand.class,
      GenerateCommand.class,
      ChatCommand.class,
      ServeCommand.class,
      ProbeCommand.class,
      PlanCommand.class,
      ConvertCommand.class,
      TransferCommand.class,
      PretrainCommand.class,
      StudyCommand.class,
      EvalCommand.class,
      ReportCommand.class,
      BenchCommand.class,
      DoctorCommand.class,
      HydraHead.Completion.class,
      HelpCommand.class
    },
    footer = {
      "",
      "Exit codes: 0 fine, 1 a check failed, 2 bad input, 3 internal error, 130 interrupted;",
      "serve ends with 0 after SIGTERM, if it had to cut no reply off.",
      "Data goes to stdout, everything else to stderr."
    })
final class HydraHead implements Runnable {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Show this help and exit.")
  private boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Print the version and exit.")
  private boolean version;

  @Spec private CommandSpec spec;

  /** Runs one command line and returns its exit code; never exits the process. */
  static int run(Terminal terminal, String... args) {
    return run(commandLine(terminal), terminal, args);
  }

  static int run(CommandLine line, Terminal terminal, String... args) {
    try {
      return line.execute(args);
    } catch (Error e) { // not handed to picocli's handlers: no memory, or a class is gone
      return new Errors(terminal).handleError(e, List.of(args).contains("--debug"));
    }
  }

  static CommandLine commandLine(Terminal terminal) {
    CommandLine line = new CommandLine(new HydraHead());
    line.setOut(terminal.out());
    line.setErr(terminal.err());
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setUsageHelpAutoWidth(terminal.interactive());
    line.setColorScheme(
        CommandLine.Help.defaultColorScheme(
            terminal.color() ? CommandLine.Help.Ansi.AUTO : CommandLine.Help.Ansi.OFF));
    Values.register(line);
    Without.Reader.hide(line);
    BenchCommand.describeDtype(line.getSubcommands().get("bench"));
    StudyCommand.describeCommon(line.getSubcommands().get("study"));
    Errors errors = new Errors(terminal);
    line.setParameterExceptionHandler(errors);
    line.setExecutionExceptionHandler(errors);
    line.setExecutionStrategy(parsed -> {
      for (CommandLine l : parsed.asCommandLineList()) {
        CommonOptions o = CommonOptions.of(l.getCommandSpec());
        if (o != null) {
          checked(l, () -> o.attach(terminal, parsed.originalArgs()));
        }
      }
      try {
        for (ParseResult p = parsed; p != null; p = p.hasSubcommand() ? p.subcommand() : null) {
          prepare(p);
        }
        return new CommandLine.RunLast().execute(parsed);
      } finally {
        for (CommandLine l : parsed.asCommandLineList()) {
          CommonOptions o = CommonOptions.of(l.getCommandSpec());
          if (o != null) {
            o.device().release();
          }
        }
      }
    });
    return line;
  }

  /** Says which options do nothing; checks and opens what the others name. */
  private static void prepare(ParseResult p) {
    CommandSpec spec = p.commandSpec();
    CommonOptions o = CommonOptions.of(spec);
    List<String> idle = Without.Reader.idle(p);
    for (String name : idle) {
      o.notice("hydrahead: " + name + " has no effect on " + spec.name());
    }
    if (o != null && !idle.contains("--threads")) {
      checked(spec.commandLine(), o::checkThreads);
    }
    if (o != null && !idle.contains("--device")) {
      if (!(spec.userObject() instanceof StudyCommand)) {
        checked(spec.commandLine(), o.device()::requireOne);
      }
      checked(spec.commandLine(), o.device()::openNamed);
    }
  }

  /** Runs a step of preparing {@code line}, whose failure is one of its options'. */
  private static void checked(CommandLine line, Runnable step) {
    try {
      step.run();
    } catch (InputException e) {
      throw new CommandLine.ParameterException(line, e.getMessage(), e);
    }
  }

  @Override
  public void run() {
    throw new CommandLine.ParameterException(
        spec.commandLine(), "no command given; hydrahead --help lists them");
  }

  /** Version, commit and JVM. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      return new String[] {
        "hydrahead " + BuildInfo.version(),
        "commit " + BuildInfo.commit(),
        "java " + Runtime.version() + " (" + System.getProperty("java.vendor") + ")"
      };
    }
  }

  /** Shell completion for bash and zsh. */
  @Command(
      name = "completion",
      description = {
        "Print a completion script for bash and zsh.",
        "Use it with: source <(hydrahead completion)"
      })
  @Without({
    "--device",
    "--threads",
    "--dtype",
    "--blas",
    "--deterministic",
    "--seed",
    "--force",
    "--quiet"
  })
  static final class Completion implements Runnable {
    @Mixin private CommonOptions common;
    @Spec private CommandSpec spec;

    @Override
    public void run() {
      common.out().print(AutoComplete.bash("hydrahead", spec.root().commandLine()));
      common.out().flush();
    }
  }
}
