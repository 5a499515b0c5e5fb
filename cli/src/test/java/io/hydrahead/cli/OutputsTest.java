package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Outputs never take the place of inputs. */
class OutputsTest {
  @TempDir private Path dir;

  @Test
  void inputsAreKept() throws IOException {
    Path model = Files.createDirectory(dir.resolve("model"));
    Path plan = Files.createFile(dir.resolve("plan.json"));
    Path link = Files.createSymbolicLink(dir.resolve("link"), model);
    for (Path output : new Path[] {model, plan, link, dir, dir.resolve("x/../model")}) {
      assertThatThrownBy(() -> Outputs.keepInputs(output, "-o", model, plan, null))
          .as("%s", output)
          .isInstanceOf(InputException.class)
          .hasMessageContaining("would be overwritten")
          .hasMessageContaining("-o");
    }
    for (String output : new String[] {"model/heads.json", "model2", "plan.json.new", "other"}) {
      assertThatCode(() -> Outputs.keepInputs(dir.resolve(output), "-o", model, plan, null))
          .doesNotThrowAnyException();
    }
  }
}
