package io.hydrahead.study.stats;

import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The three statements: (A) causal 7:1 is not worse than layer-wise 3:1 by three points; (B) it is
 * better than random heads with equal cache and than layer-wise 5:1 and 11:1; (C) beyond the native
 * length it keeps 95% of its native recall.
 *
 * <p>A and B are one family of one-sided tests at level 0.025, adjusted by Holm; C is read off its
 * intervals.
 */
public final class Statements {
  /** Non-inferiority margin of A. */
  public static final double MARGIN = 0.03;

  /** What C asks to be kept. */
  public static final double KEPT = 0.95;

  /** One-sided, the level of a two-sided 95% interval. */
  public static final double ALPHA = 0.025;

  /** Below it a teacher has not learnt a family. */
  public static final double LEARNT = 0.8;

  /** Above it arms cannot be told apart. */
  public static final double CEILING = 0.98;

  /** Haystacks below which an interval of C decides nothing. */
  public static final int FEW = 10;

  /** Share of the measured lengths at which C's families must all be there: C looks far out. */
  private static final double FAR = 0.85;

  /** Name of B's test against the mean of the random draws. */
  public static final String RANDOM = "random heads, equal cache";

  /** Single-key needles. */
  public static final List<String> SINGLE =
      List.of("niah_single_1", "niah_single_2", "niah_single_3");

  /** Multi-key needles. */
  public static final List<String> MULTI =
      List.of("niah_multikey_1", "niah_multikey_2", "niah_multikey_3");

  /** The family of many needles whose every line is one: the hardest that is measured far out. */
  public static final String EVERY_LINE = "niah_multikey_2";

  private final StudyCells cells;
  private final Roles roles;
  private final int nativeLength;
  private final Bootstrap bootstrap;
  private final List<Family> families;
  private final List<Test> tests;
  private final Optional<Test> pooledA;
  private final List<Group> groups;
  private final List<Kept> kept;

  /**
   * Draws all that it tells.
   *
   * @param nativeLength of the teachers
   */
  public Statements(StudyCells cells, Roles roles, int nativeLength, Bootstrap bootstrap) {
    this.cells = cells;
    this.roles = roles;
    this.nativeLength = nativeLength;
    this.bootstrap = bootstrap;
    families = judge();
    tests = draw();
    pooledA = test("A", "all deciding families", List.of(roles.layer31()), deciding(), -MARGIN);
    groups = group();
    kept = keep();
  }

  /** Whether a family can decide anything. */
  public enum Verdict {
    DECIDES("decides"),
    NOT_LEARNT("decides nothing: the teacher has not learnt it"),
    AT_CEILING("decides nothing: every arm compared is above 98%"),
    MISSING("decides nothing: not measured on the teacher and all arms compared");

    private final String words;

    Verdict(String words) {
      this.words = words;
    }

    /** As a reader sees it. */
    public String words() {
      return words;
    }
  }

  /**
   * @param teacher recall of the teachers up to the native length; NaN where not measured
   * @param bySeed the same of each seed
   * @param lowest least recall, over all common lengths, of an arm compared; NaN likewise
   * @param only the one arm compared that is not at the ceiling, where all others are: the family
   *     decides through it alone; empty where there are more
   */
  public record Family(
      String task,
      Verdict verdict,
      double teacher,
      Map<Integer, Double> bySeed,
      double lowest,
      Optional<String> only) {}

  /** Every task's verdict, in their order. */
  public List<Family> families() {
    return families;
  }

  private List<Family> judge() {
    List<Family> out = new ArrayList<>();
    List<Integer> near = cells.lengths().stream().filter(l -> l <= nativeLength).toList();
    for (String task : cells.tasks()) {
      Map<Integer, Double> bySeed = cells.means(roles.vanilla(), List.of(task), near);
      double teacher = cells.mean(roles.vanilla(), List.of(task), near);
      List<Place> places = cells.common(roles.compared(), List.of(task), cells.lengths());
      List<Integer> lengths = places.stream().map(Place::length).toList();
      double lowest =
          roles.compared().stream()
              .mapToDouble(a -> cells.mean(a, List.of(task), lengths))
              .min()
              .orElse(Double.NaN);
      Verdict v =
          Double.isNaN(teacher) || Double.isNaN(lowest)
              ? Verdict.MISSING
              : teacher < LEARNT
                  ? Verdict.NOT_LEARNT
                  : lowest > CEILING ? Verdict.AT_CEILING : Verdict.DECIDES;
      List<String> below =
          roles.compared().stream()
              .filter(a -> cells.mean(a, List.of(task), lengths) <= CEILING)
              .toList();
      boolean one = v == Verdict.DECIDES && below.size() == 1;
      out.add(
          new Family(
              task, v, teacher, bySeed, lowest, below.stream().filter(a -> one).findFirst()));
    }
    return out;
  }

  /** Tasks that decide. */
  public List<String> deciding() {
    return families.stream().filter(f -> f.verdict() == Verdict.DECIDES).map(Family::task).toList();
  }

  /**
   * One test.
   *
   * @param name what is compared
   * @param places families and lengths that all arms compared have, on as many seeds as any
   * @param difference recall of causal 7:1 less the other's
   * @param seeds each seed's difference, with an interval over its own haystacks
   * @param bound that the difference must exceed
   * @param p one-sided, against a difference of at most {@code bound}
   * @param adjusted by Holm
   */
  public record Test(
      String statement,
      String name,
      Estimate difference,
      Map<Integer, Estimate> seeds,
      double bound,
      double p,
      double adjusted,
      List<Place> places) {
    public Test {
      seeds = Collections.unmodifiableMap(new TreeMap<>(seeds));
      places = List.copyOf(places);
    }

    /** The difference with training seeds as the unit; empty where there is only one. */
    public Optional<AcrossSeeds> acrossSeeds() {
      return AcrossSeeds.of(seeds.values().stream().map(Estimate::value).toList());
    }

    /** Whether the statement holds here. */
    public boolean holds() {
      return adjusted <= ALPHA;
    }

    /** Whether the interval excludes it. */
    public boolean refuted() {
      return difference.high() < bound;
    }

    /** In a word. */
    public String answer() {
      return holds() ? "holds" : refuted() ? "does not hold" : "open";
    }
  }

  /** All tests of A, by family, and of B, over all families that decide; Holm over all of them. */
  public List<Test> tests() {
    return tests;
  }

  /** Those of statement {@code A} or {@code B}. */
  public List<Test> tests(String statement) {
    return tests.stream().filter(t -> t.statement().equals(statement)).toList();
  }

  private List<Test> draw() {
    List<Test> raw = new ArrayList<>();
    List<String> deciding = deciding();
    for (String task : deciding) {
      test("A", task, List.of(roles.layer31()), List.of(task), -MARGIN).ifPresent(raw::add);
    }
    Map<String, List<String>> others = new LinkedHashMap<>();
    others.put(RANDOM, roles.random());
    others.put("layer-wise 5:1", List.of(roles.layer51()));
    others.put("layer-wise 11:1", List.of(roles.layer111()));
    others.forEach((name, arms) -> test("B", name, arms, deciding, 0).ifPresent(raw::add));
    double[] adjusted = Holm.adjust(raw.stream().mapToDouble(Test::p).toArray());
    List<Test> out = new ArrayList<>();
    for (int i = 0; i < adjusted.length; i++) {
      Test t = raw.get(i);
      out.add(
          new Test(
              t.statement(),
              t.name(),
              t.difference(),
              t.seeds(),
              t.bound(),
              t.p(),
              adjusted[i],
              t.places()));
    }
    return out;
  }

  private Optional<Test> test(
      String statement, String name, List<String> others, List<String> tasks, double bound) {
    List<String> arms = new ArrayList<>(others);
    arms.add(roles.causal());
    List<Place> places = cells.onMostSeeds(arms, cells.common(arms, tasks, cells.lengths()));
    return test(statement, name, cells.differences(roles.causal(), others, places), bound, places);
  }

  private Optional<Test> test(
      String statement,
      String name,
      Map<Integer, List<Part>> parts,
      double bound,
      List<Place> places) {
    if (parts.isEmpty()) {
      return Optional.empty();
    }
    Estimate e = bootstrap.mean(parts);
    double p = e.pAtMost(bound);
    return Optional.of(new Test(statement, name, e, bootstrap.each(parts), bound, p, p, places));
  }

  /** Random draws that collapsed in a seed, over the places of B's test of them. */
  public List<CollapsedDraws.Draw> collapsed() {
    return random()
        .map(t -> CollapsedDraws.of(cells, roles.random(), t.places()))
        .orElse(List.of());
  }

  /** B's test of random heads without the draws that collapsed; empty where none did. */
  public Optional<Test> randomWithoutCollapsed() {
    List<CollapsedDraws.Draw> collapsed = collapsed();
    if (collapsed.isEmpty()) {
      return Optional.empty();
    }
    return random()
        .flatMap(t ->
            test(
                t.statement(),
                t.name(),
                CollapsedDraws.differences(
                    cells, roles.causal(), roles.random(), collapsed, t.places()),
                t.bound(),
                t.places()));
  }

  /** Each random draw by itself over the places of B's test of them, outside the tests. */
  public Map<String, Test> eachDraw() {
    Map<String, Test> out = new LinkedHashMap<>();
    List<Place> places = random().map(Test::places).orElse(List.of());
    for (String draw : roles.random()) {
      test("B", draw, cells.differences(roles.causal(), List.of(draw), places), 0, places)
          .ifPresent(t -> out.put(draw, t));
    }
    return out;
  }

  private Optional<Test> random() {
    return tests.stream().filter(t -> t.name().equals(RANDOM)).findFirst();
  }

  /** A pooled over all families that decide: the headline of A, outside the family of tests. */
  public Optional<Test> pooledA() {
    return pooledA;
  }

  /**
   * Needles of one kind, over the same families at every length.
   *
   * @param name "single-key", "multi-key" or "multi-key, every line a needle"
   * @param tasks its families
   * @param whole whether these are all families of the kind that the teachers have learnt, where
   *     the other group of the same name has those that were measured far out too
   * @param hardest whether it is the one family of {@link #EVERY_LINE}, by itself
   */
  public record Group(String name, List<String> tasks, boolean whole, boolean hardest) {
    public Group {
      tasks = List.copyOf(tasks);
    }
  }

  /**
   * Recall at a length against that at the native length.
   *
   * @param near recall at the native length
   * @param recall at the length
   * @param kept share of the native recall; NaN values where that is 0
   */
  public record Kept(
      String arm, Group group, int length, double near, Estimate recall, Estimate kept) {
    /** Whether there are too few haystacks for an interval to mean anything. */
    public boolean few() {
      return recall.haystacks() < FEW;
    }

    /** In a word; nothing is kept of nothing. */
    public String answer() {
      if (few()) {
        return "open";
      }
      return kept.low() >= KEPT ? "holds" : kept.high() < KEPT ? "does not hold" : "open";
    }
  }

  /**
   * The groups that C speaks of, those measured far out first. A family of few keys can be at the
   * ceiling and hide what becomes of the hardest, so that one has a group of its own besides.
   */
  public List<Group> groups() {
    return groups;
  }

  private List<Group> group() {
    List<Group> far = new ArrayList<>();
    List<Group> whole = new ArrayList<>();
    Map<String, List<String>> kinds = new LinkedHashMap<>();
    kinds.put("single-key", learnt(SINGLE));
    kinds.put("multi-key", learnt(MULTI));
    kinds.forEach((name, tasks) -> {
      List<String> common = CommonFamilies.of(cells, roles.followed(), tasks, FAR);
      if (!common.isEmpty()) {
        far.add(new Group(name, common, common.equals(tasks), false));
      }
      if (tasks.contains(EVERY_LINE) && !common.equals(List.of(EVERY_LINE))) {
        far.add(new Group(name + ", every line a needle", List.of(EVERY_LINE), false, true));
      }
      if (!common.equals(tasks)) {
        whole.add(new Group(name, tasks, true, false));
      }
    });
    far.addAll(whole);
    return far;
  }

  /** C: needles of all groups, of families that decide or are at the ceiling. */
  public List<Kept> kept() {
    return kept;
  }

  private List<Kept> keep() {
    List<Kept> out = new ArrayList<>();
    for (String arm : roles.followed()) {
      for (Group group : groups) {
        for (int length : cells.lengths()) {
          if (length > nativeLength) {
            kept(arm, group, length).ifPresent(out::add);
          }
        }
      }
    }
    return out;
  }

  private List<String> learnt(List<String> kind) {
    return families.stream()
        .filter(f -> kind.contains(f.task()) && !(f.teacher() < LEARNT))
        .map(Family::task)
        .toList();
  }

  /** Empty where an arm lacks a family at the length or at the native one. */
  private Optional<Kept> kept(String arm, Group group, int length) {
    Map<Integer, List<Part>> above = cells.parts(arm, places(group, length));
    Map<Integer, List<Part>> below = cells.parts(arm, places(group, nativeLength));
    above.keySet().retainAll(below.keySet());
    below.keySet().retainAll(above.keySet());
    if (above.isEmpty()) {
      return Optional.empty();
    }
    double near = bootstrap.mean(below).value();
    return Optional.of(
        new Kept(arm, group, length, near, bootstrap.mean(above), bootstrap.ratio(above, below)));
  }

  private static List<Place> places(Group group, int length) {
    return group.tasks().stream().map(t -> new Place(t, length)).toList();
  }
}
