package io.hydrahead.ops.loss;

import io.hydrahead.tensor.Tensor;

/**
 * Losses over rows of logits [n, V]. A target below 0 or a weight of 0 leaves a row out. Sums are
 * in float64 over rows in order, so they do not depend on the thread count.
 */
public interface TokenLoss {
  /**
   * Σ_r weight_r · (−log softmax(logits_r)[target_r]). When {@code dLogits} is not null it is
   * assigned {@code gradScale · weight_r · (softmax − onehot)}, and may be the memory of {@code
   * logits}.
   */
  double crossEntropy(
      Tensor logits, int[] targets, float[] weights, int from, float gradScale, Tensor dLogits);

  /**
   * Σ_r weight_r · KL(softmax(teacher_r) ‖ softmax(student_r)) at temperature 1. {@code dStudent},
   * when not null, is <b>added to</b>: {@code gradScale · weight_r · (softmax(student) −
   * softmax(teacher))}.
   */
  double kl(
      Tensor teacher, Tensor student, float[] weights, int from, float gradScale, Tensor dStudent);
}
