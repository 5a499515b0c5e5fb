package io.hydrahead.train;

import io.hydrahead.json.Fields;
import io.hydrahead.model.TrainingPass;
import io.hydrahead.tensor.InputException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * One stage of a training recipe: so many tokens of one objective at one context length.
 *
 * @param name of the stage in logs
 * @param tokens tokens it sees, rounded up to whole steps
 * @param batching sizes of a step
 * @param trainable which parameters change: {@code all}, {@code attention}, or names with {@code *}
 * @param keepMoments go on with the optimiser's moments of the stage before
 * @param data the corpus, as the data package reads it
 */
public record Stage(
    String name,
    Objective objective,
    long tokens,
    Batching batching,
    AdamW.Settings optimizer,
    Schedule schedule,
    List<String> trainable,
    boolean keepMoments,
    Fields data) {

  /** What is minimised. */
  public sealed interface Objective {}

  /** Cross-entropy of the next token. */
  public record NextToken() implements Objective {}

  /**
   * Stage 1 of the transfer: mean over layers of ‖a_T − a_S‖² / ‖a_T‖², a the attention block's
   * output after W_o, with the teacher's hidden states as input to every layer.
   *
   * @param normalise divide by ‖a_T‖² of the micro-batch; otherwise by the number of elements
   */
  public record Align(boolean normalise) implements Objective {}

  /**
   * Stage 2: klWeight · KL(teacher ‖ student) + ceWeight · cross-entropy, temperature 1, the same
   * token weights for both.
   */
  public record Distil(float klWeight, float ceWeight) implements Objective {}

  /**
   * Sizes of a step.
   *
   * @param rows sequences a step
   * @param microRows sequences that are computed at once; divides {@code rows}
   * @param context T, tokens a sequence
   * @param recompute whether only each layer's input is kept for the backward pass and the rest
   *     computed again: less memory, a third more work, the same bits
   */
  public record Batching(int rows, int microRows, int context, boolean recompute) {
    /** Keeping all activations. */
    public Batching(int rows, int microRows, int context) {
      this(rows, microRows, context, false);
    }

    static Batching read(Fields f, int maxContext) {
      int context = f.integer("context", 8, maxContext);
      int rows = f.integer("rows", 1, 1 << 20);
      int micro = f.integer("micro_rows", 1, rows, rows);
      if (rows % micro != 0) {
        throw f.error("micro_rows", "must divide rows, " + rows);
      }
      return new Batching(rows, micro, context, f.flag("recompute", false));
    }

    /** What a pass with gradients keeps. */
    public TrainingPass.Options training() {
      return new TrainingPass.Options(true, recompute);
    }

    /** Micro-batches a step. */
    public int micros() {
      return rows / microRows;
    }

    /** Tokens a step. */
    public long tokens() {
      return (long) rows * context;
    }
  }

  /**
   * Reads a stage; {@code optimizer}, {@code schedule} and {@code data} fall back to those of the
   * whole recipe.
   *
   * @param objective what it minimises
   * @param trainable what trains unless the stage says otherwise
   */
  public static Stage read(Fields f, Fields recipe, Objective objective, String trainable) {
    return new Stage(
        f.text("name"),
        objective,
        f.count("tokens", 1, Long.MAX_VALUE / 4),
        Batching.read(f, 1 << 24),
        AdamW.Settings.read(section(f, recipe, "optimizer")),
        Schedule.read(section(f, recipe, "schedule")),
        f.has("trainable") ? f.texts("trainable") : List.of(trainable),
        f.flag("keep_moments", false),
        section(f, recipe, "data"));
  }

  /** Refuses two stages of one name in {@code recipe}: logs and data go by the name. */
  public static List<Stage> distinct(List<Stage> stages, Fields recipe) {
    Set<String> names = new HashSet<>();
    for (int i = 0; i < stages.size(); i++) {
      if (!names.add(stages.get(i).name())) {
        throw new InputException(
            recipe.source()
                + ": $.stages["
                + i
                + "].name = \""
                + stages.get(i).name()
                + "\" is the name of an earlier stage; give each its own");
      }
    }
    return List.copyOf(stages);
  }

  private static Fields section(Fields stage, Fields recipe, String name) {
    if (stage.has(name)) {
      return stage.object(name);
    }
    return name.equals("optimizer") ? recipe.objectOrEmpty(name) : recipe.object(name);
  }

  /** Steps of the stage. */
  public long steps() {
    return Math.ceilDiv(tokens, batching.tokens());
  }

  /** Whether a parameter of that name changes in this stage. */
  public Predicate<String> trains() {
    List<Pattern> patterns = trainable.stream().map(Stage::pattern).toList();
    return name -> patterns.stream().anyMatch(p -> p.matcher(name).matches());
  }

  private static Pattern pattern(String entry) {
    return switch (entry) {
      case "all" -> Pattern.compile(".*");
      case "attention" -> Pattern.compile("model\\.layers\\.\\d+\\.self_attn\\..*");
      default -> {
        StringBuilder regex = new StringBuilder();
        for (String part : entry.split("(?<=\\*)|(?=\\*)")) {
          regex.append(part.equals("*") ? ".*" : Pattern.quote(part));
        }
        yield Pattern.compile(regex.toString());
      }
    };
  }
}
