package io.hydrahead.model;

/**
 * Rotary embedding: base θ and, for context extension, YaRN (Peng et al., arXiv:2309.00071).
 *
 * @param theta base
 * @param yarn YaRN's scaling, or {@link Yarn#NONE}
 * @param partial share of a head's dims that turn, the first; 1 but in Qwen3.5
 */
public record RotaryConfig(double theta, Yarn yarn, double partial) {

  public RotaryConfig {
    if (!(partial > 0 && partial <= 1)) {
      throw new IllegalArgumentException("partial_rotary_factor " + partial + " is not in (0, 1]");
    }
  }

  /** All dims turn. */
  public RotaryConfig(double theta, Yarn yarn) {
    this(theta, yarn, 1);
  }

  /**
   * YaRN as Hugging Face transformers computes it.
   *
   * @param factor context extension; 1 means no scaling at all
   * @param originalMaxPosition context of the unscaled model
   * @param attentionFactor multiplies cos and sin; 0 means the default 0.1 ln(factor) + 1
   */
  public record Yarn(
      double factor,
      int originalMaxPosition,
      double betaFast,
      double betaSlow,
      double attentionFactor,
      boolean truncate) {
    public static final Yarn NONE = new Yarn(1, 0, 32, 1, 0, true);
  }

  public static RotaryConfig plain(double theta) {
    return new RotaryConfig(theta, Yarn.NONE);
  }

  /** Dims of a head of {@code headDim} that turn. */
  public int dims(int headDim) {
    return (int) (headDim * partial);
  }
}
