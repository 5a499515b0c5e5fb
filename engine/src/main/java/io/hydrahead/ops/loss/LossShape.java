package io.hydrahead.ops.loss;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link TokenLoss} shares; each returns the rows n. */
final class LossShape {
  private LossShape() {}

  static int check(Tensor logits, int[] targets, float[] weights, int from, Tensor dLogits) {
    int n = TensorChecks.rows(logits);
    TensorChecks.floats("logits", logits, logits.size());
    TensorChecks.range("targets", targets.length, from, n);
    TensorChecks.range("weights", weights.length, from, n);
    TensorChecks.floatsOrNull("dLogits", dLogits, logits.size());
    long vocabulary = logits.dim(-1);
    for (int r = 0; r < n; r++) {
      if (targets[from + r] >= vocabulary) {
        throw new IllegalArgumentException(
            "target " + targets[from + r] + " in a vocabulary of " + vocabulary);
      }
    }
    return n;
  }

  static int checkKl(Tensor teacher, Tensor student, float[] weights, int from, Tensor dStudent) {
    int n = TensorChecks.rows(student);
    TensorChecks.floats("student", student, student.size());
    TensorChecks.floats("teacher", teacher, student.size());
    TensorChecks.range("weights", weights.length, from, n);
    TensorChecks.floatsOrNull("dStudent", dStudent, student.size());
    return n;
  }
}
