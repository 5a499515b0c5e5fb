package io.hydrahead.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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
        .contains("--device cuda:99: ", "; or leave --device out, or give --device cpu")
        .doesNotContain("--help");
    assertThat(temp.resolve("out")).doesNotExist();
  }

  @Test
  void namesAreChecked() throws java.io.IOException {
    assertThat(logits("--device", "cuda:x").err()).contains("cpu, cuda or cuda:N");
    assertThat(logits("--device", "").err()).contains("cpu, cuda or cuda:N, not empty");
    assertThat(logits("--device", "CPU").code()).isZero();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "cuda:0,cuda:0; names cuda:0 twice",
        "cuda,cuda:1,CUDA:0; names cuda:0 twice",
        "cpu,cuda:0; a list is of GPUs, such as cuda:0,cuda:2, not of 'cpu'",
        "cuda:0,cpu; not of 'cpu'",
        "cuda:1,cuda:all; not of 'cuda:all'",
        "cuda:0,1; not of '1'",
        "cuda:0,; not of ''",
        "','; not of ''",
        "all; not all; for study also a list, such as cuda:0,cuda:2, or cuda:all"
      })
  void listsAreChecked(String device, String message) {
    assertThatThrownBy(() -> DeviceChoice.parse(device))
        .isInstanceOf(InputException.class)
        .hasMessageContainingAll(message, "--device");
  }

  @Test
  void aListHasItsDevicesInOrderAndOneIsNoList() {
    DeviceChoice two = DeviceChoice.parse("cuda:2,CUDA:0");
    assertThat(two.count()).isEqualTo(2);
    assertThatThrownBy(two::requireOne).hasMessageContaining("--device cuda:2,cuda:0: ");
    for (String one : new String[] {"cpu", "cuda", "cuda:3", null}) {
      DeviceChoice choice = DeviceChoice.parse(one);
      assertThat(choice.count()).isEqualTo(1);
      assertThatCode(choice::requireOne).doesNotThrowAnyException();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"cuda:0,cuda:2", "cuda:all"})
  void onlyAStudyTakesSeveralDevices(String device) throws java.io.IOException {
    Run r = logits("--device", device);
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err())
        .contains("--device " + device, "computes on one device: cpu, cuda or cuda:N", "study");
    assertThat(temp.resolve("out")).doesNotExist();
    Run idle = Run.of("info", Run.tiny(), "--device", device);
    assertThat(idle.code()).as(idle.err()).isZero();
  }

  @Test
  void aStudyBeginsOnlyIfItsDevicesOpen() {
    Path folder = temp.resolve("study");
    Path recipe = Run.home().resolve("recipes/study.json");
    Run r = Run.of("study", "--recipe", recipe, "-o", folder, "--device", "cuda:99,cuda:98");
    assertThat(r.code()).isEqualTo(ExitCode.BAD_INPUT);
    assertThat(r.err())
        .startsWith("hydrahead: --device cuda:99,cuda:98: ")
        .containsAnyOf("no libcuda", "no cuda:99", "the driver", "no libnvrtc");
    assertThat(folder).doesNotExist();
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
