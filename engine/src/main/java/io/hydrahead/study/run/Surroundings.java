package io.hydrahead.study.run;

import io.hydrahead.tensor.Progress;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * What a study's run needs from outside.
 *
 * @param machines the devices, at least one
 * @param say takes one line for a person
 * @param producer further fields of config.json
 * @param commit of the program
 * @param command the command line
 * @param threads for evaluation's text
 * @param workers that make units side by side on each device, each with operations of its own
 */
public record Surroundings(
    List<Machine> machines,
    Progress progress,
    Consumer<String> say,
    Map<String, String> producer,
    String commit,
    String command,
    int threads,
    int workers) {
  public Surroundings {
    if (machines.isEmpty()) {
      throw new IllegalArgumentException("a study needs a device");
    }
    machines = List.copyOf(machines);
  }

  /** The device of a worker; of a run with several, the first. */
  Machine machine() {
    return machines.getFirst();
  }

  /** The same for a worker on one of the devices, which reports elsewhere. */
  Surroundings on(int device, Progress own, Consumer<String> ownLines) {
    return new Surroundings(
        List.of(machines.get(device)), own, ownLines, producer, commit, command, threads, workers);
  }
}
