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
 * @param linearKind what the heads do that are not full
 * @param window positions that a windowed head sees, its own included; 0 without such heads
 * @param sinks first positions of the text that a windowed head sees whatever the distance; 0
 *     without such heads
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
    float betaMax,
    LinearKind linearKind,
    int window,
    int sinks) {

  /** What the heads do that are not full. */
  public enum LinearKind {
    /** Gated DeltaNet. */
    GATED_DELTA,
    /**
     * Softmax attention over the last {@code window} positions and the first {@code sinks}
     * (StreamingLLM, arXiv:2309.17453): the control that tells what the delta rule's state is
     * worth. Such heads own their keys and values, gates and γ as Gated DeltaNet's do; they have no
     * decays, write strengths or convolutions.
     */
    WINDOW,
    /**
     * Qwen3.5's linear layers: whole layers of Gated DeltaNet with heads, widths and a convolution
     * of their own, see {@link DeltaNetConfig}. Full layers have a gate without bias.
     */
    QWEN3_5
  }

  /**
   * Scale of the scores of full heads at absolute 1-based position t; applied at inference only.
   */
  public enum LengthScale {
    NONE,
    LOG
  }

  /** Most positions of a window, and most sinks. */
  public static final int MOST_WINDOW = 1 << 24;

  /** Of a recipe that names the kind {@link LinearKind#WINDOW} alone. */
  public static final int DEFAULT_WINDOW = 1024;

  /** Sinks of a recipe that names the kind alone. */
  public static final int DEFAULT_SINKS = 4;

  /** A plain Qwen3 Transformer. */
  public static final Style VANILLA =
      new Style(true, false, false, false, true, LengthScale.NONE, 500, 0, 1f);

  /**
   * HydraHead (arXiv:2606.20097): full heads without rotary embedding, fusion norm, γ and gates.
   */
  public static final Style HYDRAHEAD =
      new Style(false, true, true, true, true, LengthScale.NONE, 500, 0, 1f);

  /** Qwen3.5: full layers with gate, linear layers of another kind. */
  public static final Style QWEN3_5 =
      new Style(
          true, false, false, true, false, LengthScale.NONE, 500, 0, 1f, LinearKind.QWEN3_5, 0, 0);

  public Style {
    if (linearKind != LinearKind.WINDOW) {
      if (window != 0 || sinks != 0) {
        throw new IllegalArgumentException("window and sinks are for windowed heads");
      }
    } else if (window < 1 || window > MOST_WINDOW || sinks < 0 || sinks > MOST_WINDOW) {
      throw new IllegalArgumentException("a window of " + window + " and " + sinks + " sinks");
    } else if (convKernel > 0) {
      throw new IllegalArgumentException("windowed heads have no short convolution");
    }
  }

  /** With Gated DeltaNet in the heads that are not full. */
  public Style(
      boolean fullRotary,
      boolean fusionNorm,
      boolean gamma,
      boolean gate,
      boolean linearRotary,
      LengthScale lengthScale,
      double logScaleBase,
      int convKernel,
      float betaMax) {
    this(
        fullRotary,
        fusionNorm,
        gamma,
        gate,
        linearRotary,
        lengthScale,
        logScaleBase,
        convKernel,
        betaMax,
        LinearKind.GATED_DELTA,
        0,
        0);
  }

  /** This style with windowed heads in place of Gated DeltaNet. */
  public Style withWindow(int newWindow, int newSinks) {
    return new Style(
        fullRotary,
        fusionNorm,
        gamma,
        gate,
        linearRotary,
        lengthScale,
        logScaleBase,
        convKernel,
        betaMax,
        LinearKind.WINDOW,
        newWindow,
        newSinks);
  }

  /** Whether heads that are not full see a window. */
  public boolean windowed() {
    return linearKind == LinearKind.WINDOW;
  }

  /** Whether layers are Qwen3.5's. */
  public boolean qwen35() {
    return linearKind == LinearKind.QWEN3_5;
  }

  /** Whether the full heads' gate has a bias. */
  boolean gateBias() {
    return gate && !qwen35();
  }

  /** Whether this is the vanilla attention block: no norm, no γ, no gate. */
  public boolean isVanilla() {
    return !fusionNorm && !gamma && !gate;
  }

  /**
   * This style with another length scale.
   *
   * @param base a in s_t = log_a(t + a)
   */
  public Style withLengthScale(LengthScale scale, double base) {
    return new Style(
        fullRotary,
        fusionNorm,
        gamma,
        gate,
        linearRotary,
        scale,
        base,
        convKernel,
        betaMax,
        linearKind,
        window,
        sinks);
  }
}
