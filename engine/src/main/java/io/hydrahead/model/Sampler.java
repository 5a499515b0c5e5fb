package io.hydrahead.model;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * Chooses the next token from logits [V]: greedily, or at random after temperature, top-k and top-p
 * (nucleus sampling, Holtzman et al., arXiv:1904.09751). Greedy choice allocates nothing; ties go to the
 * smaller id. The same seed gives the same choices for the same logits.
 */
public final class Sampler {
  /**
   * @param temperature divides the logits; 0 is greedy
   * @param topK only the k largest logits; 0 is all
   * @param topP only the most likely tokens that together have this probability; 1 is all
   */
  public record Settings(double temperature, int topK, double topP, long seed) {
    /** Always the most likely token. */
    public static final Settings GREEDY = new Settings(0, 0, 1, 0);

    public Settings {
      if (!(temperature >= 0 && temperature <= 100)) {
        throw new InputException("temperature must be between 0 and 100, not " + temperature);
      }
      if (topK < 0) {
        throw new InputException("top-k must be 0 (all) or more, not " + topK);
      }
      if (!(topP > 0 && topP <= 1)) {
        throw new InputException("top-p must be above 0 and at most 1, not " + topP);
      }
    }
  }

  private final Settings settings;
  private final SplittableRandom random;
  private double[] weight = new double[0];
  private long[] order = new long[0];

  public Sampler(Settings settings) {
    this.settings = settings;
    this.random = new SplittableRandom(settings.seed());
  }

  /**
   * The next token's id.
   *
   * @param logits float32 [V]
   * @throws IllegalStateException if no logit is a number: the model has overflowed
   */
  public int next(Tensor logits) {
    int best = argmax(logits.segment(), logits.size(0));
    if (best < 0) {
      throw new IllegalStateException("every logit is NaN or −∞: the model has overflowed");
    }
    return settings.temperature() == 0 ? best : draw(logits, best);
  }

  private static int argmax(MemorySegment logits, int n) {
    int best = -1;
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      float v = logits.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      if (v > max) {
        max = v;
        best = i;
      }
    }
    return best;
  }

  private int draw(Tensor logits, int best) {
    int n = logits.size(0);
    if (weight.length != n) {
      weight = new double[n];
      order = new long[n];
    }
    MemorySegment s = logits.segment();
    double max = s.getAtIndex(ValueLayout.JAVA_FLOAT, best);
    double total = 0;
    for (int i = 0; i < n; i++) {
      float v = s.getAtIndex(ValueLayout.JAVA_FLOAT, i);
      weight[i] = Float.isNaN(v) ? 0 : Math.exp((v - max) / settings.temperature());
      total += weight[i];
    }
    int kept = n;
    if (settings.topK() > 0 || settings.topP() < 1) {
      kept = keep(total);
      total = 0;
      for (int i = 0; i < kept; i++) {
        total += weight[id(order[i])];
      }
    }
    double u = random.nextDouble() * total;
    boolean sorted = settings.topK() > 0 || settings.topP() < 1;
    int last = best;
    for (int i = 0; i < kept; i++) {
      int id = sorted ? id(order[i]) : i;
      if (weight[id] > 0) {
        last = id;
        u -= weight[id];
        if (u < 0) {
          return id;
        }
      }
    }
    return last; // rounding left a sliver
  }

  /** Sorts ids by falling weight into {@code order}; returns how many top-k and top-p leave. */
  private int keep(double total) {
    int n = weight.length;
    for (int i = 0; i < n; i++) {
      // Weights are in 0…1, so their bits as float sort like their values.
      order[i] = ((long) ~Float.floatToRawIntBits((float) weight[i]) << 32) | i;
    }
    Arrays.sort(order);
    int k = settings.topK() > 0 ? Math.min(settings.topK(), n) : n;
    double limit = settings.topP() * total;
    double sum = 0;
    for (int i = 0; i < k; i++) {
      sum += weight[id(order[i])];
      if (sum >= limit) {
        return i + 1;
      }
    }
    return k;
  }

  private static int id(long entry) {
    return (int) entry;
  }
}
