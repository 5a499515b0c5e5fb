package io.hydrahead.train;

import io.hydrahead.json.Fields;

/**
 * Learning rate by step: linear warm-up from 0 to {@code peak}, then a shape down to {@code last}.
 *
 * @param kind what follows the warm-up
 * @param peak learning rate after the warm-up
 * @param last learning rate of the last step; ignored by {@link Kind#CONSTANT}
 * @param warmupSteps steps of the warm-up; step 1 already has peak / warmupSteps
 * @param decayShare share of all steps over which {@link Kind#WSD} decays at the end
 */
public record Schedule(Kind kind, double peak, double last, int warmupSteps, double decayShare) {

  /** The shape after the warm-up. */
  public enum Kind {
    CONSTANT,
    /** Half a cosine from peak to last. */
    COSINE,
    /** A straight line from peak to last. */
    LINEAR,
    /** Warm-up, stable, decay: peak until the last {@code decayShare} of the steps, then a line. */
    WSD
  }

  /** Reads {@code {"kind", "lr", "final_lr", "warmup_steps", "decay_share"}}. */
  static Schedule read(Fields f) {
    Kind kind = f.choice("kind", Kind.class, Kind.COSINE);
    double peak = f.number("lr", 0, 10);
    double last = f.number("final_lr", 0, 10, kind == Kind.CONSTANT ? peak : 0.01 * peak);
    int warmup = f.integer("warmup_steps", 0, 1_000_000, 50);
    double share = f.number("decay_share", 0, 1, 0.2);
    f.end();
    return new Schedule(kind, peak, last, warmup, share);
  }

  /** Learning rate of {@code step}, which counts from 1 to {@code steps}. */
  public double at(long step, long steps) {
    if (step <= warmupSteps) {
      return peak * step / warmupSteps;
    }
    double after = Math.max(1, steps - warmupSteps);
    double x = Math.min(1, (step - warmupSteps) / after);
    return switch (kind) {
      case CONSTANT -> peak;
      case COSINE -> last + 0.5 * (peak - last) * (1 + StrictMath.cos(Math.PI * x));
      case LINEAR -> peak + (last - peak) * x;
      case WSD -> {
        double decay = Math.max(1, decayShare * steps);
        double into = Math.clamp((step - (steps - decay)) / decay, 0, 1);
        yield peak + (last - peak) * into;
      }
    };
  }
}
