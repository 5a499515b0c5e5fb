package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.json.Json;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** The 24M teacher against transformers; skipped where it does not lie beside the project. */
class TeacherGoldenTest {
  private static final Path SHARED = Path.of("../../shared");
  private static Ops ops;
  private static HybridTransformer model;

  @BeforeAll
  static void load() {
    Path folder = SHARED.resolve("teacher-24m");
    assumeTrue(Files.isDirectory(folder), folder + " is not there");
    ops = OpsFactory.cpu(OpsOptions.defaults());
    model = HybridTransformer.load(folder, ops, ModelFiles.LoadOptions.STORED);
  }

  @AfterAll
  static void close() {
    if (model != null) {
      model.close();
      ops.close();
    }
  }

  @Test
  void logitsMatch() {
    try (SafetensorsFile golden =
        SafetensorsFile.open(SHARED.resolve("reference/teacher-24m/golden.safetensors"))) {
      assertThat(GoldenCheck.run(model, golden.tensors().keySet(), golden::get))
          .hasSize(3)
          .allMatch(d -> d.within(1e-3));
    }
  }

  @Test
  void greedyContinuationsAreEqual() {
    JsonNode prompts =
        Json.read(SHARED.resolve("reference/teacher-24m/golden.json")).get("prompts");
    assertThat(prompts.size()).isPositive();
    for (JsonNode p : prompts) {
      Sampler greedy = new Sampler(Sampler.Settings.GREEDY);
      int[] want = ids(p.get("greedy_ids"));
      int[] got = new int[want.length];
      try (Session s = model.newSession(4096)) {
        var logits = s.prefill(ids(p.get("ids")));
        for (int i = 0; i < got.length; i++) {
          got[i] = greedy.next(logits);
          logits = s.decode(got[i]);
        }
      }
      assertThat(got).containsExactly(want);
    }
  }

  private static int[] ids(JsonNode list) {
    int[] out = new int[list.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = list.get(i).asInt();
    }
    return out;
  }
}
