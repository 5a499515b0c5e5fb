package io.hydrahead.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * A small Qwen3.5 against transformers: hidden states, logits, loss, all gradients, and decoding
 * from the cache; skipped where the golden files do not lie beside the project.
 */
class Qwen35GoldenTest {
  static final Path FOLDER = Path.of("../../shared/reference/qwen3_5-tiny");

  @Test
  void everythingMatches() {
    assumeTrue(Files.isDirectory(FOLDER), FOLDER + " is not there");
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer model =
            HybridTransformer.load(FOLDER, ops, ModelFiles.LoadOptions.FLOAT32);
        SafetensorsFile golden = SafetensorsFile.open(FOLDER.resolve("golden.safetensors"))) {
      List<GoldenCheck.Deviation> found =
          GoldenCheck.run(model, golden.tensors().keySet(), golden::get);
      assertThat(found).hasSize(golden.tensors().size() - 1).allMatch(d -> d.within(1e-4));
    }
  }

  /**
   * Rounding nothing but this model's random weights moves its gradients by tens of percent: what a
   * GPU makes of it in bf16 is to be held against that.
   */
  @Test
  void roundedWeightsMoveItsGradientsFar() {
    assumeTrue(Files.isDirectory(FOLDER), FOLDER + " is not there");
    try (Ops ops = OpsFactory.cpu(OpsOptions.defaults());
        HybridTransformer exact =
            HybridTransformer.load(FOLDER, ops, ModelFiles.LoadOptions.FLOAT32);
        HybridTransformer model =
            HybridTransformer.load(FOLDER, ops, ModelFiles.LoadOptions.FLOAT32);
        SafetensorsFile golden = SafetensorsFile.open(FOLDER.resolve("golden.safetensors"))) {
      Set<String> names = golden.tensors().keySet();
      List<GoldenCheck.Deviation> both =
          GoldenCheck.beside(
              GoldenCheck.run(exact, names, golden::get), model, DType.BF16, names, golden::get);
      assertThat(both).allMatch(d -> d.within(1e-4)).anyMatch(d -> d.rounding() > 0.1);
    }
  }
}
