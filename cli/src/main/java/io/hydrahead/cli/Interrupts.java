package io.hydrahead.cli;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import sun.misc.Signal;

/**
 * Ctrl-C, TERM, and a terminal that is closed. Work that polls {@link #requested} gets time to end
 * tidily; a second signal, or work that does not poll, ends the process at once. Unfinished outputs
 * are removed either way (by their own {@code finally}, or by the engine's shutdown hook), and the
 * exit code is 130; a server that TERM stopped, and that answered all it had begun, ends with 0.
 */
final class Interrupts {
  private static volatile Duration grace = Duration.ofSeconds(60);
  private static final AtomicInteger POLLING = new AtomicInteger();
  private static volatile boolean requested;
  private static volatile boolean terminated;

  private Interrupts() {}

  /** Takes over INT, TERM and HUP for this process, but for those that it was born to ignore. */
  static void install(PrintWriter err) {
    for (String name : new String[] {"INT", "TERM", "HUP"}) {
      try {
        Signal.handle(new Signal(name), s -> onSignal(name, err));
      } catch (IllegalArgumentException e) {
        // The JVM was started with -Xrs, or the platform lacks this signal: the default stays.
      }
    }
  }

  private static void onSignal(String name, PrintWriter err) {
    if (requested) {
      abort();
    }
    boolean polled = POLLING.get() > 0;
    terminated = name.equals("TERM");
    requested = true;
    err.println();
    if (!polled) {
      err.println("hydrahead: interrupted");
      err.flush();
      abort();
    }
    err.println("hydrahead: stopping; interrupt again to stop at once");
    err.flush();
    Thread.ofPlatform()
        .daemon()
        .name("hydrahead-interrupt-grace")
        .start(() -> {
          try {
            Thread.sleep(grace);
            abort();
          } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
          }
        });
  }

  private static void abort() {
    System.exit(ExitCode.INTERRUPTED);
  }

  /** How long work that polls may take to end, if a minute does not suffice. */
  static void grace(Duration longest) {
    grace = longest;
  }

  /** Whether the user asked to stop. */
  static boolean requested() {
    return requested;
  }

  /** Whether it was TERM that asked: the ordinary way to stop what runs for others. */
  static boolean terminated() {
    return requested && terminated;
  }

  /** Says that work which polls has begun; {@link #pollingEnds} says that it is over. */
  static void pollingBegins() {
    POLLING.incrementAndGet();
  }

  static void pollingEnds() {
    POLLING.decrementAndGet();
  }

  /** For tests: as if the user had asked to stop, or not. */
  static void request(boolean value) {
    terminated = false;
    requested = value;
  }
}
