package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.hydrahead.json.Json;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelFilesTest {
  /** Stored in float32. */
  private static final Path TINY = Path.of("src/test/resources/golden/qwen3-tiny");

  private static HybridTransformer load(Ops ops, ModelFiles.LoadOptions options) {
    return HybridTransformer.load(TINY, ops, options);
  }

  @Test
  void matricesLieInMemoryAsAskedFor() {
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer exact = load(ops, ModelFiles.LoadOptions.STORED);
        HybridTransformer rounded = load(ops, ModelFiles.LoadOptions.BFLOAT16)) {
      int changed = 0;
      for (String name : exact.parameters().names()) {
        Tensor a = exact.parameters().get(name);
        Tensor b = rounded.parameters().get(name);
        boolean matrix = ParameterLayout.isMatrix(name, a.shape());
        assertThat(a.dtype()).as(name).isEqualTo(DType.F32);
        assertThat(b.dtype()).as(name).isEqualTo(matrix ? DType.BF16 : DType.F32);
        for (long i = 0; i < a.size(); i++) {
          float v = a.get(i);
          assertThat(b.get(i)).isCloseTo(v, within(Math.abs(v) / 256));
          changed += b.get(i) == v ? 0 : 1;
        }
      }
      assertThat(changed).as("rounded at all").isPositive();
      int[] ids = {1, 2, 3, 4};
      try (Session s = exact.newSession(4);
          Session t = rounded.newSession(4)) {
        assertThat(GoldenCheck.relativeL2(t.prefill(ids), s.prefill(ids))).isBetween(1e-6, 0.05);
      }
    }
  }

  /**
   * Real checkpoints have 131072 there beside a context of 40960: that stays, as does no number.
   */
  @Test
  void aTokenizersLengthIsRaisedToTheModelsContext(@TempDir Path temporary) throws Exception {
    Path companions = Files.createDirectory(temporary.resolve("companions"));
    Path config = companions.resolve("tokenizer_config.json");
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer model = load(ops, ModelFiles.LoadOptions.STORED)) {
      int context = model.config().maxPositionEmbeddings();
      String[][] cases = { // before, after
        {"3", Integer.toString(context)},
        {Integer.toString(context), Integer.toString(context)},
        {"131072000", "131072000"},
        {"1e30", "1e30"},
        {"null", "null"},
      };
      for (int i = 0; i < cases.length; i++) {
        Files.writeString(config, "{\"a\":1,\"model_max_length\":" + cases[i][0] + "}");
        Path out = temporary.resolve("out" + i);
        model.save(out, new ModelFiles.SaveOptions(DType.F32, false, companions, Map.of()));
        assertThat(Json.read(out.resolve("tokenizer_config.json")))
            .isEqualTo(Json.parse("{\"a\":1,\"model_max_length\":" + cases[i][1] + "}", "case"));
      }
    }
  }
}
