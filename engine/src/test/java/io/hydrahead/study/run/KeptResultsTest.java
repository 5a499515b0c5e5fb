package io.hydrahead.study.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.Repository;
import io.hydrahead.json.Json;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.tensor.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Studies that go on from results whose models are gone. */
class KeptResultsTest {
  @TempDir Path root;
  private StudyFolder folder;
  private StudyRecipe recipe;

  @BeforeEach
  void keepResults() throws IOException {
    Path home = Repository.root();
    recipe = StudyRecipe.read(home.resolve("recipes/study.json"));
    folder = new StudyFolder(root);
    Files.createDirectories(folder.results());
    Files.copy(
        home.resolve("results/study/raw/study.json"), folder.results().resolve("study.json"));
    record("head-7-1");
    record("log-scale");
  }

  private void record(String arm) throws IOException {
    Path file = folder.armFile(arm, 0);
    Files.createDirectories(file.getParent());
    Files.writeString(file, Json.object().put("checkpoint_hash", "0").toString());
  }

  private List<StudyRun.Planned> missing(StudyRun.Part part) {
    Machine none =
        type -> {
          throw new AssertionError("no device is needed to list");
        };
    Surroundings around =
        new Surroundings(List.of(none), Progress.SILENT, s -> {}, Map.of(), "", "", 1, 1);
    return new StudyRun(recipe, folder, around).list(part).stream().filter(u -> !u.done()).toList();
  }

  @Test
  void armsThatEvaluationsStillReadAreTrainedAgain() {
    Set<String> arms = Set.of("log-scale");
    StudyRun.Part all = new StudyRun.Part(StudyRun.Part.ALL.stages(), arms, Set.of(0));
    assertThat(missing(all))
        .extracting(StudyRun.Planned::unit)
        .contains(
            "teacher seed 0",
            "train head-7-1 seed 0",
            "train log-scale seed 0",
            "evaluate log-scale seed 0 on ablation");
  }

  @Test
  void modelsThatAreThereAreNot() throws IOException {
    Files.createDirectories(folder.model("head-7-1", 0));
    StudyRun.Part train =
        new StudyRun.Part(Set.of(StudyStage.TRAIN), Set.of("log-scale"), Set.of(0));
    assertThat(missing(train)).isEmpty();
  }

  @Test
  void armsOfAnotherTransformerAreTrainedAgain() throws IOException {
    Path teacher = folder.teacher(0);
    Files.createDirectories(teacher);
    Files.writeString(teacher.resolve("config.json"), "{}");
    Files.writeString(teacher.resolve("model.safetensors"), "weights");
    Files.createDirectories(folder.model("head-7-1", 0));
    StudyRun.Part train =
        new StudyRun.Part(Set.of(StudyStage.TRAIN), Set.of("head-7-1"), Set.of(0));
    assertThat(missing(train)).isEmpty(); // of older results nobody knows
    Path facts = folder.armFile("head-7-1", 0);
    Files.writeString(facts, Json.object().put("teacher_hash", "0").toString());
    assertThat(missing(train))
        .extracting(StudyRun.Planned::unit)
        .containsExactly("train head-7-1 seed 0");
  }

  @Test
  void ratesComeFromTheKeptTrials() {
    StudyRun.Part other = new StudyRun.Part(StudyRun.Part.ALL.stages(), Set.of(), Set.of(1));
    assertThat(missing(other))
        .extracting(StudyRun.Planned::unit)
        .contains("teacher seed 1", "evaluate head-7-1 seed 1 on short")
        .noneMatch(u -> u.contains("seed 0") || u.startsWith("rate of"));
  }
}
