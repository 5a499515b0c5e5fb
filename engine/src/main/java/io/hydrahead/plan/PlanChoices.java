package io.hydrahead.plan;

import java.util.Locale;

/**
 * The switches of a selection.
 *
 * @param axis single heads, or whole layers
 * @param rule what ranks them
 * @param align whether heads are spent on whole KV groups; single heads only
 * @param floor what every layer is sure to get; single heads only
 * @param quota whether layers compete for heads; single heads only
 */
public record PlanChoices(Axis axis, Rule rule, Align align, Floor floor, Quota quota) {
  /**
   * HydraHead's: the best heads by the causal probe, one at least a layer, aligned to KV groups.
   */
  public static final PlanChoices DEFAULT =
      new PlanChoices(Axis.HEAD, Rule.CAUSAL, Align.GROUP, Floor.HEAD, Quota.GLOBAL);

  /** The usual layer-wise hybrid: every so many layers, one whole row. */
  public static final PlanChoices LAYER_WISE = DEFAULT.with(Axis.LAYER).with(Rule.FIXED);

  /** What is selected. */
  public enum Axis {
    HEAD,
    /** Whole rows; n is rounded up. */
    LAYER
  }

  /** What ranks heads or rows. */
  public enum Rule {
    /** Scores of the causal probe. */
    CAUSAL,
    /** The probe's attention-score baseline. */
    ATTENTION,
    /** Drawn from the seed. */
    RANDOM,
    /** The same evenly spaced heads in every layer, or evenly spaced rows; no scores. */
    FIXED;

    /** The rule for an axis where the user names none. */
    public static Rule defaultFor(Axis axis) {
      return axis == Axis.HEAD ? CAUSAL : FIXED;
    }

    /** Whether it needs the probe's {@code heads.json}. */
    public boolean needsScores() {
      return this == CAUSAL || this == ATTENTION;
    }
  }

  /** How the KV cache enters the selection. */
  public enum Align {
    /** New heads come as whole KV groups; partners of kept groups, free in cache, one by one. */
    GROUP,
    /** Query heads one by one, whatever they cost in cache. */
    QUERY
  }

  /** What every layer is sure to get. */
  public enum Floor {
    /** Its best head. */
    HEAD,
    /** Its best whole KV group. */
    GROUP,
    NONE
  }

  /** Whether layers compete. */
  public enum Quota {
    /** One ranking over all layers. */
    GLOBAL,
    /** Every layer gets the same number of heads, up to one more. */
    LAYER
  }

  public PlanChoices with(Axis a) {
    return new PlanChoices(a, rule, align, floor, quota);
  }

  public PlanChoices with(Rule r) {
    return new PlanChoices(axis, r, align, floor, quota);
  }

  public PlanChoices with(Align a) {
    return new PlanChoices(axis, rule, a, floor, quota);
  }

  public PlanChoices with(Floor f) {
    return new PlanChoices(axis, rule, align, f, quota);
  }

  public PlanChoices with(Quota q) {
    return new PlanChoices(axis, rule, align, floor, q);
  }

  /** The spelling of a choice in files and on the command line. */
  static String text(Enum<?> choice) {
    return choice.name().toLowerCase(Locale.ROOT);
  }
}
