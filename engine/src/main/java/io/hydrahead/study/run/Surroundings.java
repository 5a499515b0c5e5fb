package io.hydrahead.study.run;

import io.hydrahead.tensor.Progress;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What a study's run needs from outside.
 *
 * @param say takes one line for a person
 * @param producer further fields of config.json
 * @param commit of the program
 * @param command the command line
 * @param threads for evaluation's text
 * @param workers that make units side by side, each with operations of its own
 */
public record Surroundings(
    Machine machine,
    Progress progress,
    Consumer<String> say,
    Map<String, String> producer,
    String commit,
    String command,
    int threads,
    int workers) {
  /** The same for a worker that reports elsewhere. */
  Surroundings with(Progress own, Consumer<String> ownLines) {
    return new Surroundings(machine, own, ownLines, producer, commit, command, threads, workers);
  }
}
