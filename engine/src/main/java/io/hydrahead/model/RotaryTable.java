package io.hydrahead.model;

/**
 * Frequencies of the rotary angles, in float64: at position p the angle of pair i is p · f_i.
 *
 * <p>YaRN: Peng et al., arXiv:2309.00071, with the ramp and attention factor of Hugging Face
 * transformers.
 */
public final class RotaryTable {
  private final double[] inverseFrequency;
  private final double scaling;

  /** Frequencies for heads of {@code headDim} (even). */
  public RotaryTable(RotaryConfig config, int headDim) {
    int half = headDim / 2;
    inverseFrequency = new double[half];
    RotaryConfig.Yarn yarn = config.yarn();
    boolean scaled = yarn.factor() > 1;
    double low = 0;
    double high = 0;
    if (scaled) {
      low = correction(yarn.betaFast(), headDim, config.theta(), yarn.originalMaxPosition());
      high = correction(yarn.betaSlow(), headDim, config.theta(), yarn.originalMaxPosition());
      if (yarn.truncate()) {
        low = Math.floor(low);
        high = Math.ceil(high);
      }
      low = Math.max(low, 0);
      high = Math.min(high, headDim - 1);
      if (low == high) {
        high += 0.001;
      }
    }
    for (int i = 0; i < half; i++) {
      double plain = Math.pow(config.theta(), -2.0 * i / headDim);
      if (scaled) {
        double ramp = Math.clamp((i - low) / (high - low), 0.0, 1.0);
        plain = plain / yarn.factor() * ramp + plain * (1 - ramp);
      }
      inverseFrequency[i] = plain;
    }
    if (!scaled) {
      scaling = 1;
    } else {
      scaling =
          yarn.attentionFactor() > 0 ? yarn.attentionFactor() : 0.1 * Math.log(yarn.factor()) + 1;
    }
  }

  private static double correction(double rotations, int dim, double theta, int maxPosition) {
    return dim * Math.log(maxPosition / (rotations * 2 * Math.PI)) / (2 * Math.log(theta));
  }

  /** Radians a position of pair {@code i}, i below headDim / 2. */
  public double frequency(int i) {
    return inverseFrequency[i];
  }

  /** What cosines and sines are multiplied by. */
  public double scaling() {
    return scaling;
  }
}
