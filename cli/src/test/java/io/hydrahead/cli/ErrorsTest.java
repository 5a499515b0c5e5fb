package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.tensor.InputException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Every kind of failure has its exit code and its one line. */
class ErrorsTest {
  @Command(name = "fail")
  static final class Fail implements Callable<Integer> {
    @Mixin private CommonOptions common;
    private final Throwable failure;

    Fail(Throwable failure) {
      this.failure = failure;
    }

    @Override
    public Integer call() throws Exception {
      common.progress().begin("working", 10, "steps");
      if (failure instanceof Error e) {
        throw e;
      }
      throw (Exception) failure;
    }
  }

  private static Run fail(Throwable failure, String... options) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    Terminal t = new Terminal(new PrintWriter(out), new PrintWriter(err), 0, false);
    CommandLine line = HydraHead.commandLine(t).addSubcommand(new Fail(failure));
    String[] args = new String[options.length + 1];
    args[0] = "fail";
    System.arraycopy(options, 0, args, 1, options.length);
    return new Run(HydraHead.run(line, t, args), out.toString(), err.toString());
  }

  @Test
  void badInputIsOneLineWithoutAStackTrace() {
    Run r = fail(new InputException("plan.json: layer 3 names head 99; the model has 0…15"));
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.out()).isEmpty();
    assertThat(r.err())
        .isEqualTo(
            "hydrahead: plan.json: layer 3 names head 99; the model has 0…15"
                + System.lineSeparator());
  }

  @Test
  void debugShowsTheStackTrace() {
    assertThat(fail(new InputException("x"), "--debug").err()).contains("\tat io.hydrahead.cli");
  }

  @Test
  void filesThatCannotBeUsedAreBadInput() {
    Run denied = fail(new UncheckedIOException(new AccessDeniedException("/out")));
    assertThat(denied.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(denied.err()).contains("/out: permission denied");
    Run full = fail(new FileSystemException("/out/a", null, "No space left on device"));
    assertThat(full.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(full.err()).contains("/out/a: No space left on device");
  }

  @Test
  void aFaultOfTheProgramSaysWhereTheDetailsAre() throws Exception {
    Run r = fail(new IllegalStateException("cache overrun"));
    assertThat(r.code()).isEqualTo(ExitCode.INTERNAL);
    assertThat(r.err()).contains("internal error", "cache overrun").doesNotContain("\tat ");
    Path log = Path.of(r.err().replaceAll("(?s).*details are in (\\S+\\.log).*", "$1"));
    assertThat(Files.readString(log)).contains("cache overrun", "\tat io.hydrahead.cli");
    Files.delete(log);
  }

  @Test
  void whatTheJvmCannotDoIsNoStackTraceEither() throws Exception {
    Run memory = fail(new OutOfMemoryError("Java heap space"));
    assertThat(memory.code()).isEqualTo(ExitCode.INTERNAL);
    assertThat(memory.err()).contains("out of memory: Java heap space", "-Xmx");
    Run gone = fail(new NoClassDefFoundError("io/hydrahead/Gone"));
    assertThat(gone.code()).isEqualTo(ExitCode.INTERNAL);
    assertThat(gone.err()).contains("internal error", "Gone").doesNotContain("\tat ");
    Files.delete(Path.of(gone.err().replaceAll("(?s).*details are in (\\S+\\.log).*", "$1")));
    assertThat(fail(new NoClassDefFoundError("x"), "--debug").err()).contains("\tat io.hydrahead");
  }

  @Test
  void interruptionHasItsOwnCode() {
    Run r = fail(new CancellationException("interrupted"));
    assertThat(r.code()).isEqualTo(ExitCode.INTERRUPTED);
    assertThat(r.err()).contains("interrupted");
  }

  @Test
  void unknownOptionsAndValuesAreBadInput() {
    assertThat(Run.of("doctor", "--no-such").code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(Run.of("doctor", "--threads", "x").code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(Run.of("doctor", "--threads", "0").code()).isEqualTo(ExitCode.BAD_INPUT);
    Run device = Run.of("doctor", "--device", "tpu");
    assertThat(device.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(device.err()).contains("cpu, cuda or cuda:N, not tpu", "--help");
  }
}
