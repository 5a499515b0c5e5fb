package io.hydrahead.train;

import io.hydrahead.json.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/**
 * The training log: one JSON object a line, each with a {@code kind} ({@code step}, {@code
 * evaluation}, {@code note}). A resumed run cuts off what was written after its state.
 */
public final class TrainingLog implements AutoCloseable {
  private final FileChannel channel;

  private TrainingLog(FileChannel channel) {
    this.channel = channel;
  }

  /** Opens {@code file} and keeps its first {@code bytes} bytes. */
  public static TrainingLog open(Path file, long bytes) throws IOException {
    FileChannel c = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    c.truncate(bytes);
    c.position(c.size());
    return new TrainingLog(c);
  }

  public void write(Map<String, ?> line) {
    byte[] text = (Json.of(line) + "\n").getBytes(StandardCharsets.UTF_8);
    try {
      ByteBuffer bytes = ByteBuffer.wrap(text);
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("the training log cannot be written", e);
    }
  }

  /** Forces the log to disk and returns its length. */
  public long sync() throws IOException {
    channel.force(false);
    return channel.size();
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
