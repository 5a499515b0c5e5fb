/**
 * Runs a study: the {@link io.hydrahead.study.run.Worker}s of a {@link
 * io.hydrahead.study.run.StudyRun} make the {@link io.hydrahead.study.run.Unit}s that are missing
 * in a folder, each claimed by one worker at a time.
 */
package io.hydrahead.study.run;
