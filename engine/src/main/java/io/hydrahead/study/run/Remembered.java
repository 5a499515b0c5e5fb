package io.hydrahead.study.run;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * What files say, each read when it is first asked for and again when it was written since.
 *
 * @param <T> what is kept of a file
 */
final class Remembered<T> {
  private final Function<Path, T> reader;
  private final Map<Path, Content<T>> contents = new ConcurrentHashMap<>();

  /**
   * Tells a file from what was there before under its name.
   *
   * @param key of the file itself, which a file that replaces it does not share; null where the
   *     system has none
   */
  private record State(FileTime modified, long size, Object key) {
    static State of(Path file) {
      try {
        BasicFileAttributes a = Files.readAttributes(file, BasicFileAttributes.class);
        return new State(a.lastModifiedTime(), a.size(), a.fileKey());
      } catch (IOException e) {
        throw new UncheckedIOException(file + ": cannot be read", e);
      }
    }
  }

  /** What a file said in a state. */
  private record Content<T>(State state, T value) {}

  Remembered(Function<Path, T> reader) {
    this.reader = reader;
  }

  /** What {@code file}, which must be there, says now. */
  T of(Path file) {
    State now = State.of(file); // before it is read: a file replaced meanwhile is read again
    Content<T> last = contents.get(file);
    if (last == null || !last.state.equals(now)) {
      last = new Content<>(now, reader.apply(file));
      contents.put(file, last);
    }
    return last.value;
  }
}
