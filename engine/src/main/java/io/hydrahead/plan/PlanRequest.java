package io.hydrahead.plan;

/**
 * What {@link PlanRules} is asked for.
 *
 * @param scores the probe's, or {@link HeadScores#none} where the rule needs none
 * @param seed of the random rule
 */
public record PlanRequest(
    HeadShape shape, Ratio ratio, PlanChoices choices, HeadScores scores, long seed) {

  /** A request with HydraHead's default choices. */
  public static PlanRequest of(HeadShape shape, Ratio ratio, HeadScores scores) {
    return new PlanRequest(shape, ratio, PlanChoices.DEFAULT, scores, 0);
  }

  /** A request whose rule needs no scores. */
  public static PlanRequest of(HeadShape shape, Ratio ratio, PlanChoices choices, long seed) {
    return new PlanRequest(shape, ratio, choices, HeadScores.none(shape), seed);
  }

  /** The same with other choices. */
  public PlanRequest with(PlanChoices c) {
    return new PlanRequest(shape, ratio, c, scores, seed);
  }
}
