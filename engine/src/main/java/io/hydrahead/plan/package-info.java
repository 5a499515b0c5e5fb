/**
 * From scores to a hybrid: {@link io.hydrahead.plan.HeadScores} ({@code heads.json}) and a {@link
 * io.hydrahead.plan.Ratio} go through {@link io.hydrahead.plan.PlanRules} to a head plan ({@link
 * io.hydrahead.plan.PlanFile}, {@code plan.json}); {@link io.hydrahead.plan.MemoryPlan} says what
 * it will take, and the conversion makes the student's parameters from the teacher's.
 */
package io.hydrahead.plan;
