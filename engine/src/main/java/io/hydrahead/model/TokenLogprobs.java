package io.hydrahead.model;

import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/**
 * Natural logarithms of probabilities at one position, from the softmax of the model's own logits:
 * before temperature, penalties and bias.
 *
 * @param id the token that stands there
 * @param logprob that of it
 * @param topIds the most likely tokens, best first; of equals the smaller id
 * @param topLogprobs theirs
 */
public record TokenLogprobs(int id, float logprob, int[] topIds, float[] topLogprobs) {
  /**
   * Reads them off logits.
   *
   * @param logits float32 [V]
   * @param top how many of the most likely
   */
  public static TokenLogprobs of(Tensor logits, int id, int top) {
    MemorySegment s = logits.segment();
    int n = logits.size(0);
    double max = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      float v = at(s, i);
      max = v > max ? v : max;
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      float v = at(s, i);
      sum += Float.isNaN(v) ? 0 : Math.exp(v - max);
    }
    double total = max + Math.log(sum);
    int[] ids = best(s, n, Math.min(top, n));
    float[] logprobs = new float[ids.length];
    for (int i = 0; i < ids.length; i++) {
      logprobs[i] = (float) (at(s, ids[i]) - total);
    }
    return new TokenLogprobs(id, (float) (at(s, id) - total), ids, logprobs);
  }

  private static float at(MemorySegment s, int i) {
    return s.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
  }

  /** Ids of the {@code k} largest, by insertion into a short sorted list. */
  private static int[] best(MemorySegment s, int n, int k) {
    int[] ids = new int[k];
    float[] values = new float[k];
    int size = 0;
    for (int i = 0; i < n && k > 0; i++) {
      float v = at(s, i);
      if (Float.isNaN(v) || size == k && v <= values[k - 1]) {
        continue;
      }
      int at = size < k ? size++ : k - 1;
      while (at > 0 && values[at - 1] < v) {
        values[at] = values[at - 1];
        ids[at] = ids[at - 1];
        at--;
      }
      values[at] = v;
      ids[at] = i;
    }
    return Arrays.copyOf(ids, size);
  }

  @Override
  public boolean equals(Object o) {
    return o instanceof TokenLogprobs t
        && id == t.id
        && logprob == t.logprob
        && Arrays.equals(topIds, t.topIds)
        && Arrays.equals(topLogprobs, t.topLogprobs);
  }

  @Override
  public int hashCode() {
    return 31 * id + Arrays.hashCode(topIds);
  }
}
