package io.hydrahead.model;

/**
 * How the two kinds of heads work. Every choice that is not fixed by the paper is a switch here.
 *
 * @param fullRotary rotary embedding on full heads (off is NoPE, as in HydraHead)
 * @param fusionNorm RMSNorm of each head's output before the gate
 * @param gamma one learned scalar γ a head
 * @param gate output gate σ(x W_z) on both kinds of heads
 * @param linearRotary rotary embedding on linear heads
 * @param lengthScale scale of full heads' scores by position: {@link LengthScale#NONE} is s_t = 1
 * @param logScaleBase a in s_t = log_a(t + a), HypeNet's 500
 * @param convKernel taps of the short convolution on linear heads' q, k, v; 0 is off
 * @param betaMax upper bound of the write strength: 1, or 2 for negative eigenvalues
 */
public record Style(
    boolean fullRotary,
    boolean fusionNorm,
    boolean gamma,
    boolean gate,
    boolean linearRotary,
    LengthScale lengthScale,
    double logScaleBase,
    int convKernel,
    float betaMax) {

  /**
   * Scale of the scores of full heads at absolute 1-based position t; applied at inference only.
   */
  public enum LengthScale {
    NONE,
    LOG
  }

  /** A plain Qwen3 Transformer. */
  public static final Style VANILLA =
      new Style(true, false, false, false, true, LengthScale.NONE, 500, 0, 1f);

  /** HydraHead as METHOD gives it. */
  public static final Style HYDRAHEAD =
      new Style(false, true, true, true, true, LengthScale.NONE, 500, 0, 1f);

  /** Whether this is the vanilla attention block: no norm, no γ, no gate. */
  public boolean isVanilla() {
    return !fusionNorm && !gamma && !gate;
  }
}
