package io.hydrahead.train;

import io.hydrahead.json.Fields;
import io.hydrahead.tensor.DType;

/**
 * Settings of a whole run.
 *
 * @param seed of initialisation and data order
 * @param saveEvery steps between saved states
 * @param evaluateEvery steps between held-out losses; 0 is only at the end of a stage
 * @param evaluationRows held-out sequences a loss is measured on, rounded up to whole micro-batches
 * @param dtype of the saved parameters: F32 or BF16
 */
public record RunSettings(
    long seed, int saveEvery, int evaluateEvery, int evaluationRows, DType dtype) {
  private enum Saved {
    F32,
    BF16
  }

  /** Reads {@code seed, save_every, evaluate_every, evaluation_rows, dtype} of a recipe. */
  public static RunSettings read(Fields f) {
    int million = 1_000_000;
    return new RunSettings(
        f.count("seed", Long.MIN_VALUE, Long.MAX_VALUE, 1),
        f.integer("save_every", 1, million, 100),
        f.integer("evaluate_every", 0, million, 0),
        f.integer("evaluation_rows", 1, million, 32),
        DType.valueOf(f.choice("dtype", Saved.class, Saved.BF16).name()));
  }
}
