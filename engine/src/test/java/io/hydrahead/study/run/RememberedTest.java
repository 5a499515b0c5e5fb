package io.hydrahead.study.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.checkpoint.AtomicFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RememberedTest {
  @TempDir Path folder;
  private final List<String> read = new ArrayList<>();

  private String read(Path file) {
    try {
      read.add(Files.readString(file));
      return read.getLast();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aFileIsReadOnceForEveryTimeThatItIsWritten() throws IOException {
    Remembered<String> files = new Remembered<>(this::read);
    Path a = folder.resolve("a");
    Path b = folder.resolve("b");
    Files.writeString(a, "1");
    Files.writeString(b, "2");
    assertThat(List.of(files.of(a), files.of(b), files.of(a))).containsExactly("1", "2", "1");
    FileTime before = Files.getLastModifiedTime(a);
    AtomicFile.write(a, "3");
    Files.setLastModifiedTime(a, before);
    assertThat(List.of(files.of(a), files.of(a))).containsExactly("3", "3");
    Files.writeString(b, "4");
    Files.setLastModifiedTime(b, FileTime.fromMillis(0));
    assertThat(List.of(files.of(b), files.of(b))).containsExactly("4", "4");
    assertThat(read).containsExactly("1", "2", "3", "4");
  }

  @Test
  void aFileThatIsGoneIsNotRemembered() throws IOException {
    Remembered<String> files = new Remembered<>(this::read);
    Path a = Files.writeString(folder.resolve("a"), "1");
    assertThat(files.of(a)).isEqualTo("1");
    Files.delete(a);
    assertThatThrownBy(() -> files.of(a))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("cannot be read");
  }
}
