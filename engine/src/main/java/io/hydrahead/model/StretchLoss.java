package io.hydrahead.model;

import io.hydrahead.ops.loss.TokenLoss;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.util.Arrays;

/** Next-token cross-entropy of a text, summed over stretches of it where the logits are. */
final class StretchLoss implements RowsOfLogits {
  private final TokenLoss loss;
  private final int[] ends;
  private final Tensor targets;
  private final Tensor ones;
  private final Tensor sums;

  /**
   * @param memory owns what is needed while the text is read
   * @param ends places where stretches end, ascending
   */
  StretchLoss(TokenLoss loss, Workspace memory, int[] ids, int[] ends) {
    if (ends.length == 0 || ends[0] < 1 || ends[ends.length - 1] > ids.length - 1) {
      throw new IllegalArgumentException(
          "stretches that end at " + Arrays.toString(ends) + " in " + ids.length + " tokens");
    }
    this.loss = loss;
    this.ends = ends.clone();
    int[] next = Arrays.copyOfRange(ids, 1, ids.length);
    targets = memory.allocate(DType.I32, next.length);
    targets.copyFrom(next, 0, next.length);
    float[] weights = new float[next.length];
    Arrays.fill(weights, 1f);
    ones = memory.f32(next.length);
    ones.copyFrom(weights);
    sums = memory.allocate(DType.F64, ends.length);
    sums.fill(0f);
  }

  @Override
  public void accept(int from, Tensor logits) {
    int end = from + logits.size(0);
    int at = from;
    for (int j = 0; j < ends.length && at < end; j++) {
      int n = Math.min(end, ends[j]) - at;
      if (n > 0) {
        loss.crossEntropy(
            logits.rows(at - from, n),
            targets.rows(at, n),
            ones.rows(at, n),
            null,
            null,
            sums.rows(j, 1));
        at += n;
      }
    }
  }

  /** What came of it. Waits for the result. */
  double[] sums() {
    Tensor host = Tensor.allocate(Arena.ofAuto(), DType.F64, ends.length);
    host.copyFrom(sums);
    double[] out = new double[ends.length];
    for (int j = 0; j < out.length; j++) {
      out[j] = host.getDouble(j);
    }
    return out;
  }
}
