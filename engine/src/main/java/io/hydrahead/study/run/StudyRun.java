package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.study.results.StudyReport;
import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import tools.jackson.databind.JsonNode;

/**
 * Makes what is missing in a study's folder, unit by unit in the order of the recipe. Several
 * processes, each with a device of its own, may do so at once: a unit belongs to the process that
 * claims it first, the others go on with the next or wait for what they need. Whatever is
 * interrupted goes on where it stood.
 */
public final class StudyRun {
  private static final long PAUSE_MILLIS = 300;

  /** Looks at all units before it is said that nothing goes on: others may be between two. */
  private static final int IDLE_TURNS = 10;

  private final StudyRecipe recipe;
  private final StudyFolder folder;
  private final Surroundings around;
  private final Set<String> finished = new HashSet<>();
  private final long began = System.nanoTime();

  /**
   * What part of a study is to be made.
   *
   * @param stages kinds of work
   * @param arms by name; empty: all
   * @param seeds empty: all
   */
  public record Part(Set<StudyStage> stages, Set<String> arms, Set<Integer> seeds) {
    /** Everything. */
    public static final Part ALL = new Part(Set.of(StudyStage.values()), Set.of(), Set.of());

    private boolean names(Unit u) {
      boolean arm = arms.isEmpty() || arms.contains(u.arm());
      boolean seed = seeds.isEmpty() || u.seed() < 0 || seeds.contains(u.seed());
      return arm && seed;
    }

    /** The units of this part, with those that they need as far as the stages go. */
    private List<Unit> of(Map<String, Unit> all) {
      Set<String> names = new HashSet<>();
      boolean ofArms = stages.stream().anyMatch(s -> s.compareTo(StudyStage.TRAIN) >= 0);
      for (Unit u : all.values()) {
        boolean shared = u.arm().isEmpty() && !ofArms && new Part(stages, Set.of(), seeds).names(u);
        if (stages.contains(u.stage()) && (names(u) || shared)) {
          add(u, all, names);
        }
      }
      return all.values().stream()
          .filter(u -> names.contains(u.name()) && stages.contains(u.stage()))
          .toList();
    }

    private static void add(Unit u, Map<String, Unit> all, Set<String> names) {
      if (names.add(u.name())) {
        u.needs().forEach(n -> add(all.get(n), all, names));
      }
    }
  }

  /**
   * What a run came to.
   *
   * @param done units that this process has finished
   * @param failures units that could not be made, and why
   */
  public record Outcome(int done, Map<String, String> failures) {}

  public StudyRun(StudyRecipe recipe, StudyFolder folder, Surroundings around) {
    this.recipe = recipe;
    this.folder = folder;
    this.around = around;
  }

  /** A line of a listing: a unit, whether it is done, and the seconds it should take. */
  public record Planned(
      String unit, StudyStage stage, boolean done, String about, double seconds) {}

  /** What {@link #run} would look at, in order, without doing it. */
  public List<Planned> list(Part part) {
    try (Workshop shop = new Workshop(recipe, folder, around)) {
      return part.of(new Units(shop).all()).stream()
          .map(u ->
              new Planned(u.name(), u.stage(), u.done().getAsBoolean(), u.about(), u.seconds()))
          .toList();
    }
  }

  /**
   * Makes what is missing.
   *
   * @throws InputException if the folder belongs to another recipe, or a unit needs another one
   *     that is not part of this run and that nobody is making
   * @throws CancellationException when the user stops it
   */
  public Outcome run(Part part) {
    requireSameRecipe();
    Map<String, String> failures = new LinkedHashMap<>();
    int done = 0;
    try (Workshop shop = new Workshop(recipe, folder, around)) {
      Map<String, Unit> all = new Units(shop).all();
      List<Unit> wanted = part.of(all);
      int idle = 0;
      while (true) {
        Turn turn = turn(wanted, all, failures);
        if (turn.made()) {
          done++;
          idle = 0;
        } else if (turn.stuck().isEmpty() && !turn.busy()) {
          break;
        } else if (!turn.busy() && idle++ >= IDLE_TURNS) {
          throw new InputException(turn.stuck().get());
        } else {
          pause();
        }
      }
      boolean report = part.stages().contains(StudyStage.REPORT);
      boolean untold =
          !Files.exists(folder.results().resolve("study.json")); // an interrupted run's
      if (done > 0 || report && untold && Files.isDirectory(folder.results())) {
        StudyFacts.write(shop);
      }
      if (report) {
        report();
      }
    }
    return new Outcome(done, failures);
  }

  /** Tables and plots of what has been measured, where the recipe says which arm is which. */
  private void report() {
    if (recipe.roles().node().isEmpty()) {
      return;
    }
    if (!Files.isDirectory(folder.results())) {
      throw new InputException(
          folder.results()
              + ": nothing has been measured yet; run the study's other stages first, or copy a"
              + " report's study/raw there");
    }
    around.say().accept("report: " + folder.report());
    new StudyReport(folder.results()).write(folder.report(), around.command());
  }

  /**
   * One look at all units.
   *
   * @param made whether one was made or has failed
   * @param busy whether others are at work on something that is missing
   * @param stuck what is missing that nobody makes
   */
  private record Turn(boolean made, boolean busy, Optional<String> stuck) {}

  private Turn turn(List<Unit> wanted, Map<String, Unit> all, Map<String, String> failures) {
    boolean busy = false;
    Optional<String> stuck = Optional.empty();
    for (Unit u : wanted) {
      if (failures.containsKey(u.name()) || done(u)) {
        continue;
      }
      Optional<String> failed = failed(u, all, failures);
      if (failed.isPresent()) {
        failures.put(u.name(), failed.get());
        around.say().accept(u.name() + ": left out: " + failed.get());
        continue;
      }
      List<String> missing = u.needs().stream().filter(n -> !done(all.get(n))).toList();
      if (!missing.isEmpty()) {
        boolean coming = missing.stream().anyMatch(n -> Claim.taken(folder.claim(n)));
        busy |= coming;
        boolean mine = missing.stream().map(all::get).allMatch(wanted::contains);
        if (!coming && !mine && stuck.isEmpty()) {
          stuck =
              Optional.of(
                  u.name()
                      + " needs "
                      + String.join(", ", missing)
                      + ", which this run does not make and no other is making; leave --stage out,"
                      + " or run that stage first");
        }
        continue;
      }
      Optional<Claim> claim = Claim.take(folder.claim(u.name()));
      if (claim.isEmpty()) {
        busy = true;
        continue;
      }
      try (Claim _ = claim.get()) {
        if (done(u)) { // another process has finished it a moment ago
          continue;
        }
        make(u, failures);
      }
      return new Turn(true, busy, stuck);
    }
    return new Turn(false, busy, stuck);
  }

  private boolean done(Unit u) {
    if (finished.contains(u.name())) {
      return true;
    }
    boolean done = u.done().getAsBoolean();
    if (done) {
      finished.add(u.name());
    }
    return done;
  }

  private Optional<String> failed(Unit u, Map<String, Unit> all, Map<String, String> failures) {
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
      if (!done(other) && (failures.containsKey(n) || Files.isRegularFile(folder.failure(n)))) {
        return Optional.of("it needs " + n + ", which failed");
      }
    }
    return Optional.empty();
  }

  private void make(Unit u, Map<String, String> failures) {
    around.say().accept(String.format(Locale.ROOT, "[%4.0f s] %s", seconds(), u.name()));
    try {
      around.progress().throwIfCancelled();
      u.work().run();
    } catch (CancellationException e) {
      throw new CancellationException(
          "interrupted in " + u.name() + "; the same command goes on from there");
    } catch (InputException e) {
      failures.put(u.name(), e.getMessage());
      AtomicFile.write(folder.failure(u.name()), e.getMessage() + "\n");
      around.say().accept(u.name() + ": " + e.getMessage());
    } catch (RuntimeException e) { // ours to mend; a next run leaves the unit out
      AtomicFile.write(folder.failure(u.name()), e + "\n");
      throw e;
    }
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
      throw new CancellationException("interrupted while waiting for other processes");
    }
  }

  /** The recipe and those of the arms lie in the folder; another one is refused. */
  private void requireSameRecipe() {
    var whole = Json.object();
    whole.set("study", recipe.json());
    var arms = whole.putObject("arms");
    recipe.arms().forEach((name, arm) -> arms.set(name, arm.transfer()));
    Path file = folder.root().resolve("recipe.json");
    if (Files.isRegularFile(file)) {
      JsonNode there = Json.read(file);
      for (String field : new String[] {"teacher", "seeds", "probe", "sweep"}) {
        if (!there.path("study").path(field).equals(recipe.json().path(field))) {
          throw new InputException(
              folder.root()
                  + ": was begun with another \""
                  + field
                  + "\" in its recipe; take another -o, or the recipe it was begun with: "
                  + file);
        }
      }
      List<String> changed = new ArrayList<>();
      recipe
          .arms()
          .forEach((name, arm) -> {
            JsonNode before = there.path("arms").path(name);
            if (!before.isMissingNode() && !before.equals(arm.transfer())) {
              changed.add(name);
            }
          });
      if (!changed.isEmpty()) {
        throw new InputException(
            folder.root()
                + ": was begun with other recipes of the arms "
                + String.join(", ", changed)
                + "; take another -o, or give the changed arms other names");
      }
    }
    try {
      Files.createDirectories(folder.root());
    } catch (IOException e) {
      throw new UncheckedIOException(folder.root() + ": cannot be created", e);
    }
    AtomicFile.write(file, whole, true);
  }
}
