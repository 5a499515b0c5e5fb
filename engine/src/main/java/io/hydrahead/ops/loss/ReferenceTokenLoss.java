package io.hydrahead.ops.loss;

import io.hydrahead.tensor.Tensor;

/** {@link TokenLoss} as plain loops in float64. */
public final class ReferenceTokenLoss implements TokenLoss {
  @Override
  public void crossEntropy(
      Tensor logits, Tensor targets, Tensor weights, Tensor gradScale, Tensor dLogits, Tensor sum) {
    int n = LossShape.check(logits, targets, weights, gradScale, dLogits, sum);
    int v = logits.size(-1);
    LossShape.checkTargets(targets, v);
    double scale = dLogits == null ? 0 : gradScale.get(0);
    double total = 0;
    for (int r = 0; r < n; r++) {
      long row = (long) r * v;
      int target = targets.getInt(r);
      double weight = target < 0 ? 0 : weights.get(r);
      if (weight == 0) {
        for (int i = 0; dLogits != null && i < v; i++) {
          dLogits.set(row + i, 0f);
        }
        continue;
      }
      double normaliser = logSumExp(logits, row, v);
      total += weight * (normaliser - logits.get(row + target));
      for (int i = 0; dLogits != null && i < v; i++) {
        double p = Math.exp(logits.get(row + i) - normaliser);
        dLogits.set(row + i, (float) (scale * weight * (i == target ? p - 1 : p)));
      }
    }
    sum.setDouble(0, sum.getDouble(0) + total);
  }

  @Override
  public void kl(
      Tensor teacher,
      Tensor student,
      Tensor weights,
      Tensor gradScale,
      Tensor dStudent,
      Tensor sum) {
    int n = LossShape.checkKl(teacher, student, weights, gradScale, dStudent, sum);
    int v = student.size(-1);
    double scale = dStudent == null ? 0 : gradScale.get(0);
    double total = 0;
    for (int r = 0; r < n; r++) {
      double weight = weights.get(r);
      if (weight == 0) {
        continue;
      }
      long row = (long) r * v;
      double teacherNormaliser = logSumExp(teacher, row, v);
      double studentNormaliser = logSumExp(student, row, v);
      double divergence = 0;
      for (int i = 0; i < v; i++) {
        double logP = teacher.get(row + i) - teacherNormaliser;
        double logQ = student.get(row + i) - studentNormaliser;
        double p = Math.exp(logP);
        divergence += p * (logP - logQ);
        if (dStudent != null) {
          double g = scale * weight * (Math.exp(logQ) - p);
          dStudent.set(row + i, (float) (dStudent.get(row + i) + g));
        }
      }
      total += weight * divergence;
    }
    sum.setDouble(0, sum.getDouble(0) + total);
  }

  private static double logSumExp(Tensor logits, long row, int v) {
    double max = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < v; i++) {
      max = Math.max(max, logits.get(row + i));
    }
    double sum = 0;
    for (int i = 0; i < v; i++) {
      sum += Math.exp(logits.get(row + i) - max);
    }
    return max + Math.log(sum);
  }
}
