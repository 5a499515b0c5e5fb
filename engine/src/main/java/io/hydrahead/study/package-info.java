/**
 * The study: many arms, several seeds, one recipe. {@link io.hydrahead.study.StudyRecipe} and
 * {@link io.hydrahead.study.ArmRecipe} say what is compared, {@code io.hydrahead.study.run} makes
 * what is missing in a run's folder.
 */
package io.hydrahead.study;
