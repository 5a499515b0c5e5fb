/**
 * The study's results document: tables and charts from the files that its runs left, and nothing
 * that is not in them.
 *
 * <p>{@link io.hydrahead.study.results.ResultsFolder} reads, {@link
 * io.hydrahead.study.results.StudyReport} writes.
 */
package io.hydrahead.study.results;
