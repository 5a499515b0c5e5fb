package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;

/** Sees the logits [n, V] of tokens {@code from} … of what is being read, where they are made. */
@FunctionalInterface
interface RowsOfLogits {
  /** Most floats of logits at a time. */
  int MOST = 1 << 22;

  void accept(int from, Tensor logits);

  /**
   * Multiplies with the LM head, so many rows at a time that the logits of long texts need little
   * memory, and shows each.
   *
   * @param normed [N, D], outputs of the final norm
   * @param first place of the first row among all that {@code sink} is shown
   * @param w takes the logits of some rows
   */
  static void of(
      HybridTransformer model, Tensor normed, int first, Workspace w, RowsOfLogits sink) {
    int vocabulary = model.config().vocabSize();
    int rows = normed.size(0);
    int step = Math.clamp(MOST / vocabulary, 1, rows);
    Tensor out = w.f32(step, vocabulary);
    for (int r = 0; r < rows; r += step) {
      int n = Math.min(step, rows - r);
      Tensor some = out.rows(0, n);
      model.ops().linear().forward(normed.rows(r, n), model.lmHead(), some, false);
      sink.accept(first + r, some);
    }
  }
}
