package io.hydrahead.plan;

import io.hydrahead.json.Fields;

/**
 * How the parameters that the teacher does not have are initialised. The switches of the heads
 * themselves are in {@link io.hydrahead.model.Style}.
 *
 * @param seed of everything random; a cell (layer, head) gets the same numbers in every plan
 * @param decay of the linear heads
 * @param projectionStd deviation of w_a and w_b, whose mean is 0
 * @param gateStd deviation of the linear heads' W_z, whose mean is 0
 * @param gateBias b of the full heads' gate σ(x W_z + b), whose W_z is 0: near 1 at 4
 * @param gamma how γ starts
 */
public record ConvertOptions(
    long seed, Decay decay, double projectionStd, double gateStd, double gateBias, Gamma gamma) {

  /**
   * A_log = log U(minA, maxA); dt_bias = softplus⁻¹(dt), dt log-uniform in [minDt, maxDt]
   * (HypeNet).
   */
  public record Decay(double minA, double maxA, double minDt, double maxDt) {
    /** HypeNet's values. */
    public static final Decay DEFAULT = new Decay(1, 16, 1e-3, 0.1);
  }

  /** How γ starts. */
  public enum Gamma {
    /**
     * Mean RMS of the teacher's head output divided by the gate at its start, so that W_o sees the
     * scale it was trained on. Without a fusion norm the outputs have their own scale: then γ only
     * makes up for the gate.
     */
    TEACHER_RMS,
    /** 1. */
    ONE
  }

  /**
   * HypeNet's decays (arXiv:2601.22156), deviations 0.02, a full head's gate near 1, γ measured.
   */
  public static final ConvertOptions DEFAULT =
      new ConvertOptions(0, Decay.DEFAULT, 0.02, 0.02, 4, Gamma.TEACHER_RMS);

  /** The same with another seed. */
  public ConvertOptions withSeed(long s) {
    return new ConvertOptions(s, decay, projectionStd, gateStd, gateBias, gamma);
  }

  /**
   * Reads {@code seed, decay_min_a, decay_max_a, decay_min_dt, decay_max_dt, projection_std,
   * gate_std, gate_bias, gamma} of a recipe; what is not there is as in {@link #DEFAULT}.
   */
  public static ConvertOptions read(Fields f) {
    ConvertOptions d = DEFAULT;
    Decay decay =
        new Decay(
            f.number("decay_min_a", 1e-6, 1e6, d.decay.minA()),
            f.number("decay_max_a", 1e-6, 1e6, d.decay.maxA()),
            f.number("decay_min_dt", 1e-9, 1e3, d.decay.minDt()),
            f.number("decay_max_dt", 1e-9, 1e3, d.decay.maxDt()));
    if (decay.minA() > decay.maxA()) {
      throw f.error("decay_min_a", "is above decay_max_a " + decay.maxA() + "; swap them");
    }
    if (decay.minDt() > decay.maxDt()) {
      throw f.error("decay_min_dt", "is above decay_max_dt " + decay.maxDt() + "; swap them");
    }
    return new ConvertOptions(
        f.count("seed", Long.MIN_VALUE, Long.MAX_VALUE, d.seed),
        decay,
        f.number("projection_std", 0, 10, d.projectionStd),
        f.number("gate_std", 0, 10, d.gateStd),
        f.number("gate_bias", -30, 30, d.gateBias),
        f.choice("gamma", Gamma.class, d.gamma));
  }
}
