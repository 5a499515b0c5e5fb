package io.hydrahead.study;

import io.hydrahead.data.TaskStyle;
import io.hydrahead.json.Fields;
import io.hydrahead.json.MergePatch;
import io.hydrahead.json.Spelling;
import io.hydrahead.tensor.InputException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/**
 * What a study does.
 *
 * @param name of the study
 * @param teacher a pretraining recipe, or the folder of a Transformer that is there already
 * @param seeds numbers of the teachers; each has its own data, order and students
 * @param probe which heads matter
 * @param arms by name, in the order of the recipe
 * @param sweep learning rates tried first; none where {@link Sweep#factors} is empty
 * @param rounds what is trained and evaluated, in this order: the most telling first
 * @param rates how fast one device is, for estimates alone
 * @param speed what is timed at the end
 * @param roles which arm is which in the statistics
 * @param evaluation tasks, lengths and haystacks
 * @param json the recipe as it was read
 */
public record StudyRecipe(
    String name,
    Path teacher,
    List<Integer> seeds,
    Probe probe,
    Map<String, ArmRecipe> arms,
    Sweep sweep,
    List<Round> rounds,
    Rates rates,
    Optional<Speed> speed,
    Fields roles,
    Fields evaluation,
    JsonNode json) {

  /**
   * Sizes of the probe.
   *
   * @param length tokens of a prompt
   * @param pairs pairs a sub-probe
   * @param senderPairs pairs a sub-probe for the sender effect
   * @param texts plain texts for general ability
   * @param calibrationTexts texts on which the loudness of heads is measured
   */
  public record Probe(
      int length, int pairs, int senderPairs, int texts, int calibrationTexts, TaskStyle style) {}

  /**
   * Learning rates are chosen for one seed, on held-out development text, and shared by a family.
   *
   * @param seed that is looked at
   * @param share of each stage's tokens that a trial takes
   * @param factors of the recipe's own rates
   * @param beyond factors that are tried too, and not chosen from: they show whether the best rate
   *     lies at the edge of the factors
   * @param families the arm that is tried for each family
   */
  public record Sweep(
      int seed,
      double share,
      List<Double> factors,
      List<Double> beyond,
      Map<String, String> families) {
    /** Every factor that is tried. */
    public List<Double> all() {
      List<Double> out = new ArrayList<>(factors);
      out.addAll(beyond);
      return out;
    }
  }

  /** Arms that are trained, and the evaluation's grids that they then go through. */
  public record Round(List<String> arms, List<Integer> seeds, List<String> grids) {}

  /** Tokens a second of one device. */
  public record Rates(double pretrain, double transfer, double evaluate) {}

  /**
   * Arms whose speed is measured, one after the other on one device.
   *
   * @param seconds that reading is repeated for at each length
   */
  public record Speed(List<String> arms, int seed, List<Integer> lengths, double seconds) {}

  /**
   * Reads and checks a recipe and those of its arms.
   *
   * @throws InputException naming the file and the field that is wrong
   */
  public static StudyRecipe read(Path file) {
    Fields f = MergePatch.fields(file);
    String name = f.text("name");
    f.text("about", "");
    Path teacher = f.file("teacher");
    if (!Files.exists(teacher)) {
      throw f.error("teacher", "is not there; name a pretraining recipe or a model's folder");
    }
    List<Integer> seeds = integers(f, "seeds");
    Probe probe = probe(f.object("probe"));
    Map<String, ArmRecipe> arms = new LinkedHashMap<>();
    Path folder = file.toAbsolutePath().getParent();
    for (String entry : f.texts("arms")) {
      ArmRecipe arm = ArmRecipe.read(folder.resolve(entry).normalize());
      if (arms.put(arm.name(), arm) != null) {
        throw f.error("arms", "has two arms named " + arm.name() + "; give each its own name");
      }
    }
    Sweep sweep = sweep(f.objectOrEmpty("sweep"), arms.keySet());
    Fields evaluation = f.objectOrEmpty("evaluation");
    List<Round> rounds = new ArrayList<>();
    for (Fields r : f.objects("rounds")) {
      rounds.add(
          new Round(
              known(r, "arms", r.texts("arms"), arms.keySet()),
              r.has("seeds") ? integers(r, "seeds") : seeds,
              r.has("grids") ? grids(r, evaluation) : List.of()));
      r.end();
      if (!seeds.containsAll(rounds.getLast().seeds())) {
        throw r.error("seeds", "holds a seed that the study does not have: it has " + seeds);
      }
    }
    Fields rates = f.objectOrEmpty("rates");
    Rates speed =
        new Rates(
            rates.number("pretrain", 1, 1e12, 1e6),
            rates.number("transfer", 1, 1e12, 5e5),
            rates.number("evaluate", 1, 1e12, 1e6));
    rates.end();
    Speed measured = f.has("speed") ? speed(f.object("speed"), arms.keySet()) : null;
    Fields roles = f.objectOrEmpty("roles");
    f.end();
    StudyRecipe out =
        new StudyRecipe(
            name,
            teacher,
            seeds,
            probe,
            arms,
            sweep,
            rounds,
            speed,
            Optional.ofNullable(measured),
            roles,
            evaluation,
            f.node());
    out.requireReferences();
    return out;
  }

  private static Probe probe(Fields p) {
    Probe probe =
        new Probe(
            p.integer("length", 16, 1 << 20),
            p.integer("pairs", 1, 1000, 8),
            p.integer("sender_pairs", 0, 1000, 1),
            p.integer("texts", 0, 1000, 4),
            p.integer("calibration_texts", 1, 1000, 16),
            p.choice("style", TaskStyle.class, TaskStyle.RULER));
    p.end();
    return probe;
  }

  private static Sweep sweep(Fields s, Set<String> arms) {
    if (!s.has("factors")) {
      s.end();
      return new Sweep(0, 1, List.of(), List.of(), Map.of());
    }
    int seed = s.integer("seed", 0, 1 << 20, 0);
    double share = s.number("share", 1e-6, 1, 0.25);
    List<Double> factors = factors(s, "factors");
    List<Double> beyond = factors(s, "beyond");
    Fields f = s.object("families");
    Map<String, String> families = new LinkedHashMap<>();
    for (String family : f.node().propertyNames()) {
      families.put(family, known(f, family, List.of(f.text(family)), arms).getFirst());
    }
    f.end();
    s.end();
    return new Sweep(seed, share, factors, beyond, families);
  }

  private static List<Double> factors(Fields s, String field) {
    List<Double> out = new ArrayList<>();
    s.has(field);
    for (JsonNode n : s.node().path(field)) {
      if (!n.isNumber() || !(n.doubleValue() > 0)) {
        throw s.error(field, "must be a list of numbers above 0, such as [0.5, 1, 2]");
      }
      out.add(n.doubleValue());
    }
    return List.copyOf(out);
  }

  private static Speed speed(Fields s, Set<String> arms) {
    Speed out =
        new Speed(
            known(s, "arms", s.texts("arms"), arms),
            s.integer("seed", 0, 1 << 20, 0),
            integers(s, "lengths"),
            s.number("seconds", 0, 1e3, 0.5));
    s.end();
    return out;
  }

  private static List<String> known(Fields f, String field, List<String> names, Set<String> arms) {
    for (String n : names) {
      if (!arms.contains(n)) {
        throw f.error(
            field, "names an arm " + n + " that the study does not have: " + arms + meant(n, arms));
      }
    }
    return List.copyOf(names);
  }

  /** Grids of a round; what a recipe without an evaluation lacks is said where it is looked for. */
  private static List<String> grids(Fields round, Fields evaluation) {
    List<String> names = round.texts("grids");
    Collection<String> all = evaluation.node().path("grids").propertyNames();
    for (String n : names) {
      if (!evaluation.node().isEmpty() && !all.contains(n)) {
        throw round.error(
            "grids", "names a grid " + n + " that evaluation.grids lacks: " + all + meant(n, all));
      }
    }
    return names;
  }

  private static String meant(String name, Collection<String> there) {
    return Spelling.nearest(name, there.stream())
        .map(n -> "; did you mean \"" + n + "\"?")
        .orElse("");
  }

  private static List<Integer> integers(Fields f, String name) {
    f.has(name);
    List<Integer> out = new ArrayList<>();
    JsonNode list = f.node().path(name);
    for (JsonNode n : list) {
      if (!n.isIntegralNumber() || n.asInt(-1) < 0) {
        throw f.error(name, "must be a list of whole numbers from 0, such as [0, 1, 2]");
      }
      out.add(n.intValue());
    }
    if (out.isEmpty() || new HashSet<>(out).size() < out.size()) {
      throw f.error(name, "must be a list of different whole numbers, such as [0, 1, 2]");
    }
    return List.copyOf(out);
  }

  private void requireReferences() {
    for (ArmRecipe arm : arms.values()) {
      String other =
          switch (arm.source()) {
            case ArmRecipe.Of(String of, var scale, var base) -> of;
            case ArmRecipe.Student(ArmRecipe.EqualCache(String like, int draw), var t) -> like;
            default -> null;
          };
      if (other != null && !(arms.containsKey(other) && arms.get(other).trained())) {
        throw new InputException(
            arm.file() + ": goes by an arm " + other + " that the study does not train");
      }
      boolean swept = sweep.factors().isEmpty() || sweep.families().containsKey(arm.family());
      if (!arm.family().isEmpty() && !swept) {
        throw new InputException(
            arm.file()
                + ": is of the family "
                + arm.family()
                + ", which the study's sweep.families does not have: "
                + sweep.families().keySet());
      }
    }
  }

  /**
   * The data of the first arm that is trained, or else of the teachers: what the probe and the
   * evaluation read too.
   */
  public Fields data() {
    for (ArmRecipe arm : arms.values()) {
      if (arm.trained()) {
        Path file = arm.file().toAbsolutePath();
        return Fields.of(arm.transfer().path("data"), file.toString(), "$.data", file.getParent());
      }
    }
    if (pretrains()) {
      return MergePatch.fields(teacher).object("data");
    }
    throw new InputException("study " + name + ": nothing is trained, so it has no data");
  }

  /** The arm called {@code name}. */
  public ArmRecipe arm(String name) {
    return arms.get(name);
  }

  /** Whether the teachers are trained by the study. */
  public boolean pretrains() {
    return !Files.isDirectory(teacher);
  }
}
