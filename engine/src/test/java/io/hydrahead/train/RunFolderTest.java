package io.hydrahead.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunFolderTest {
  @TempDir Path dir;

  private String[] names() {
    return dir.toFile().list();
  }

  @Test
  void whatFailsBeforeItsFirstStateLeavesNothing() throws IOException {
    try (RunFolder run = RunFolder.begin(dir.resolve("m"), false, false)) {
      assertThat(run.holdsWork()).isFalse();
    }
    assertThat(names()).isEmpty();
    try (RunFolder run = RunFolder.begin(dir.resolve("m"), false, false)) {
      Files.writeString(run.work().resolve(TrainingRun.LOG), "{}");
      Files.writeString(run.work().resolve("tokenizer.json"), "{}");
    }
    assertThat(names()).isEmpty();
  }

  @Test
  void aFolderWithoutAStateCountsAsNone() throws IOException {
    Path work = Files.createDirectory(dir.resolve("m.run")); // as a kill leaves it
    Files.writeString(work.resolve(TrainingRun.LOG), "{}");
    RunFolder.requireReady(dir.resolve("m"), false, false);
    try (RunFolder run = RunFolder.begin(dir.resolve("m"), false, false)) {
      assertThat(run.work()).isEmptyDirectory();
    }
    assertThat(names()).isEmpty();
  }

  @Test
  void aStateStaysAndIsAskedFor() throws IOException {
    Path target = dir.resolve("m");
    try (RunFolder run = RunFolder.begin(target, false, false)) {
      Files.writeString(run.work().resolve("state-0-1.safetensors"), "state");
      assertThat(run.holdsWork()).isTrue();
    }
    assertThat(names()).containsExactly("m.run");
    for (boolean early : new boolean[] {true, false}) {
      assertThatThrownBy(
              () -> {
                if (early) {
                  RunFolder.requireReady(target, false, false);
                } else {
                  RunFolder.begin(target, false, false);
                }
              })
          .isInstanceOf(InputException.class)
          .hasMessageContaining("--resume");
    }
    RunFolder.begin(target, true, false).close();
    assertThat(names()).containsExactly("m.run");
    RunFolder.begin(target, false, true).close(); // --force forgets it
    assertThat(names()).isEmpty();
    assertThatThrownBy(() -> RunFolder.requireReady(target, true, false))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("no unfinished run");
  }
}
