package io.hydrahead.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Random damage to the files of a folder: it opens, or is refused in one line; nothing else. */
class DamagedCheckpointTest {
  private static final long SEED = 31;
  private final Random random = new Random(SEED);

  @TempDir Path dir;

  @BeforeEach
  void folder() throws IOException {
    Map<String, Tensor> t = new LinkedHashMap<>();
    for (int i = 0; i < 4; i++) {
      t.put("w" + i, Tensor.of(new float[] {i, 2, 3, 4}, 2, 2));
    }
    SafetensorsWriter.of(t).writeFolder(dir, 32);
    Files.writeString(dir.resolve("config.json"), "{\"model_type\": \"qwen3\", \"n\": [1, 2.5]}");
  }

  @Test
  void shard() throws IOException {
    damage("model-00001-of-00002.safetensors", 400);
  }

  @Test
  void index() throws IOException {
    damage(Checkpoint.INDEX, 400);
  }

  @Test
  void config() throws IOException {
    damage("config.json", 200);
  }

  private void damage(String name, int times) throws IOException {
    Path file = dir.resolve(name);
    byte[] good = Files.readAllBytes(file);
    int refused = 0;
    for (int i = 0; i < times; i++) {
      byte[] bad = damaged(good, i);
      Files.write(file, bad);
      try (Checkpoint c = Checkpoint.open(dir)) {
        for (String tensor : c.names()) {
          c.get(tensor).toFloats();
        }
      } catch (InputException e) {
        refused++;
        assertThat(e.getMessage()).as("seed %d, %s, round %d", SEED, name, i).hasLineCount(1);
      }
    }
    assertThat(refused).isGreaterThan(times / 4);
  }

  private byte[] damaged(byte[] good, int round) {
    byte[] bad = good.clone();
    switch (round % 4) {
      case 0 -> bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
      case 1 -> bad[random.nextInt(bad.length)] = (byte) random.nextInt(256);
      case 2 -> bad = Arrays.copyOf(bad, random.nextInt(bad.length + 20));
      default -> {
        int from = random.nextInt(bad.length);
        int to = random.nextInt(bad.length);
        System.arraycopy(good, from, bad, to, Math.min(10, bad.length - Math.max(from, to)));
      }
    }
    return bad;
  }
}
