package io.hydrahead.cli;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.tensor.InputException;
import io.hydrahead.train.RunFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Looks at what a command is to write before it computes anything. */
final class Outputs {
  private Outputs() {}

  /**
   * @param option that names the file
   * @param inputs what the command reads; absent ones are null
   * @throws InputException if it is one of the inputs or holds one, exists, unless {@code --force}
   *     is given, cannot be written, or would be in a folder that is not there
   */
  static void requireFree(CommonOptions common, Path file, String option, Path... inputs) {
    keepInputs(file, option, inputs);
    AtomicFile.requireReady(file, common.force(), option);
    requireParent(file, option);
  }

  /**
   * Of the folder that {@code -o} names.
   *
   * @param inputs what the command reads; absent ones are null
   * @throws InputException as above, and if another run is writing it
   */
  static void requireFreeFolder(CommonOptions common, Path folder, Path... inputs) {
    keepInputs(folder, "-o", inputs);
    OutputFolder.requireReady(folder, common.force());
    requireParent(folder, "-o");
  }

  /**
   * Of the folder that {@code -o} names.
   *
   * @param inputs what the command reads; absent ones are null
   * @throws InputException as above, and if an unfinished run is there and is not to be resumed, or
   *     the other way round
   */
  static void requireReadyRun(CommonOptions common, Path folder, boolean resume, Path... inputs) {
    keepInputs(folder, "-o", inputs);
    RunFolder.requireReady(folder, resume, common.force());
    requireParent(folder, "-o");
  }

  /**
   * Refuses stdout, and an output that is one of the command's inputs, or holds one: with {@code
   * --force} it would be lost.
   */
  static void keepInputs(Path output, String option, Path... inputs) {
    if (output.toString().equals("-")) {
      throw new InputException(option + " -: this goes to a file, not to stdout; name one");
    }
    Path target = real(output);
    for (Path input : inputs) {
      if (input != null && real(input).startsWith(target)) {
        throw new InputException(
            output
                + ": is what this command reads ("
                + input
                + ") and would be overwritten; choose another "
                + option);
      }
    }
  }

  private static Path real(Path p) {
    try {
      return p.toRealPath();
    } catch (IOException notThere) {
      return p.toAbsolutePath().normalize();
    }
  }

  /**
   * Refuses an output in a folder that is not there: it is mostly a slip, and nobody would look for
   * what was written in a folder made of it.
   *
   * @param option that names the output
   */
  static void requireParent(Path output, String option) {
    Path parent = output.toAbsolutePath().normalize().getParent();
    if (parent != null && !Files.exists(parent)) {
      throw new InputException(
          "%s: there is no folder %s to put it into; make it, or choose another %s"
              .formatted(output, parent, option));
    }
  }
}
