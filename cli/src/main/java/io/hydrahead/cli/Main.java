package io.hydrahead.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Entry point of the process: streams in UTF-8, signals, exit code. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    DataStream data =
        new DataStream(new FileOutputStream(FileDescriptor.out), Path.of("/proc/self/fd/1"));
    PrintWriter out = writer(data);
    PrintWriter err = writer(new FileOutputStream(stderr()));
    Interrupts.install(err);
    int code = HydraHead.run(Terminal.ofProcess(out, err), args);
    out.flush();
    code = withData(code, data.lost(), err);
    err.flush();
    System.exit(code);
  }

  /** The exit code of a command that ended with {@code code} and {@code lost} data. */
  static int withData(int code, String lost, PrintWriter err) {
    if (lost.isEmpty()) {
      return code;
    }
    err.println("hydrahead: stdout cannot be written: " + lost + "; not all data has arrived");
    return code == ExitCode.OK || code == ExitCode.CHECK_FAILED ? ExitCode.BAD_INPUT : code;
  }

  /**
   * Where the launcher says that the real stderr is: it gives the JVM's own to a filter. Java has
   * no public way to take a descriptor by its number; where the field is closed, the filter passes
   * on what comes.
   */
  private static FileDescriptor stderr() {
    int number = Integer.getInteger("hydrahead.stderr", 2);
    if (number == 2) {
      return FileDescriptor.err;
    }
    try {
      FileDescriptor real = new FileDescriptor();
      Field field = FileDescriptor.class.getDeclaredField("fd");
      field.setAccessible(true);
      field.setInt(real, number);
      System.setErr(new PrintStream(new FileOutputStream(real), true, StandardCharsets.UTF_8));
      return real;
    } catch (ReflectiveOperationException | RuntimeException e) {
      return FileDescriptor.err;
    }
  }

  private static PrintWriter writer(OutputStream stream) {
    return new PrintWriter(new OutputStreamWriter(stream, StandardCharsets.UTF_8), false);
  }
}
