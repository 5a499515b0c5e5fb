/**
 * Runs a study: {@link io.hydrahead.study.run.StudyRun} makes the {@link
 * io.hydrahead.study.run.Unit}s that are missing in a folder, one after the other, each claimed by
 * one process at a time.
 */
package io.hydrahead.study.run;
