package io.hydrahead.cli;

import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What {@code bench serve} takes beside what every bench does. */
final class ServeBenchOptions {
  private static final int MOST_CLIENTS = 4096;
  private static final int SOAKING_CLIENTS = 4;

  /** Fewer tokens than these are gone before times count. */
  private static final int LEAST_REPLY = 2 * ServeCapacity.WARM_STEPS;

  private static final List<String> OF_OTHER_BENCHES =
      List.of("--batch", "--micro-rows", "--recompute");

  @Spec(Spec.Target.MIXEE)
  private CommandSpec bench;

  @Option(
      names = "--clients",
      paramLabel = "N",
      split = ",",
      description =
          "For serve: how many ask at once (default: 1,8,32, with --soak " + SOAKING_CLIENTS + ").")
  private List<Integer> clients;

  @Option(
      names = "--reply",
      paramLabel = "N",
      defaultValue = "128",
      description = "For serve: tokens of a reply (default: ${DEFAULT-VALUE}).")
  private int reply;

  @Option(
      names = "--mix",
      description = "For serve: prompts of all --contexts mixed, instead of a row for each.")
  private boolean mix;

  @Option(
      names = "--shared",
      paramLabel = "SHARE",
      defaultValue = "0",
      description =
          "For serve: share of prompts whose first half is the same text, 0 … 1 (default: ${DEFAULT-VALUE}).")
  private double shared;

  @Option(
      names = "--fairness",
      paramLabel = "N",
      description =
          "For serve: how long a prompt of --contexts waits for its first token beside a prompt of N"
              + " tokens that is being read, and alone.")
  private TokenCount fairness;

  @Option(
      names = "--capacity",
      description =
          "For serve: how many prompts of --contexts with their replies fit into the same memory with"
              + " each plan, and what that many do at once. Their caches hold noise. Where none fits,"
              + " that is the answer, and the exit code is 0 all the same.")
  private boolean capacity;

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      description =
          "With --capacity: memory of caches and states, such as 60G; default: what the largest weights leave.")
  private ByteCount memory;

  @Option(names = "--read", description = "With --capacity: read the prompts, instead of noise.")
  private boolean read;

  @Option(
      names = "--soak",
      paramLabel = "TIME",
      description =
          "For serve: a mixed load over HTTP for so long, such as 30m, and whether memory grows; loading"
              + " before it and the last replies after it take some seconds more. Exit code 1 if"
              + " memory grows or a request is lost; below 5m growth cannot be told.")
  private TimeSpan soak;

  @Option(
      names = "--checkpoint",
      paramLabel = "FOLDER",
      description = "With --soak: what is served (default: the bundled tiny hybrid).")
  private Path checkpoint;

  /**
   * @param serve whether serving is measured
   * @param contexts how many lengths there are
   * @throws InputException if they do not go together
   */
  void check(boolean serve, int contexts) {
    if (reply < 1) {
      throw new InputException("--reply must be at least 1, not " + reply);
    }
    for (int n : clients()) {
      if (n < 1 || n > MOST_CLIENTS) {
        throw new InputException("--clients must be from 1 to " + MOST_CLIENTS + ", not " + n);
      }
    }
    if (!(shared >= 0 && shared <= 1)) {
      throw new InputException("--shared must be from 0 to 1, not " + Values.spell(shared));
    }
    boolean fair = fairness != null;
    if (!serve && (mix || shared > 0 || fair || capacity || soak != null)) {
      throw new InputException(
          "--mix, --shared, --fairness, --capacity and --soak go with bench serve only");
    }
    if ((mix ? 1 : 0) + (fair ? 1 : 0) + (capacity ? 1 : 0) + (soak != null ? 1 : 0) > 1) {
      throw new InputException(
          "--mix, --fairness, --capacity and --soak are benches of their own: take one");
    }
    if (mix && contexts < 2) {
      throw new InputException("--mix needs several lengths: --contexts 256,1K,4K");
    }
    if (!capacity && (memory != null || read)) {
      throw new InputException("--memory and --read go with --capacity");
    }
    if (capacity && reply < LEAST_REPLY) {
      throw new InputException(
          "--reply must be at least %d with --capacity, not %d".formatted(LEAST_REPLY, reply));
    }
    if (soak == null && checkpoint != null) {
      throw new InputException("--checkpoint goes with --soak; other benches take a --shape");
    }
    if (soak != null && clients != null && clients.size() > 1) {
      throw new InputException("--soak takes one number of --clients, not " + clients);
    }
  }

  /** Names what was given and is of no use to the bench that was asked for. */
  void tellUnused(CommonOptions common) {
    List<String> useless = new ArrayList<>(OF_OTHER_BENCHES);
    String with = "bench serve";
    if (soaks()) {
      with = "--soak";
      useless.addAll(
          List.of("--shape", "--plan", "--contexts", "--reply", "--seconds", "--shared"));
    } else if (fair()) {
      with = "--fairness";
      useless.addAll(List.of("--clients", "--reply", "--shared"));
    } else if (capacity) {
      with = "--capacity";
      useless.addAll(List.of("--clients", "--shared"));
    }
    CommandLine.ParseResult given = bench.commandLine().getParseResult();
    useless.removeIf(o -> !given.hasMatchedOption(o));
    if (!useless.isEmpty()) {
      common.notice(
          "hydrahead: of no use with " + with + ", and ignored: " + String.join(", ", useless));
    }
  }

  List<Integer> clients() {
    return clients == null ? List.of(1, 8, 32) : clients;
  }

  int reply() {
    return reply;
  }

  boolean mix() {
    return mix;
  }

  double shared() {
    return shared;
  }

  boolean fair() {
    return fairness != null;
  }

  /** Tokens of the long prompt beside which others wait. */
  int farTokens() {
    return Math.toIntExact(fairness.tokens());
  }

  boolean capacity() {
    return capacity;
  }

  /** Memory of caches and states; null for what there is. */
  ByteCount memory() {
    return memory;
  }

  boolean read() {
    return read;
  }

  boolean soaks() {
    return soak != null;
  }

  Soak soak(CommonOptions common) {
    Path folder =
        checkpoint == null ? BuildInfo.home().resolve("models").resolve("tiny-hybrid") : checkpoint;
    return new Soak(common, folder, clients == null ? SOAKING_CLIENTS : clients.getFirst(), soak);
  }
}
