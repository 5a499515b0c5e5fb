package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeviceTest {
  @TempDir Path temp;

  private Run logits(Object... more) throws java.io.IOException {
    Path ids = temp.resolve("ids.json");
    Files.writeString(ids, "[1, 2, 3]");
    Object[] words = new Object[6 + more.length];
    System.arraycopy(
        new Object[] {"logits", Run.tiny(), "--ids", ids, "-o", temp.resolve("out")},
        0,
        words,
        0,
        6);
    System.arraycopy(more, 0, words, 6, more.length);
    return Run.of(words);
  }

  /** No machine has a hundred GPUs; most have none. */
  @Test
  void aNamedDeviceThatFailsEndsTheCommandBeforeAnyFileIsTouched() throws java.io.IOException {
    Run r = logits("--device", "cuda:99");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.out()).isEmpty();
    assertThat(r.err())
        .containsAnyOf("no libcuda", "no cuda:99", "the driver", "no libnvrtc")
        .doesNotContain("--help");
    assertThat(temp.resolve("out")).doesNotExist();
  }

  @Test
  void namesAreChecked() throws java.io.IOException {
    assertThat(logits("--device", "cuda:x").err()).contains("cpu, cuda or cuda:N");
    assertThat(logits("--device", "CPU").code()).isZero();
  }

  @Test
  void anUnnamedDeviceIsSaidWithTheReason() throws java.io.IOException {
    Run r = logits();
    assertThat(r.code()).as(r.err()).isZero();
    assertThat(r.err()).containsAnyOf("hydrahead: on the CPU: ", "hydrahead: on cuda:0");
    assertThat(Files.exists(temp.resolve("out"))).isTrue();
    assertThat(logits("--force", "--device", "cpu").err()).doesNotContain("on the CPU");
    assertThat(logits("--force", "-q").err()).isEmpty();
    assertThat(logits("--force", "--blas", "java").err()).contains("since --blas was given");
  }

  @Test
  void doctorLooksAtEveryDevice() {
    Run r = Run.of("doctor", "--device", "cuda:99");
    assertThat(r.code()).isZero();
    assertThat(r.err()).contains("--device has no effect on doctor");
    assertThat(r.out()).contains("libcuda", "libnvrtc", "libcublasLt", "kernel cache");
  }
}
