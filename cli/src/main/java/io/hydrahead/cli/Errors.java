package io.hydrahead.cli;

import io.hydrahead.cuda.CudaUnavailableException;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns what went wrong into one line on stderr and an exit code. */
final class Errors implements IParameterExceptionHandler, IExecutionExceptionHandler {
  private final Terminal terminal;

  Errors(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public int handleParseException(ParameterException e, String[] args) {
    CommandLine line = e.getCommandLine();
    say(e.getMessage());
    UnmatchedArgumentException.printSuggestions(e, terminal.err());
    if (!(e.getCause() instanceof CudaUnavailableException)) {
      terminal.err().println("Try '" + line.getCommandSpec().qualifiedName() + " --help'.");
    }
    terminal.err().flush();
    return ExitCode.BAD_INPUT;
  }

  @Override
  public int handleExecutionException(Exception e, CommandLine line, ParseResult parsed) {
    return handle(e, CommonOptions.of(line.getCommandSpec()));
  }

  /** What the JVM cannot do; memory is the usual thing. */
  int handleError(Error e, boolean debug) {
    if (e instanceof OutOfMemoryError) {
      say("out of memory: " + e.getMessage() + "; take a smaller model, context or batch,");
      say("or give Java more, for example HYDRAHEAD_JVM_OPTS=-Xmx8g");
      return ExitCode.INTERNAL;
    }
    if (debug) {
      e.printStackTrace(terminal.err());
    }
    return internal(e, debug);
  }

  private int handle(Throwable e, CommonOptions common) {
    boolean debug = common != null && common.debug();
    if (common != null) {
      common.abandonProgress();
    }
    if (debug) {
      e.printStackTrace(terminal.err());
      terminal.err().flush();
    }
    if (e instanceof CancellationException || Interrupts.requested()) {
      boolean said = e instanceof CancellationException && e.getMessage() != null;
      say(said ? e.getMessage() : "interrupted");
      return ExitCode.INTERRUPTED;
    }
    String input = inputMessage(e);
    if (input != null) {
      say(input);
      return ExitCode.BAD_INPUT;
    }
    return internal(e, debug);
  }

  /** The one line for an error that the user can mend, or null when it is the program's fault. */
  private static String inputMessage(Throwable e) {
    return switch (e) {
      case InputException i -> i.getMessage();
      case UncheckedIOException u -> inputMessage(u.getCause());
      case NoSuchFileException f -> f.getFile() + ": no such file or folder";
      case AccessDeniedException f -> f.getFile() + ": permission denied";
      case FileAlreadyExistsException f -> f.getFile() + " exists already; --force replaces it";
      case NotDirectoryException f -> f.getFile() + ": not a folder";
      case FileSystemException f ->
          (f.getFile() == null ? "" : f.getFile() + ": ")
              + (f.getReason() == null ? "cannot be read or written" : f.getReason());
      case IOException f -> f.getMessage() == null ? f.toString() : f.getMessage();
      default -> null;
    };
  }

  private int internal(Throwable e, boolean debug) {
    String what = e.getMessage() == null ? e.getClass().getSimpleName() : e.toString();
    say("internal error: " + what.lines().findFirst().orElse("unknown"));
    if (!debug) {
      try {
        Path log = Files.createTempFile("hydrahead-error-", ".log");
        StringWriter trace = new StringWriter();
        try (PrintWriter w = new PrintWriter(trace)) {
          for (String line : new HydraHead.Version().getVersion()) {
            w.println(line);
          }
          e.printStackTrace(w);
        }
        Files.writeString(log, trace.toString());
        say("details are in " + log + "; --debug prints them here");
      } catch (IOException | RuntimeException unwritable) {
        say("--debug prints the details");
      }
    }
    return ExitCode.INTERNAL;
  }

  private void say(String message) {
    for (String line : message.split("\\R")) {
      terminal.err().println("hydrahead: " + line);
    }
    terminal.err().flush();
  }
}
