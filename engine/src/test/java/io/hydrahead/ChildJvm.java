package io.hydrahead;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A program of the tests in a process of its own. */
public final class ChildJvm {
  private ChildJvm() {}

  /** To start {@code program} with the tests' classes, under these flags of the JVM. */
  public static ProcessBuilder of(List<String> flags, Class<?> program, Object... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(flags);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), program.getName()));
    for (Object a : arguments) {
      command.add(a.toString());
    }
    return new ProcessBuilder(command);
  }
}
