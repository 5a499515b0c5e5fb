package io.hydrahead.study.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.Repository;
import io.hydrahead.json.Json;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

/** A study on two devices, both this processor, each with a number of threads of its own. */
class SeveralDevicesTest {
  private static final int SEEDS = 6;

  @TempDir Path temporary;

  private StudyRecipe recipe() throws IOException {
    Path root = Repository.root();
    Files.writeString(
        temporary.resolve("teacher.json"),
        """
        {"name": "teacher", "arm": {"label": "T", "group": "control", "teacher": true}}
        """);
    Files.writeString(
        temporary.resolve("student.json"),
        """
        {"name": "student", "data": {"text": [{"generated": true}], "plain": 1},
         "evaluation_rows": 2, "save_every": 7,
         "schedule": {"kind": "constant", "lr": 1e-3, "warmup_steps": 1},
         "stages": [{"name": "align", "objective": "align", "tokens": 2560, "context": 64,
                     "rows": 2}],
         "arm": {"label": "S", "group": "head", "ratio": "7:1"}}
        """);
    Path file = temporary.resolve("study.json");
    Files.writeString(
        file,
        """
        {"name": "mini", "teacher": "%s", "seeds": %s, "probe": {"length": 256},
         "arms": ["teacher.json", "student.json"], "rounds": [{"arms": ["teacher"]}]}
        """
            .formatted(
                root.resolve("models/tiny-teacher"), IntStream.range(0, SEEDS).boxed().toList()));
    return StudyRecipe.read(file);
  }

  /** Whoever opens a device waits until the other one is opened, too: both are in use. */
  private static Ops open(int device, List<CountDownLatch> opened) {
    opened.get(device).countDown();
    try {
      for (CountDownLatch o : opened) {
        assertThat(o.await(20, TimeUnit.SECONDS)).as("both devices are opened").isTrue();
      }
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
    return OpsFactory.cpu(new OpsOptions(device + 1, "java", false));
  }

  /** Worker 1 has the first device, worker 2 the second, worker 3 the first again. */
  @Test
  void workersComputeOnTheirDevices() throws IOException {
    List<CountDownLatch> opened = List.of(new CountDownLatch(1), new CountDownLatch(1));
    List<Machine> machines =
        IntStream.range(0, 2).<Machine>mapToObj(i -> _ -> open(i, opened)).toList();
    List<String> said = Collections.synchronizedList(new ArrayList<>());
    StudyFolder folder = new StudyFolder(temporary.resolve("out"));
    StudyRun.Outcome outcome =
        new StudyRun(
                recipe(),
                folder,
                new Surroundings(
                    machines, Progress.SILENT, said::add, Map.of(), "commit", "command", 1, 2))
            .run(new StudyRun.Part(Set.of(StudyStage.TRAIN), Set.of(), Set.of()));
    assertThat(outcome.failures()).isEmpty();
    assertThat(outcome.done()).isEqualTo(SEEDS);
    Set<Integer> used = new HashSet<>();
    for (int seed = 0; seed < SEEDS; seed++) {
      JsonNode arm = Json.read(folder.armFile("teacher", seed));
      int device = (maker(said, "train teacher seed " + seed) - 1) % 2;
      used.add(device);
      assertThat(arm.path("device").asString()).startsWith("cpu: " + (device + 1) + " threads");
      assertThat(arm.path("workers").intValue()).as("that share a device").isEqualTo(2);
    }
    assertThat(used).containsExactly(0, 1);
  }

  /** The number of the worker that said that it begins a unit. */
  private static int maker(List<String> said, String unit) {
    Pattern line = Pattern.compile("worker (\\d+): \\[.*] " + unit);
    return said.stream()
        .map(line::matcher)
        .filter(Matcher::matches)
        .mapToInt(m -> Integer.parseInt(m.group(1)))
        .findFirst()
        .orElseThrow();
  }
}
