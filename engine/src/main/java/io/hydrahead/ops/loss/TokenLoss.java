package io.hydrahead.ops.loss;

import io.hydrahead.tensor.Tensor;

/**
 * Losses over rows of logits [n, V]. A target below 0 or a weight of 0 leaves a row out. Sums are
 * in float64 over rows in order, so they do not depend on the thread count; they are <b>added</b>
 * to a float64 scalar in the operations' memory, so that a step of many calls is read once.
 *
 * <p>targets [n] I32; weights [n] float32; gradScale [1] float32, not read without a gradient; sum
 * [1] float64.
 */
public interface TokenLoss {
  /**
   * sum += Σ_r weight_r · (−log softmax(logits_r)[target_r]). When {@code dLogits} is not null it
   * is assigned {@code gradScale · weight_r · (softmax − onehot)}, and may be the memory of {@code
   * logits}.
   */
  void crossEntropy(
      Tensor logits, Tensor targets, Tensor weights, Tensor gradScale, Tensor dLogits, Tensor sum);

  /**
   * sum += Σ_r weight_r · KL(softmax(teacher_r) ‖ softmax(student_r)) at temperature 1. {@code
   * dStudent}, when not null, is <b>added to</b>: {@code gradScale · weight_r · (softmax(student) −
   * softmax(teacher))}.
   */
  void kl(
      Tensor teacher,
      Tensor student,
      Tensor weights,
      Tensor gradScale,
      Tensor dStudent,
      Tensor sum);

  /**
   * Both losses of a distillation step: what {@link #crossEntropy} does with {@code
   * crossEntropyScale} and then {@link #kl} with {@code klScale}, in one go where a backend can.
   *
   * @param dStudent assigned, and not the memory of {@code student}; or null
   */
  default void distil(
      Tensor teacher,
      Tensor student,
      Tensor targets,
      Tensor weights,
      Tensor klScale,
      Tensor crossEntropyScale,
      Tensor dStudent,
      Tensor klSum,
      Tensor crossEntropySum) {
    crossEntropy(student, targets, weights, crossEntropyScale, dStudent, crossEntropySum);
    kl(teacher, student, weights, klScale, dStudent, klSum);
  }

  /** The id of the largest of each row of logits [n, V], of equals the smallest: ids [n] I32. */
  default void best(Tensor logits, Tensor ids) {
    int v = logits.size(1);
    for (int r = 0; r < logits.dim(0); r++) {
      int best = 0;
      float most = Float.NEGATIVE_INFINITY;
      for (int i = 0; i < v; i++) {
        float x = logits.get((long) r * v + i);
        if (x > most) {
          most = x;
          best = i;
        }
      }
      ids.setInt(r, best);
    }
  }

  /**
   * The likeliest tokens of each row of logits [n, V], for sampling.
   *
   * @param temperatures of each row, above 0, [n] float32
   */
  default void likely(Tensor logits, Tensor temperatures, LikelyTokens out) {
    for (int r = 0; r < logits.dim(0); r++) {
      out.fill(r, logits, temperatures.get(r));
    }
  }
}
