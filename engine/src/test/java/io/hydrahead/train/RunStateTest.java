package io.hydrahead.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.ops.Environment;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunStateTest {
  @TempDir Path folder;

  private static RunState.Position at(long step) {
    return new RunState.Position(
        "abc", 1, step, step * 4, step, step * 64, 99, new Environment("b", "k", 2, "m"), true);
  }

  private static SequencedMap<String, Tensor> tensors(float value) {
    SequencedMap<String, Tensor> out = new LinkedHashMap<>();
    out.put("a/param.w", Tensor.of(new float[] {value, -0f, Float.MIN_VALUE}, 3));
    out.put("a/m.w", Tensor.of(new float[] {1, 2, 3, 4, 5, value}, 2, 3));
    return out;
  }

  @Test
  void comesBackBitByBit() throws IOException {
    RunState.save(folder, at(7), tensors(0.1f));
    SequencedMap<String, Tensor> into = tensors(0);
    RunState state = RunState.latest(folder, s -> {}).orElseThrow();
    state.restore(into);
    assertThat(state.position()).isEqualTo(at(7));
    tensors(0.1f)
        .forEach((name, t) -> assertThat(bits(into.get(name))).as(name).isEqualTo(bits(t)));
  }

  private static int[] bits(Tensor t) {
    int[] out = new int[(int) t.size()];
    Arrays.setAll(out, i -> Float.floatToRawIntBits(t.get(i)));
    return out;
  }

  @Test
  void keepsTheLastTwo() throws IOException {
    for (long step = 8; step <= 11; step++) {
      RunState.save(folder, at(step), tensors(step));
    }
    assertThat(list())
        .containsExactly("state-01-000000010.safetensors", "state-01-000000011.safetensors");
  }

  private List<String> list() throws IOException {
    try (var files = Files.list(folder)) {
      return files.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void skipsADamagedStateAndSaysSo() throws IOException {
    RunState.save(folder, at(1), tensors(1));
    Path second = RunState.save(folder, at(2), tensors(2));
    byte[] whole = Files.readAllBytes(second);
    for (int i : new int[] {0, 9, 40, whole.length / 2, whole.length - 1}) {
      byte[] flipped = whole.clone();
      flipped[i] ^= 4;
      Files.write(second, flipped);
      assertFirst();
    }
    for (int length : new int[] {0, 7, 20, whole.length - 1}) {
      Files.write(second, Arrays.copyOf(whole, length));
      assertFirst();
    }
    Files.write(second, whole);
    assertThat(RunState.latest(folder, s -> {}).orElseThrow().position()).isEqualTo(at(2));
  }

  private void assertFirst() throws IOException {
    List<String> notes = new ArrayList<>();
    RunState found = RunState.latest(folder, notes::add).orElseThrow();
    assertThat(found.position()).isEqualTo(at(1));
    assertThat(notes).hasSize(1).first().asString().contains("state-01-000000002.safetensors");
  }

  @Test
  void refusesOtherTensors() throws IOException {
    RunState.save(folder, at(1), tensors(1));
    RunState state = RunState.latest(folder, s -> {}).orElseThrow();
    SequencedMap<String, Tensor> fewer = tensors(0);
    fewer.remove("a/m.w");
    assertThatThrownBy(() -> state.restore(fewer)).isInstanceOf(InputException.class);
    SequencedMap<String, Tensor> other = tensors(0);
    other.put("a/m.w", Tensor.of(new float[6], 3, 2));
    assertThatThrownBy(() -> state.restore(other))
        .isInstanceOf(InputException.class)
        .hasMessageContaining("a/m.w");
  }

  @Test
  void saysWhatDiffersBetweenEnvironments() {
    Environment a = new Environment("b", "k", 2, "m");
    assertThat(a.differences(new Environment("b", "k", 2, "m"))).isEmpty();
    assertThat(a.differences(new Environment("c", "k", 4, "m")))
        .hasSize(2)
        .anyMatch(s -> s.contains("threads"))
        .anyMatch(s -> s.contains("build"));
  }
}
