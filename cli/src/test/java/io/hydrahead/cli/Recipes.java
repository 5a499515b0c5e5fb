package io.hydrahead.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Recipes that take a second or two. */
final class Recipes {
  private Recipes() {}

  /** A pretraining of {@code steps} steps of 4 × 64 tokens. */
  static Path pretrain(Path folder, int steps) {
    return write(
        folder.resolve("pretrain.json"),
        """
        {
          "name": "mini",
          "model": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4,
                    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
                    "max_position_embeddings": 128},
          "tokenizer": {"vocab_size": 320, "bytes": 20000},
          "data": {"text": [{"generated": true}], "plain": 0.5},
          "save_every": 1000, "evaluation_rows": 4,
          "schedule": {"kind": "constant", "lr": 1e-3},
          "stages": [{"name": "all", "tokens": %d, "context": 64, "rows": 4}]
        }
        """
            .formatted(steps * 256));
  }

  /** All three stages, two steps each. */
  static Path transfer(Path folder) {
    return write(
        folder.resolve("transfer.json"),
        """
        {
          "name": "mini-transfer",
          "data": {"text": [{"generated": true}], "plain": 1},
          "evaluation_rows": 4,
          "schedule": {"kind": "constant", "lr": 1e-3},
          "stages": [
            {"name": "align", "objective": "align", "tokens": 512, "context": 64, "rows": 4},
            {"name": "distil", "objective": "distil", "tokens": 512, "context": 64, "rows": 4},
            {"name": "lengthen", "objective": "next_token", "tokens": 1024, "context": 256,
             "rows": 2}
          ]
        }
        """);
  }

  static Path write(Path file, String text) {
    try {
      return Files.writeString(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
