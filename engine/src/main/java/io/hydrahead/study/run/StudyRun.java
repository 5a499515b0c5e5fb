package io.hydrahead.study.run;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.checkpoint.OutputFolder;
import io.hydrahead.json.Json;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.study.StudyStage;
import io.hydrahead.study.eval.KeptCells;
import io.hydrahead.study.results.StudyReport;
import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.function.Predicate;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

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
      Set<String> names = new HashSet<>();
      boolean ofArms = stages.stream().anyMatch(s -> s.compareTo(StudyStage.TRAIN) >= 0);
      for (Unit u : all.values()) {
        boolean shared = u.arm().isEmpty() && !ofArms && new Part(stages, Set.of(), seeds).names(u);
        if (stages.contains(u.stage()) && (names(u) || shared)) {
          add(u, all, done, names);
        }
      }
      return all.values().stream()
          .filter(u -> names.contains(u.name()) && stages.contains(u.stage()))
          .toList();
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
   */
  public record Outcome(int done, Map<String, String> failures) {}

  public StudyRun(StudyRecipe recipe, StudyFolder folder, Surroundings around) {
    this.recipe = recipe;
    this.folder = folder;
    this.around = around;
  }

  /** A line of a listing: a unit, whether it is done, and what it should take. */
  public record Planned(String unit, StudyStage stage, boolean done, String about, Size size) {}

  /** What {@link #run} would look at, in order, without doing it. */
  public List<Planned> list(Part part) {
    Ledger ledger = new Ledger(around.machines().size());
    try (Workshop shop = new Workshop(recipe, folder, around, new Texts())) {
      return part.of(new Units(shop).all(), ledger::done).stream()
          .map(u -> new Planned(u.name(), u.stage(), ledger.done(u), u.about(), u.size()))
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
    if (part.stages().contains(StudyStage.EVAL)) {
      for (String arm : recipe.arms().keySet()) {
        recipe.seeds().forEach(seed -> KeptCells.unpack(folder.results(arm, seed)));
      }
    }
    Ledger ledger = new Ledger(around.machines().size());
    Texts texts = new Texts();
    try (Workshop shop = new Workshop(recipe, folder, around, texts)) {
      Map<String, Unit> all = new Units(shop).all();
      List<Unit> wanted = part.of(all, ledger::done);
      List<Unit> first =
          wanted.stream()
              .filter(u -> u.stage() == StudyStage.TOKENIZER && !ledger.done(u))
              .toList();
      if (!first.isEmpty()) { // without it nothing tells which haystacks kept results are of
        new Worker(folder, around, all, first, ledger, 0).work();
        wanted = part.of(all, ledger::done);
      }
      if (workers() == 1) {
        new Worker(folder, around, all, wanted, ledger, 0).work();
      } else {
        together(wanted, ledger, texts);
      }
      boolean report = part.stages().contains(StudyStage.REPORT);
      boolean untold =
          !Files.exists(folder.results().resolve("study.json")); // an interrupted run's
      if (ledger.count() > 0 || report && untold && Files.isDirectory(folder.results())) {
        StudyFacts.write(shop);
      }
      if (report) {
        StudyFacts.tellArms(shop);
        report();
      }
    }
    return new Outcome(ledger.count(), ledger.failures());
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
   * What other units follow from: trials beyond the factors that are chosen from change nothing.
   */
  private static JsonNode chosen(JsonNode study, String field) {
    JsonNode value = study.path(field).deepCopy();
    if (value instanceof ObjectNode o) {
      o.remove("beyond");
    }
    return value;
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
        if (!chosen(there.path("study"), field).equals(chosen(recipe.json(), field))) {
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
    OutputFolder.create(folder.root());
    AtomicFile.write(file, whole, true);
  }
}
