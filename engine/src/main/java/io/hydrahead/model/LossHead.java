package io.hydrahead.model;

import io.hydrahead.ops.Ops;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.util.ArrayList;
import java.util.List;

/**
 * The LM head and the losses of a training pass, some rows at a time, so that the logits of all N
 * rows are never there at once. Sums of losses add up in the operations' memory until they are
 * asked for. D width, V vocabulary.
 */
final class LossHead {
  /** Logits at a time: what a core's cache takes, or what keeps a device busy. */
  private static final long HOST_LOGITS = 1 << 20;

  private static final long DEVICE_LOGITS = 1 << 28;

  private final HybridTransformer model;
  private final Ops ops;
  private final Workspace memory;
  private final List<Chunk> chunks = new ArrayList<>();
  private final Tensor targets;
  private final Tensor weights;
  private final Tensor crossEntropyScale;
  private final Tensor klScale;
  private final Tensor crossEntropySum;
  private final Tensor klSum;
  private final Tensor logits;

  /** Gradient of the logits where it cannot take their place. */
  private Tensor separate;

  /** Some rows of the work: views that are made once. */
  private record Chunk(
      int from, Tensor hidden, Tensor dHidden, Tensor logits, Tensor targets, Tensor weights) {}

  /**
   * @param hidden [N, D]
   * @param dHidden [N, D], or null without gradients
   */
  LossHead(HybridTransformer model, Workspace memory, Tensor hidden, Tensor dHidden) {
    this.model = model;
    this.memory = memory;
    ops = model.ops();
    int n = hidden.size(0);
    targets = memory.allocate(DType.I32, n);
    weights = memory.f32(n);
    crossEntropyScale = memory.f32(1);
    klScale = memory.f32(1);
    crossEntropySum = memory.allocate(DType.F64, 1);
    klSum = memory.allocate(DType.F64, 1);
    clearSums();
    long vocabulary = model.config().vocabSize();
    long most = (ops.memory().host() ? HOST_LOGITS : DEVICE_LOGITS) / vocabulary;
    int rows = (int) Math.clamp(most > 128 ? most / 128 * 128 : most, Math.min(8, n), n);
    logits = memory.allocate(ops.activations(), rows, vocabulary);
    for (int from = 0; from < n; from += rows) {
      int count = Math.min(rows, n - from);
      chunks.add(
          new Chunk(
              from,
              hidden.rows(from, count),
              dHidden == null ? null : dHidden.rows(from, count),
              logits.rows(0, count),
              targets.rows(from, count),
              weights.rows(from, count)));
    }
  }

  void logits(LogitsSink sink) {
    for (Chunk c : chunks) {
      forward(c);
      sink.accept(c.from, c.logits.onHost());
    }
  }

  private void forward(Chunk c) {
    ops.linear().forward(c.hidden, model.lmHead(), c.logits, false);
  }

  /** What the next losses compare with: N ids, negative to leave a row out, and N weights. */
  void predict(int[] targetIds, float[] rowWeights) {
    targets.copyFrom(targetIds, 0, targetIds.length);
    weights.copyFrom(rowWeights);
  }

  /** Factors of the losses' gradients. */
  void scales(float crossEntropy, float kl) {
    crossEntropyScale.set(0, crossEntropy);
    klScale.set(0, kl);
  }

  /** Adds up the cross-entropy; with {@code grads} not null, carries its gradient back. */
  void crossEntropy(ParameterStore grads) {
    for (Chunk c : chunks) {
      forward(c);
      crossEntropy(c, grads == null ? null : c.logits);
      headGradient(c, c.logits, grads);
    }
  }

  private void crossEntropy(Chunk c, Tensor dLogits) {
    ops.loss()
        .crossEntropy(c.logits, c.targets, c.weights, crossEntropyScale, dLogits, crossEntropySum);
  }

  /** Like {@link #crossEntropy}, with the divergence from the teacher's last forward pass too. */
  void distil(LossHead teacher, ParameterStore grads) {
    if (grads != null && separate == null) {
      separate = memory.allocate(logits.dtype(), logits.shape());
    }
    for (int i = 0; i < chunks.size(); i++) {
      Chunk c = chunks.get(i);
      Chunk t = teacher.chunks.get(i);
      forward(c);
      teacher.forward(t);
      Tensor dLogits = grads == null ? null : separate.rows(0, c.logits.dim(0));
      ops.loss()
          .distil(
              t.logits,
              c.logits,
              c.targets,
              c.weights,
              klScale,
              crossEntropyScale,
              dLogits,
              klSum,
              crossEntropySum);
      headGradient(c, dLogits, grads);
    }
  }

  private void headGradient(Chunk c, Tensor dLogits, ParameterStore grads) {
    if (grads != null) {
      ops.linear().backwardInput(dLogits, model.lmHead(), c.dHidden, false);
      ops.linear().backwardWeight(dLogits, c.hidden, grads.get(model.lmHeadName()));
    }
  }

  void clearSums() {
    crossEntropySum.fill(0f);
    klSum.fill(0f);
  }

  double crossEntropySum() {
    return crossEntropySum.getDouble(0);
  }

  double takeCrossEntropy() {
    return take(crossEntropySum);
  }

  double takeKl() {
    return take(klSum);
  }

  private static double take(Tensor sum) {
    double value = sum.getDouble(0);
    sum.fill(0f);
    return value;
  }
}
