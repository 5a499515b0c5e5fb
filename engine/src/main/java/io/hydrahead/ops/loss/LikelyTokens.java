package io.hydrahead.ops.loss;

import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;

/**
 * Where {@link TokenLoss#likely} puts the likeliest tokens of n rows of logits: for each row all
 * tokens whose logits lie within some distance of the largest, at least {@value #WANTED} unless the
 * others weigh less than e^−32 each, in any order.
 *
 * @param counts how many, [n] I32; −1 where there are more than {@value #MOST}, or the largest
 *     logit is infinite or missing
 * @param stats the largest logit, and Σ e^((logit − largest) / temperature) over all tokens, [n, 2]
 * @param ids [n, {@value #MOST}] I32
 * @param values their logits, [n, {@value #MOST}]
 */
public record LikelyTokens(Tensor counts, Tensor stats, Tensor ids, Tensor values) {
  /** Most tokens of a row. */
  public static final int MOST = 512;

  static final int WANTED = 256;

  /** Steps of the distance: of 1/64 temperature, up to 32 temperatures. */
  static final int BINS = 2048;

  static final float BINS_A_NAT = 64;

  public LikelyTokens {
    long n = counts.size();
    boolean fits = counts.dtype() == DType.I32 && ids.dtype() == DType.I32;
    fits &= stats.dtype() == DType.F32 && values.dtype() == DType.F32;
    if (!fits || stats.size() != 2 * n || ids.size() != n * MOST || values.size() != n * MOST) {
      throw new IllegalArgumentException("no room for the likeliest tokens of " + n + " rows");
    }
  }

  /** The first {@code n} rows. */
  public LikelyTokens rows(long n) {
    return new LikelyTokens(counts.rows(0, n), stats.rows(0, n), ids.rows(0, n), values.rows(0, n));
  }

  /** One row on the host, in plain loops: the reference. */
  void fill(int row, Tensor logits, float temperature) {
    int v = logits.size(1);
    float[] x = new float[v];
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < v; i++) {
      x[i] = logits.get((long) row * v + i);
      max = x[i] > max ? x[i] : max;
    }
    float inverse = 1f / temperature;
    float scale = BINS_A_NAT * inverse;
    int[] bins = new int[BINS];
    double sum = 0;
    for (float y : x) {
      if (y > Float.NEGATIVE_INFINITY) {
        sum += Math.exp((double) (y - max) * inverse);
        float away = (max - y) * scale;
        if (away < BINS) {
          bins[(int) away]++;
        }
      }
    }
    int last = -1;
    int count = 0;
    while (count < WANTED && last + 1 < BINS) {
      count += bins[++last];
    }
    stats.set(2L * row, max);
    stats.set(2L * row + 1, (float) sum);
    if (count == 0 || count > MOST || Float.isInfinite(max)) {
      counts.setInt(row, -1);
      return;
    }
    counts.setInt(row, count);
    long at = (long) row * MOST;
    for (int i = 0; i < v; i++) {
      float away = (max - x[i]) * scale;
      if (x[i] > Float.NEGATIVE_INFINITY && away < BINS && (int) away <= last) {
        ids.setInt(at, i);
        values.set(at++, x[i]);
      }
    }
  }
}
