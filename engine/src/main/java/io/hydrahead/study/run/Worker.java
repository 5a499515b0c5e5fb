package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CancellationException;

/**
 * Makes units one after the other, those that it claims before others do, and waits for what others
 * make and it needs. Works on one device.
 */
final class Worker {
  private static final long PAUSE_MILLIS = 300;

  /** Looks at all units before it is said that nothing goes on: others may be between two. */
  private static final int IDLE_TURNS = 10;

  private final StudyFolder folder;
  private final Surroundings around;
  private final Map<String, Unit> all;
  private final List<Unit> wanted;
  private final Ledger ledger;
  private final int device;
  private final long began = System.nanoTime();

  /**
   * @param all units
   * @param wanted of them, in order
   * @param device which of the run's it works on
   */
  Worker(
      StudyFolder folder,
      Surroundings around,
      Map<String, Unit> all,
      List<Unit> wanted,
      Ledger ledger,
      int device) {
    this.folder = folder;
    this.around = around;
    this.all = all;
    this.wanted = wanted;
    this.ledger = ledger;
    this.device = device;
  }

  /**
   * Goes on until everything is made or has failed.
   *
   * @throws InputException if a unit needs another one that is not wanted and that nobody is making
   * @throws CancellationException when the user stops it
   */
  void work() {
    int idle = 0;
    while (true) {
      Turn turn = turn();
      if (turn.made()) {
        ledger.made();
        idle = 0;
      } else if (turn.stuck().isEmpty() && !turn.busy()) {
        return;
      } else if (!turn.busy() && idle++ >= IDLE_TURNS) {
        throw new InputException(turn.stuck().get());
      } else {
        pause();
      }
    }
  }

  /**
   * One look at all units.
   *
   * @param made whether one was made or has failed
   * @param busy whether others are at work on something that is missing
   * @param stuck what is missing that nobody makes
   */
  private record Turn(boolean made, boolean busy, Optional<String> stuck) {}

  private Turn turn() {
    boolean busy = false;
    Optional<String> stuck = Optional.empty();
    for (Unit u : wanted) {
      if (ledger.failures().containsKey(u.name()) || ledger.done(u)) {
        continue;
      }
      Optional<String> failed = failed(u);
      if (failed.isPresent()) {
        ledger.failures().put(u.name(), failed.get());
        around.say().accept(u.name() + ": left out: " + failed.get());
        continue;
      }
      List<String> missing = ledger.lacks(u, all);
      if (!missing.isEmpty()) {
        boolean coming =
            missing.stream().anyMatch(n -> Claim.taken(folder.claim(all.get(n).claim())));
        busy |= coming;
        boolean mine = missing.stream().map(all::get).allMatch(wanted::contains);
        if (!coming && !mine && stuck.isEmpty()) {
          stuck = Optional.of(stuck(u, missing));
        }
        continue;
      }
      Claimed claimed = claim(u);
      if (claimed == Claimed.MADE) {
        return new Turn(true, busy, stuck);
      }
      busy |= claimed == Claimed.BUSY;
    }
    return new Turn(false, busy, stuck);
  }

  /** Why {@code u} cannot be made. */
  static String stuck(Unit u, List<String> missing) {
    return u.name()
        + " needs "
        + String.join(", ", missing)
        + ", which this run does not make and no other is making; leave --stage out, or run that"
        + " stage first";
  }

  /** What came of trying to make a unit. */
  private enum Claimed {
    MADE,
    /** Another worker had made it a moment ago. */
    DONE,
    /** Another worker is at it, or it is not this device's turn. */
    BUSY
  }

  private Claimed claim(Unit u) {
    if (!ledger.devices().begin(device, u.alone())) {
      return Claimed.BUSY;
    }
    try {
      Optional<Claim> claim = Claim.take(folder.claim(u.claim()));
      if (claim.isEmpty()) {
        return Claimed.BUSY;
      }
      try (Claim _ = claim.get()) {
        if (ledger.failures().containsKey(u.name()) || ledger.done(u)) {
          return Claimed.DONE;
        }
        make(u);
        return Claimed.MADE;
      }
    } finally {
      ledger.devices().end(device);
    }
  }

  private Optional<String> failed(Unit u) {
    Path file = folder.failure(u.name());
    if (Files.isRegularFile(file)) {
      try {
        return Optional.of(Files.readString(file).strip() + " (to try again, remove " + file + ")");
      } catch (IOException e) {
        return Optional.of("failed before");
      }
    }
    for (String n : u.needs()) {
      Unit other = all.get(n);
      if (!ledger.done(other)
          && (ledger.failures().containsKey(n) || Files.isRegularFile(folder.failure(n)))) {
        return Optional.of("it needs " + n + ", which failed");
      }
    }
    return Optional.empty();
  }

  private void make(Unit u) {
    around.say().accept(String.format(Locale.ROOT, "[%4.0f s] %s", seconds(), u.name()));
    try {
      around.progress().throwIfCancelled();
      u.work().run();
      if (u.shown()) {
        ledger.show();
      }
    } catch (CancellationException e) {
      throw new CancellationException(
          "interrupted in " + u.name() + "; the same command goes on from there");
    } catch (InputException e) {
      ledger.failures().put(u.name(), e.getMessage());
      AtomicFile.write(folder.failure(u.name()), e.getMessage() + "\n");
      around.say().accept(u.name() + ": " + e.getMessage());
    } catch (RuntimeException e) {
      throw broken(u, e);
    }
  }

  /**
   * Ours to mend; a next run leaves the unit out. Where another worker has failed before, this
   * failure may come of that one.
   */
  private RuntimeException broken(Unit u, RuntimeException e) {
    if (!ledger.stopped()) {
      AtomicFile.write(folder.failure(u.name()), e + "\n");
    }
    return e instanceof UncheckedIOException
        ? e
        : new IllegalStateException(u.name() + ": " + e, e);
  }

  private double seconds() {
    return (System.nanoTime() - began) / 1e9;
  }

  private void pause() {
    around.progress().throwIfCancelled();
    try {
      Thread.sleep(PAUSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while waiting for other workers");
    }
  }
}
