package io.hydrahead.study.run;

import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.study.eval.KeptCells;
import io.hydrahead.study.results.StudyReport;
import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * Makes what is missing in a study's folder, unit by unit in the order of the recipe. Several
 * workers may do so at once, threads of one process or several processes: a unit belongs to the
 * worker that claims it first, the others go on with the next or wait for what they need. Whatever
 * is interrupted goes on where it stood.
 */
public final class StudyRun {
  private final StudyRecipe recipe;
  private final StudyFolder folder;
  private final Surroundings around;
  private final Foundation foundation;

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
    private List<Unit> of(Map<String, Unit> all, Predicate<Unit> done) {
      return needed(all, done).stream().filter(u -> stages.contains(u.stage())).toList();
    }

    /** What these need that is not done, beyond the stages. */
    private List<Unit> missing(Map<String, Unit> all, Predicate<Unit> done) {
      return needed(all, done).stream()
          .filter(u -> !stages.contains(u.stage()) && !done.test(u))
          .toList();
    }

    /** The units of this part and all that they need, of whatever stage. */
    private List<Unit> needed(Map<String, Unit> all, Predicate<Unit> done) {
      Set<String> names = new HashSet<>();
      boolean ofArms = stages.stream().anyMatch(s -> s.compareTo(StudyStage.TRAIN) >= 0);
      for (Unit u : all.values()) {
        boolean shared = u.arm().isEmpty() && !ofArms && new Part(stages, Set.of(), seeds).names(u);
        if (stages.contains(u.stage()) && (names(u) || shared)) {
          add(u, all, done, names);
        }
      }
      return all.values().stream().filter(u -> names.contains(u.name())).toList();
    }

    /** What is done needs nothing any more. */
    private static void add(
        Unit u, Map<String, Unit> all, Predicate<Unit> done, Set<String> names) {
      if (names.add(u.name()) && !done.test(u)) {
        u.needs().forEach(n -> add(all.get(n), all, done, names));
      }
    }
  }

  /**
   * What a run came to.
   *
   * @param done units that this process has finished
   * @param failures units that could not be made, and why
   * @param reported whether the report was written
   */
  public record Outcome(int done, Map<String, String> failures, boolean reported) {}

  public StudyRun(StudyRecipe recipe, StudyFolder folder, Surroundings around) {
    this.recipe = recipe;
    this.folder = folder;
    this.around = around;
    foundation = new Foundation(recipe, folder);
  }

  /** A line of a listing: a unit, whether it is done, and what it should take. */
  public record Planned(String unit, StudyStage stage, boolean done, String about, Size size) {}

  /**
   * What a run would do.
   *
   * @param units that it would look at, in order
   * @param missing what these need, is not there and is not part of the run
   * @param report where the report would be written, or why not; empty where none is asked for
   */
  public record Plan(List<Planned> units, List<Planned> missing, String report) {}

  /** What {@link #run} would look at, in order, without doing it. */
  public List<Planned> list(Part part) {
    return plan(part).units();
  }

  /**
   * What {@link #run} would do, without doing it.
   *
   * @throws InputException as {@link #run}, where it would begin nothing at all; what is missing is
   *     listed instead
   */
  public Plan plan(Part part) {
    foundation.check();
    Ledger ledger = new Ledger(around.machines().size());
    try (Workshop shop = new Workshop(recipe, folder, around, new Texts())) {
      Map<String, Unit> all = new Units(shop).all();
      return new Plan(
          planned(part.of(all, ledger::done), ledger),
          planned(part.missing(all, ledger::done), ledger),
          part.stages().contains(StudyStage.REPORT) ? foundation.reportPlan(part) : "");
    }
  }

  private static List<Planned> planned(List<Unit> units, Ledger ledger) {
    return units.stream()
        .map(u -> new Planned(u.name(), u.stage(), ledger.done(u), u.about(), u.size()))
        .toList();
  }

  /**
   * Makes what is missing.
   *
   * @throws InputException if the folder belongs to another recipe, a unit needs another one that
   *     is not part of this run and that nobody is making, or there is nothing to report; where
   *     nothing can be begun, nothing is written
   * @throws CancellationException when the user stops it
   */
  public Outcome run(Part part) {
    foundation.check();
    if (part.stages().equals(Set.of(StudyStage.REPORT))) {
      foundation.requireReportable();
    }
    Ledger ledger = new Ledger(around.machines().size());
    Texts texts = new Texts();
    boolean reported = false;
    try (Workshop shop = new Workshop(recipe, folder, around, texts)) {
      Map<String, Unit> all = new Units(shop).all();
      if (!foundation.begun()) {
        Foundation.requireBeginning(part.of(all, ledger::done), all, ledger);
      }
      foundation.lay();
      if (part.stages().contains(StudyStage.EVAL)) {
        for (String arm : recipe.arms().keySet()) {
          recipe.seeds().forEach(seed -> KeptCells.unpack(folder.results(arm, seed)));
        }
      }
      try {
        work(all, part, ledger, texts);
      } catch (RuntimeException e) {
        tellMade(shop, ledger, e);
        throw e;
      }
      boolean report = part.stages().contains(StudyStage.REPORT);
      boolean untold = !Files.exists(folder.results().resolve("study.json")); // a killed run's
      if (ledger.shown() || report && untold && Files.isDirectory(folder.results())) {
        StudyFacts.write(shop, ledger.shown());
      }
      if (report) {
        StudyFacts.tellArms(shop);
        reported = report();
      }
    }
    return new Outcome(ledger.count(), ledger.failures(), reported);
  }

  /** Makes the units of a part. */
  private void work(Map<String, Unit> all, Part part, Ledger ledger, Texts texts) {
    List<Unit> wanted = part.of(all, ledger::done);
    List<Unit> first =
        wanted.stream().filter(u -> u.stage() == StudyStage.TOKENIZER && !ledger.done(u)).toList();
    if (!first.isEmpty()) { // without it nothing tells which haystacks kept results are of
      new Worker(folder, around, all, first, ledger, 0).work();
      wanted = part.of(all, ledger::done);
    }
    if (workers() == 1) {
      new Worker(folder, around, all, wanted, ledger, 0).work();
    } else {
      together(wanted, ledger, texts);
    }
  }

  /** A run that is cut off by {@code e} says what it made, too. */
  private static void tellMade(Workshop shop, Ledger ledger, RuntimeException e) {
    if (ledger.shown()) {
      try {
        StudyFacts.write(shop, true);
      } catch (RuntimeException second) {
        e.addSuppressed(second);
      }
    }
  }

  private int workers() {
    return around.machines().size() * around.workers();
  }

  /**
   * Several workers, each a thread with operations, models and haystacks of its own; the devices
   * get them in turn.
   */
  private void together(List<Unit> wanted, Ledger ledger, Texts texts) {
    List<String> names = wanted.stream().map(Unit::name).toList();
    long there = wanted.stream().filter(ledger::done).count();
    int earlier = ledger.count();
    try (WorkersProgress line =
        new WorkersProgress(
            around.progress(),
            names.size(),
            () -> there + ledger.count() - earlier,
            ledger::stopped)) {
      List<Thread> threads = new ArrayList<>();
      for (int i = 1; i <= workers(); i++) {
        int device = (i - 1) % around.machines().size();
        Consumer<String> say = prefixed("worker " + i + ": ");
        Surroundings own = around.on(device, line.add(say), say);
        threads.add(
            Thread.ofPlatform()
                .name("study-" + i)
                .start(() -> work(names, ledger, texts, own, device)));
      }
      threads.forEach(t -> join(t, ledger));
    }
    ledger.rethrow();
  }

  private Consumer<String> prefixed(String prefix) {
    return text -> around.say().accept(prefix + text);
  }

  private void work(List<String> names, Ledger ledger, Texts texts, Surroundings own, int device) {
    try (Workshop shop = new Workshop(recipe, folder, own, texts)) {
      Map<String, Unit> all = new Units(shop).all();
      new Worker(folder, own, all, names.stream().map(all::get).toList(), ledger, device).work();
    } catch (RuntimeException | Error e) {
      ledger.ended(e);
    }
  }

  private static void join(Thread t, Ledger ledger) {
    boolean interrupted = false;
    while (t.isAlive()) {
      try {
        t.join();
      } catch (InterruptedException e) {
        interrupted = true;
        ledger.ended(new CancellationException("interrupted while workers were at work"));
        ledger.stop();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Tables and plots of what has been measured, where the recipe says which arm is which. */
  private boolean report() {
    if (recipe.roles().node().isEmpty()) {
      around.say().accept(Foundation.NO_ROLES);
      return false;
    }
    StudyReport.requireMeasured(folder.results());
    around.say().accept("report: " + folder.report());
    new StudyReport(folder.results()).write(folder.report(), around.command());
    return true;
  }
}
