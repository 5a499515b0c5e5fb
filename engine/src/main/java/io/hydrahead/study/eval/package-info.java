/**
 * Evaluation of the study's models: one haystack is read once and several questions are asked of
 * it, as branches of one pass; a cell is one task at one length, a file of its own that is written
 * when it is finished.
 *
 * <p>{@link io.hydrahead.study.eval.HaystackMaker} makes texts, {@link
 * io.hydrahead.study.eval.HaystackFiles} keeps them for the next model, {@link
 * io.hydrahead.study.eval.Asker} reads and asks, {@link io.hydrahead.study.eval.StudyEvaluator}
 * goes through the cells of a model.
 */
package io.hydrahead.study.eval;
