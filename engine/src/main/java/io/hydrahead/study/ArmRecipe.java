package io.hydrahead.study;

import io.hydrahead.json.Fields;
import io.hydrahead.json.MergePatch;
import io.hydrahead.model.Style;
import io.hydrahead.model.Style.LengthScale;
import io.hydrahead.plan.PlanChoices;
import io.hydrahead.plan.Ratio;
import io.hydrahead.transfer.TransferRecipe;
import java.nio.file.Path;
import java.util.OptionalDouble;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One arm of a study: a transfer recipe with an object {@code arm} that says which model it is. It
 * may extend another file, see {@link MergePatch}.
 *
 * @param name of the arm, as folders and tables have it: the file's field {@code name}
 * @param label for people
 * @param family whose learning-rate sweep it shares; empty: its rates are those written
 * @param source which model
 * @param file the recipe's file
 * @param transfer the transfer recipe as JSON, without {@code arm}; empty for arms that are not
 *     trained
 */
public record ArmRecipe(
    String name,
    String label,
    Group group,
    String family,
    Source source,
    Path file,
    ObjectNode transfer) {

  /** What an arm is there for. */
  public enum Group {
    CONTROL,
    LAYER,
    HEAD,
    ABLATION,
    FINAL
  }

  /** Which model an arm is. */
  public sealed interface Source {}

  /**
   * The teacher as it is.
   *
   * @param yarn whether its rotary embedding is scaled by YaRN, to each length on its own
   */
  public record Teacher(boolean yarn) implements Source {}

  /**
   * The model of another arm with another length scale, which is a matter of inference alone.
   *
   * @param base a of a logarithmic scale log_a(t + a)
   */
  public record Of(String arm, LengthScale lengthScale, double base) implements Source {
    /** The other arm's style with this length scale. */
    public Style style(Style other) {
      return other.withLengthScale(lengthScale, base);
    }
  }

  /**
   * A student of the teacher.
   *
   * @param theta base of its rotary embedding, where that is not the teacher's
   */
  public record Student(Selection selection, OptionalDouble theta) implements Source {}

  /** How the full heads are chosen. */
  public sealed interface Selection {}

  /** By the rules of {@code hydrahead plan}. */
  public record Rules(Ratio ratio, PlanChoices choices) implements Selection {}

  /** At random, with as many full heads and as many KV groups as the plan of another arm. */
  public record EqualCache(String like, int draw) implements Selection {}

  private enum Rule {
    CAUSAL,
    ATTENTION,
    RANDOM,
    FIXED,
    EQUAL_CACHE
  }

  /**
   * Reads and checks a recipe file.
   *
   * @throws io.hydrahead.tensor.InputException naming the file and the field that is wrong
   */
  public static ArmRecipe read(Path file) {
    ObjectNode whole = MergePatch.read(file);
    Path folder = file.toAbsolutePath().getParent();
    Fields f = Fields.of(whole, file.toString(), "$", folder);
    String name = f.text("name");
    if (!name.matches("[a-z0-9][a-z0-9._-]{0,60}")) {
      throw f.error("name", "must be lower-case letters, digits, '-', '.' or '_': folders have it");
    }
    Fields a = f.object("arm");
    String label = a.text("label");
    Group group = a.choice("group", Group.class);
    String family = a.text("family", "");
    Source source = source(a);
    a.end();
    ObjectNode transfer = whole.deepCopy();
    transfer.remove("arm");
    ArmRecipe arm = new ArmRecipe(name, label, group, family, source, file, transfer);
    if (source instanceof Student) {
      arm.recipe(transfer); // what is wrong in it is said now
    }
    return arm;
  }

  private static Source source(Fields a) {
    if (a.flag("teacher", false)) {
      return new Teacher(a.flag("yarn", false));
    }
    if (a.has("of")) {
      return new Of(
          a.text("of"),
          a.choice("length_scale", LengthScale.class),
          a.number("log_scale_base", 1.001, 1e9, Style.HYDRAHEAD.logScaleBase()));
    }
    OptionalDouble theta =
        a.has("rope_theta")
            ? OptionalDouble.of(a.number("rope_theta", 1, 1e12))
            : OptionalDouble.empty();
    return new Student(selection(a), theta);
  }

  private static Selection selection(Fields a) {
    Rule rule = a.has("rule") ? a.choice("rule", Rule.class) : null;
    if (rule == Rule.EQUAL_CACHE) {
      return new EqualCache(a.text("like"), a.integer("draw", 1, 1_000_000));
    }
    Ratio ratio = Ratio.parse(a.text("ratio"));
    PlanChoices d = PlanChoices.DEFAULT;
    PlanChoices.Axis axis = a.choice("axis", PlanChoices.Axis.class, d.axis());
    PlanChoices choices =
        d.with(axis)
            .with(
                rule == null
                    ? PlanChoices.Rule.defaultFor(axis)
                    : PlanChoices.Rule.valueOf(rule.name()))
            .with(a.choice("align", PlanChoices.Align.class, d.align()))
            .with(a.choice("floor", PlanChoices.Floor.class, d.floor()))
            .with(a.choice("quota", PlanChoices.Quota.class, d.quota()));
    return new Rules(ratio, choices);
  }

  /** Whether a model is trained for it. */
  public boolean trained() {
    return source instanceof Student;
  }

  /**
   * The transfer recipe of one run of this arm.
   *
   * @param seed added to the recipe's, of data, order and new parameters
   * @param rate factor of every learning rate
   * @param share of every stage's tokens
   */
  public ObjectNode transfer(int seed, double rate, double share) {
    ObjectNode out = transfer.deepCopy();
    out.put("seed", out.path("seed").asLong(1) + seed);
    ObjectNode initialise = out.withObject("/initialise");
    initialise.put("seed", initialise.path("seed").asLong(0) + seed);
    scale(out.path("schedule"), rate);
    for (JsonNode stage : (ArrayNode) out.path("stages")) {
      scale(stage.path("schedule"), rate);
      ((ObjectNode) stage).put("tokens", Math.round(stage.path("tokens").asDouble() * share));
    }
    return out;
  }

  private static void scale(JsonNode schedule, double rate) {
    for (String field : new String[] {"lr", "final_lr"}) {
      if (schedule.has(field) && rate != 1) {
        ((ObjectNode) schedule).put(field, schedule.path(field).asDouble() * rate);
      }
    }
  }

  /** Reads a form of this arm's transfer recipe. */
  public TransferRecipe recipe(ObjectNode form) {
    return TransferRecipe.read(
        Fields.of(form, file.toString(), "$", file.toAbsolutePath().getParent()));
  }
}
