package io.hydrahead.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;

/** Entry point of the process: streams in UTF-8, signals, exit code. */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    PrintWriter out = writer(FileDescriptor.out);
    PrintWriter err = writer(stderr());
    Interrupts.install(err);
    int code = HydraHead.run(Terminal.ofProcess(out, err), args);
    out.flush();
    err.flush();
    System.exit(code);
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

  private static PrintWriter writer(FileDescriptor fd) {
    return new PrintWriter(
        new OutputStreamWriter(new FileOutputStream(fd), StandardCharsets.UTF_8), false);
  }
}
