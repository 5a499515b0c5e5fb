package io.hydrahead.model;

import static io.hydrahead.model.TestModels.ids;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.ops.CudaOptions;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Qwen3.5 on a GPU where it differs from the models of {@link CudaModelTest}, which has a small
 * one: heads of the real sizes, and the golden files.
 */
@Tag("gpu")
class CudaQwen35Test {
  private static final int VOCABULARY = 97;

  private static Ops cuda(DType type) {
    return OpsFactory.cuda(CudaTesting.openOrSkip(), new CudaOptions(0, type, false, 2));
  }

  /** Full heads of 256 dims, 64 of which turn, and linear heads of 128 × 128, some shared. */
  private static HybridTransformer wide(int valueHeads, Ops ops) {
    ModelConfig c =
        new ModelConfig(
            VOCABULARY,
            128,
            192,
            4,
            4,
            1,
            256,
            1024,
            1e-6f,
            new RotaryConfig(1e7, RotaryConfig.Yarn.NONE, 0.25),
            true,
            -1,
            List.of(),
            new DeltaNetConfig(2, valueHeads, 128, 128, 4));
    return TestModels.gentle(c, ModelShapes.plan(c), Style.QWEN3_5, ops, 7);
  }

  @ParameterizedTest
  @CsvSource({"F32, 2, 1e-4", "F32, 4, 1e-4", "BF16, 2, 4e-2", "BF16, 4, 4e-2"})
  void realHeadSizesGiveTheLogitsOfTheCpu(DType type, int valueHeads, double tolerance) {
    int[] ids = ids(300, VOCABULARY, 17);
    try (Ops cpu = OpsFactory.cpu(OpsOptions.defaults());
        Ops gpu = cuda(type);
        HybridTransformer here = wide(valueHeads, cpu);
        HybridTransformer there = wide(valueHeads, gpu)) {
      Tensor want = read(here, ids, new int[] {300});
      for (int[] ends : new int[][] {{300}, {64, 150, 293}, {7}}) {
        assertThat(GoldenCheck.relativeL2(read(there, ids, ends), want))
            .as(Arrays.toString(ends))
            .isLessThan(tolerance);
      }
    }
  }

  /** Logits of all tokens: prefill up to each of {@code ends}, then one by one. */
  private static Tensor read(HybridTransformer m, int[] ids, int[] ends) {
    float[] all = new float[ids.length * VOCABULARY];
    try (Session s = m.newSession(ids.length)) {
      int from = 0;
      for (int to : ends) {
        int base = from;
        s.prefill(
            Arrays.copyOfRange(ids, from, to),
            (row, t) ->
                System.arraycopy(t.toFloats(), 0, all, (base + row) * VOCABULARY, (int) t.size()));
        from = to;
      }
      for (; from < ids.length; from++) {
        float[] logits = s.decode(ids[from]).toFloats();
        System.arraycopy(logits, 0, all, from * VOCABULARY, VOCABULARY);
      }
    }
    return Tensor.of(all, all.length);
  }

  @Test
  void goldenFilesMatchInFloat32() {
    assumeTrue(Files.isDirectory(Qwen35GoldenTest.FOLDER), Qwen35GoldenTest.FOLDER + " is missing");
    try (Ops gpu = cuda(DType.F32);
        HybridTransformer model =
            HybridTransformer.load(Qwen35GoldenTest.FOLDER, gpu, ModelFiles.LoadOptions.FLOAT32);
        SafetensorsFile golden =
            SafetensorsFile.open(Qwen35GoldenTest.FOLDER.resolve("golden.safetensors"))) {
      assertThat(GoldenCheck.run(model, golden.tensors().keySet(), golden::get))
          .hasSize(golden.tensors().size() - 1)
          .allMatch(d -> d.within(1e-4));
    }
  }
}
