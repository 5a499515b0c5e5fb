package io.hydrahead.cli;

import io.hydrahead.model.HeadPlan;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelConfig;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.model.RotaryConfig;
import io.hydrahead.model.Style;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tokenizer.BpeTrainer;
import io.hydrahead.tokenizer.TokenizerFiles;
import io.hydrahead.train.Initializer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A checkpoint folder of a tiny untrained model with a tokenizer of its own. */
final class SmallModel {
  /** What its tokenizer has seen; the words below are single tokens. */
  static final String TEXT = "the quick brown fox jumps over the lazy dog\n".repeat(20);

  static final ModelConfig CONFIG;

  private static final TokenizerFiles TOKENIZER =
      BpeTrainer.train(List.of(TEXT), 300, BpeTrainer.CHATML_TOKENS);

  static {
    CONFIG =
        new ModelConfig(
            TOKENIZER.vocabSize(),
            32,
            48,
            4,
            4,
            2,
            8,
            128,
            1e-6f,
            RotaryConfig.plain(10_000),
            true,
            -1,
            List.of(2));
  }

  private SmallModel() {}

  /** Writes it into {@code folder}, which must not exist. */
  static Path write(Path folder) {
    try (Ops ops = OpsFactory.cpu(new OpsOptions(1, "java", false));
        HybridTransformer model =
            new HybridTransformer(
                CONFIG,
                HeadPlan.allFull(CONFIG.layers(), CONFIG.heads()),
                Style.VANILLA,
                Initializer.vanilla(CONFIG, 5),
                ops)) {
      model.save(folder, new ModelFiles.SaveOptions(DType.F32, false, null, Map.of()));
    }
    TOKENIZER.save(folder, CONFIG.maxPositionEmbeddings());
    return folder;
  }
}
