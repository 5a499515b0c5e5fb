package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class DataStreamTest {
  private static final Path NONE = Path.of("none");
  private final StringWriter err = new StringWriter();

  private static DataStream failing(String message) {
    OutputStream full =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException(message);
          }
        };
    return new DataStream(full, NONE);
  }

  /** The exit code of a command that wrote to {@code stream} and ended with {@code code}. */
  private int end(DataStream stream, int code) {
    try (PrintWriter out = new PrintWriter(stream)) {
      out.println("data");
    }
    return Main.withData(code, stream.lost(), new PrintWriter(err, true));
  }

  @Test
  void lostDataIsAnError() {
    assertThat(end(failing("No space left on device"), ExitCode.OK)).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(err.toString()).contains("hydrahead: stdout cannot be written: No space left");
    assertThat(end(failing("x"), ExitCode.CHECK_FAILED)).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(end(failing("x"), ExitCode.INTERNAL)).isEqualTo(ExitCode.INTERNAL);
    assertThat(end(failing("x"), ExitCode.INTERRUPTED)).isEqualTo(ExitCode.INTERRUPTED);
  }

  @Test
  void aReaderThatWantsNoMoreIsNone() {
    assertThat(end(failing("Broken pipe"), ExitCode.OK)).isZero();
    assertThat(end(new DataStream(OutputStream.nullOutputStream(), NONE), ExitCode.OK)).isZero();
    assertThat(err.toString()).isEmpty();
  }
}
