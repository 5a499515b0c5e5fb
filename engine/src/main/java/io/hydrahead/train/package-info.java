/**
 * Training of whole models. A {@link io.hydrahead.train.TrainingJob} says what is trained (stages,
 * learners, rows); a {@link io.hydrahead.train.TrainingRun} does it, saves a {@link
 * io.hydrahead.train.RunState} now and then, and goes on from one bit by bit; {@link
 * io.hydrahead.train.Pretrainer} is the command's way in.
 */
package io.hydrahead.train;
