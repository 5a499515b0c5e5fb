package io.hydrahead.model;

import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.function.Supplier;

/**
 * Chooses the next token from logits [V]: greedily, or at random after temperature, top-k, top-p
 * (nucleus sampling, Holtzman et al., arXiv:1904.09751) and min-p (Nguyen et al.,
 * arXiv:2407.01082), in this order. Of equal logits the smaller id comes first. The same seed gives
 * the same choices for the same logits. After the first call nothing is allocated.
 */
public final class Sampler {
  /**
   * @param temperature divides the logits; 0 is greedy
   * @param topK only the k largest logits; 0 is all
   * @param topP of those, only the most likely tokens that together have this probability; 1 is all
   * @param minP only tokens at least this many times as likely as the most likely one; 0 is all
   */
  public record Settings(double temperature, int topK, double topP, double minP, long seed) {
    /** Always the most likely token. */
    public static final Settings GREEDY = new Settings(0, 0, 1, 0, 0);

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
      if (!(minP >= 0 && minP <= 1)) {
        throw new InputException("min-p must be between 0 and 1, not " + minP);
      }
    }

    /** Without min-p. */
    public Settings(double temperature, int topK, double topP, long seed) {
      this(temperature, topK, topP, 0, seed);
    }
  }

  private final Settings settings;
  private final SplittableRandom random;

  /** e^((logit − largest) / temperature) by id. */
  private double[] weight = new double[0];

  /** A heap of candidates, best at 0, and behind it those already taken, the first one last. */
  private long[] heap = new long[0];

  private int candidates;

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
    float max = logits.get(best);
    if (settings.temperature() == 0 || max == Float.POSITIVE_INFINITY) {
      return best;
    }
    double total = weigh(logits, max);
    boolean cut = settings.topK() > 0 || settings.topP() < 1;
    return cut ? drawBest(total, best) : draw(total, best);
  }

  /**
   * The same distribution from the likeliest tokens; all logits are asked for only where those do
   * not decide. Other choices than {@link #next(Tensor)} makes with the same seed.
   *
   * @param likely of the settings' temperature; or null
   */
  int next(Likely likely, Supplier<Tensor> logits) {
    double t = settings.temperature();
    if (likely == null || t == 0) {
      return next(logits.get());
    }
    int n = likely.count;
    int k = settings.topK() > 0 ? settings.topK() : Integer.MAX_VALUE;
    boolean cut = k < Integer.MAX_VALUE || settings.topP() < 1 || settings.minP() > 0;
    double total = likely.total;
    if (k < Integer.MAX_VALUE) {
      if (k > n) {
        return next(logits.get());
      }
      total = 0;
      for (int i = 0; i < k; i++) {
        total += likely.weight(i, t);
      }
    }
    if (!cut) {
      return drawAny(likely, random.nextDouble() * total, logits);
    }
    double limit = settings.topP() * total;
    double left = 0;
    int kept = 0;
    while (kept < k && (kept == 0 || left < limit)) {
      double w = kept == n ? -1 : likely.weight(kept, t);
      if (w < 0) {
        return next(logits.get()); // less likely ones have a part in it
      }
      if (w < settings.minP()) {
        break;
      }
      left += w;
      kept++;
    }
    double u = random.nextDouble() * left;
    int i = 0;
    while (i < kept - 1 && (u -= likely.weight(i, t)) >= 0) {
      i++;
    }
    return likely.id(i);
  }

  /** The token where the weights of the likeliest, then of all others, add up to {@code u}. */
  private int drawAny(Likely likely, double u, Supplier<Tensor> logits) {
    double t = settings.temperature();
    for (int i = 0; i < likely.count; i++) {
      u -= likely.weight(i, t);
      if (u < 0) {
        return likely.id(i);
      }
    }
    Tensor all = logits.get();
    int last = likely.id(likely.count - 1); // where rounding left a sliver
    for (int id = 0; id < all.dim(0); id++) {
      double w = Math.exp(((double) all.get(id) - likely.max) / t);
      if (w > 0 && !likely.has(all, id)) {
        last = id;
        u -= w;
        if (u < 0) {
          return id;
        }
      }
    }
    return last;
  }

  /** The settings. */
  public Settings settings() {
    return settings;
  }

  private static int argmax(MemorySegment logits, int n) {
    int best = -1;
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      float v = logits.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
      if (v > max) {
        max = v;
        best = i;
      }
    }
    return best;
  }

  /** Weights of all ids and their sum; candidates are those above 0. */
  private double weigh(Tensor logits, float max) {
    int n = logits.size(0);
    if (weight.length < n) {
      weight = new double[n];
      heap = new long[n];
    }
    MemorySegment s = logits.segment();
    double total = 0;
    candidates = 0;
    for (int i = 0; i < n; i++) {
      float v = s.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, i);
      double w = Float.isNaN(v) ? 0 : Math.exp(((double) v - max) / settings.temperature());
      weight[i] = w;
      if (w > 0) {
        total += w;
        heap[candidates++] = key(v, i);
      }
    }
    return total;
  }

  /** A number that is smaller for a larger logit, and for the smaller id among equals. */
  static long key(float logit, int id) {
    int bits = Float.floatToRawIntBits(logit + 0f); // −0 becomes 0
    int ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF);
    return ((long) ~ascending << 32) | id;
  }

  /** The logit of a key. */
  static float logit(long key) {
    int ascending = ~(int) (key >> 32);
    return Float.intBitsToFloat(ascending ^ ((ascending >> 31) & 0x7FFFFFFF));
  }

  /** Draws among all candidates that min-p leaves, in the order of their ids. */
  private int draw(double total, int best) {
    double left = total;
    if (settings.minP() > 0) {
      left = 0;
      for (int i = 0; i < candidates; i++) {
        double w = weight[(int) heap[i]];
        left += w >= settings.minP() ? w : 0;
      }
    }
    double u = random.nextDouble() * left;
    int last = best;
    for (int i = 0; i < candidates; i++) {
      int id = (int) heap[i];
      if (weight[id] >= settings.minP()) {
        last = id;
        u -= weight[id];
        if (u < 0) {
          break;
        }
      }
    }
    return last; // where rounding left a sliver, the last one
  }

  /** Draws among the best candidates that top-k, top-p and min-p leave, in falling order. */
  private int drawBest(double total, int best) {
    int n = candidates;
    for (int i = n / 2 - 1; i >= 0; i--) {
      sink(i, n);
    }
    int k = settings.topK() > 0 ? Math.min(settings.topK(), n) : n;
    int taken = 0;
    double sum = 0;
    if (k < n) {
      while (taken < k) {
        sum += take(n - taken++);
      }
      total = sum;
    }
    double limit = settings.topP() * total;
    double left = 0;
    int kept = 0;
    do {
      double w = kept < taken ? weight[(int) heap[n - 1 - kept]] : take(n - taken++);
      if (w < settings.minP()) {
        break;
      }
      left += w;
      kept++;
    } while (kept < k && left < limit);
    double u = random.nextDouble() * left;
    int last = best;
    for (int i = 0; i < kept; i++) {
      last = (int) heap[n - 1 - i];
      u -= weight[last];
      if (u < 0) {
        break;
      }
    }
    return last;
  }

  /** Moves the best of a heap of {@code size} behind it; returns its weight. */
  private double take(int size) {
    long top = heap[0];
    heap[0] = heap[size - 1];
    heap[size - 1] = top;
    sink(0, size - 1);
    return weight[(int) top];
  }

  private void sink(int from, int size) {
    long entry = heap[from];
    int hole = from;
    for (int child = 2 * hole + 1; child < size; child = 2 * hole + 1) {
      if (child + 1 < size && heap[child + 1] < heap[child]) {
        child++;
      }
      if (heap[child] >= entry) {
        break;
      }
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = entry;
  }
}
