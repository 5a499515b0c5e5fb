package io.hydrahead.ops.loss;

import io.hydrahead.ops.TensorChecks;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/** Argument checks that every backend of {@link TokenLoss} shares; each returns the rows n. */
final class LossShape {
  private LossShape() {}

  static int check(
      Tensor logits, Tensor targets, Tensor weights, Tensor gradScale, Tensor dLogits, Tensor sum) {
    int n = checkCommon(logits, weights, gradScale, dLogits, sum);
    TensorChecks.integers("targets", targets, n);
    return n;
  }

  static int checkKl(
      Tensor teacher,
      Tensor student,
      Tensor weights,
      Tensor gradScale,
      Tensor dStudent,
      Tensor sum) {
    TensorChecks.same("teacher", teacher, student.size(), student);
    return checkCommon(student, weights, gradScale, dStudent, sum);
  }

  /** Requires, where they can be read, targets below {@code vocabulary}. */
  static void checkTargets(Tensor targets, long vocabulary) {
    for (int r = 0; r < targets.size(); r++) {
      if (targets.getInt(r) >= vocabulary) {
        throw new IllegalArgumentException(
            "target " + targets.getInt(r) + " in a vocabulary of " + vocabulary);
      }
    }
  }

  private static int checkCommon(
      Tensor logits, Tensor weights, Tensor gradScale, Tensor dLogits, Tensor sum) {
    int n = TensorChecks.rows(logits);
    TensorChecks.activations("logits", logits, logits.size());
    TensorChecks.floats("weights", weights, n);
    if (dLogits != null) {
      TensorChecks.same("the gradient of logits", dLogits, logits.size(), logits);
      TensorChecks.scalar("gradScale", gradScale, DType.F32);
    }
    TensorChecks.scalar("sum", sum, DType.F64);
    return n;
  }
}
