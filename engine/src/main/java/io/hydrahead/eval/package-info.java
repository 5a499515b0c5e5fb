/**
 * Evaluation on long contexts: RULER's needle, tracking and counting tasks, associative recall, a
 * phone book, perplexity.
 *
 * <p>{@link io.hydrahead.eval.ExampleSource} makes examples that fit a length, {@link
 * io.hydrahead.eval.Evaluator} asks a model and counts, {@link io.hydrahead.eval.Results} keeps the
 * numbers. The texts come from {@link io.hydrahead.data.TaskFamily}; to add a task, add it there
 * and to {@link io.hydrahead.eval.EvalTask}.
 */
package io.hydrahead.eval;
