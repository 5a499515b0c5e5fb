package io.hydrahead.model;

/**
 * Frequencies of the rotary angles, in float64: at position p the angle of pair i is p · f_i. Where
 * only some dims turn, the first pairs are theirs and the others stand still, f_i = 0; {@link
 * #place} says which dims of a checkpoint's heads these pairs are.
 *
 * <p>YaRN: Peng et al., arXiv:2309.00071, with the ramp and attention factor of Hugging Face
 * transformers.
 */
public final class RotaryTable {
  private final double[] inverseFrequency;
  private final double scaling;

  /** Frequencies for heads of {@code headDim} (even). */
  public RotaryTable(RotaryConfig config, int headDim) {
    inverseFrequency = new double[headDim / 2];
    int dims = config.dims(headDim);
    int half = dims / 2;
    RotaryConfig.Yarn yarn = config.yarn();
    boolean scaled = yarn.factor() > 1;
    double low = 0;
    double high = 0;
    if (scaled) {
      low = correction(yarn.betaFast(), dims, config.theta(), yarn.originalMaxPosition());
      high = correction(yarn.betaSlow(), dims, config.theta(), yarn.originalMaxPosition());
      if (yarn.truncate()) {
        low = Math.floor(low);
        high = Math.ceil(high);
      }
      low = Math.max(low, 0);
      high = Math.min(high, dims - 1);
      if (low == high) {
        high += 0.001;
      }
    }
    for (int i = 0; i < half; i++) {
      double plain = Math.pow(config.theta(), -2.0 * i / dims);
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

  /**
   * Which dim of a head in a checkpoint is dim {@code i} here. There, the first {@code dims} of
   * {@code headDim} turn, half-split among themselves; here a head is half-split as a whole.
   */
  static int place(int i, int dims, int headDim) {
    int turning = dims / 2;
    int half = headDim / 2;
    int pair = i % half;
    boolean second = i >= half;
    if (pair < turning) {
      return second ? turning + pair : pair;
    }
    return dims + pair - turning + (second ? half - turning : 0);
  }
}
