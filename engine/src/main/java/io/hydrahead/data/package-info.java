/**
 * Training text: corpora of plain text, generated retrieval examples, and rows of tokens made of
 * both.
 *
 * <p>A {@link io.hydrahead.data.DataRecipe} names the sources and shares; {@link
 * io.hydrahead.data.TrainingText} makes rows from it; a {@link io.hydrahead.data.TaskFamily} makes
 * the texts of one task, for training and for evaluation. To add a task, add a constant there and
 * its {@link io.hydrahead.data.TaskGenerator}.
 */
package io.hydrahead.data;
