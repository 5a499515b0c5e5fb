package io.hydrahead.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * The way of the data out of the process. Writers keep it to themselves when a write fails; this
 * remembers it, so that no command ends well whose data did not arrive.
 */
final class DataStream extends OutputStream {
  private final OutputStream out;
  private final Path descriptor;
  private volatile IOException failure;

  /**
   * @param descriptor link to what {@code out} writes to, on systems that have one
   */
  DataStream(OutputStream out, Path descriptor) {
    this.out = out;
    this.descriptor = descriptor;
  }

  /** A step of writing. */
  private interface Step {
    void run() throws IOException;
  }

  private void tried(Step step) throws IOException {
    try {
      step.run();
    } catch (IOException e) {
      if (failure == null) {
        failure = e;
      }
      throw e;
    }
  }

  @Override
  public void write(int b) throws IOException {
    tried(() -> out.write(b));
  }

  @Override
  public void write(byte[] bytes, int from, int count) throws IOException {
    tried(() -> out.write(bytes, from, count));
  }

  @Override
  public void flush() throws IOException {
    tried(out::flush);
  }

  /** Why data was lost, or an empty text: it all arrived, or the reader wanted no more of it. */
  String lost() {
    if (failure == null || readerLeft()) {
      return "";
    }
    String reason = failure.getMessage();
    return reason == null ? failure.getClass().getSimpleName() : reason;
  }

  /** As in {@code | head -1}; systems word it in the user's language, most with the word pipe. */
  private boolean readerLeft() {
    return String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT).contains("pipe")
        || isPipe();
  }

  private boolean isPipe() {
    try {
      String target = Files.readSymbolicLink(descriptor).toString();
      return target.startsWith("pipe:") || target.startsWith("socket:");
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }
}
