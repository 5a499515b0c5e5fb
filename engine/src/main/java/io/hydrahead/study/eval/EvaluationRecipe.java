package io.hydrahead.study.eval;

import io.hydrahead.data.Haystack;
import io.hydrahead.data.PlainText;
import io.hydrahead.data.Split;
import io.hydrahead.data.TaskFamily;
import io.hydrahead.data.TaskStyle;
import io.hydrahead.data.TextHaystack;
import io.hydrahead.eval.Lengths;
import io.hydrahead.json.Fields;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How a study's models are evaluated. Every field has a default but the grids:
 *
 * <pre>{@code
 * {
 *   "seed": 2026,                      of the haystacks; a model of seed n sees those of seed + n
 *   "style": "varied", "haystack": "prose", "digits": 7, "questions": 8,
 *   "invented_words": 0,               share of words that are of no list, 0 to 1
 *   "grids": {
 *     "short": [{"tasks": ["niah_single_1", "mqar"], "lengths": ["4K", "32K"], "haystacks": 50},
 *               {"tasks": ["perplexity"], "lengths": ["32K"], "haystacks": 16,
 *                "split": "test"}]    of "dev" in a grid, reports show nothing
 *   },
 *   "dev": [{"tasks": ["niah_multikey_1"], "lengths": ["4K"], "haystacks": 16}]
 * }
 * }</pre>
 *
 * @param seed of the haystacks of model seed 0
 * @param style wording
 * @param haystack what needles hide in
 * @param digits of the numbers
 * @param invented share of single words that are invented rather than listed ones, where there are
 *     enough of these
 * @param grids cells by the name of their grid, of the test split where they name none
 * @param dev cells that tuning looks at, of the development split
 */
public record EvaluationRecipe(
    long seed,
    TaskStyle style,
    HaystackKind haystack,
    int digits,
    double invented,
    Map<String, List<CellSpec>> grids,
    List<CellSpec> dev) {

  /** What needles hide in where the task leaves it open. */
  public enum HaystackKind {
    NOISE,
    PROSE,
    /** Lines of the held-out text. */
    TEXT;

    Haystack of(PlainText heldOut, Split split) {
      return switch (this) {
        case NOISE -> Haystack.NOISE;
        case PROSE -> Haystack.PROSE;
        case TEXT -> new TextHaystack(heldOut, split);
      };
    }
  }

  /**
   * Reads and checks the object.
   *
   * @throws InputException naming the field that is wrong
   */
  public static EvaluationRecipe read(Fields f) {
    long seed = f.count("seed", 0, Long.MAX_VALUE / 2, 2026);
    TaskStyle style = f.choice("style", TaskStyle.class, TaskStyle.VARIED);
    HaystackKind haystack = f.choice("haystack", HaystackKind.class, HaystackKind.PROSE);
    int digits = f.integer("digits", 1, 18, 7);
    int questions = f.integer("questions", 1, 64, 8);
    double invented = f.number("invented_words", 0, 1, 0);
    Map<String, List<CellSpec>> grids = new LinkedHashMap<>();
    Fields all = f.object("grids");
    for (String name : all.node().propertyNames()) {
      grids.put(name, cells(all.objects(name), questions, Split.TEST));
    }
    all.end();
    List<CellSpec> dev = f.has("dev") ? cells(f.objects("dev"), questions, Split.DEV) : List.of();
    f.end();
    return new EvaluationRecipe(seed, style, haystack, digits, invented, grids, dev);
  }

  private static List<CellSpec> cells(List<Fields> entries, int questions, Split split) {
    Map<String, CellSpec> out = new LinkedHashMap<>();
    for (Fields e : entries) {
      int haystacks = e.integer("haystacks", 1, 1_000_000);
      int asked = e.integer("questions", 1, 64, questions);
      Split own = e.choice("split", Split.class, split);
      List<Integer> lengths = lengths(e);
      for (String task : e.texts("tasks")) {
        requireTask(e, task);
        for (int length : lengths) {
          CellSpec cell = new CellSpec(task, length, haystacks, asked, own);
          if (out.put(cell.file(), cell) != null) {
            throw e.error("tasks", "has " + task + " at a length that the grid has already");
          }
        }
      }
      e.end();
    }
    return List.copyOf(out.values());
  }

  private static List<Integer> lengths(Fields e) {
    List<Integer> out = new ArrayList<>();
    for (String s : e.texts("lengths")) {
      try {
        out.addAll(Lengths.parse(s));
      } catch (InputException wrong) {
        throw e.error("lengths", wrong.getMessage());
      }
    }
    return out;
  }

  private static void requireTask(Fields e, String task) {
    if (task.equals(CellSpec.PERPLEXITY)) {
      return;
    }
    try {
      TaskFamily.of(task);
    } catch (InputException wrong) {
      throw e.error("tasks", "has an " + wrong.getMessage() + ", " + CellSpec.PERPLEXITY);
    }
  }

  /**
   * The cells of the named grids, each file once: of two with the same task and length the one with
   * more haystacks.
   *
   * @throws InputException naming a grid that is none
   */
  public List<CellSpec> cells(List<String> names) {
    Map<String, CellSpec> out = new LinkedHashMap<>();
    for (String name : names) {
      List<CellSpec> grid = grids.get(name);
      if (grid == null) {
        throw new InputException(
            "there is no grid \"" + name + "\"; evaluation.grids has " + grids.keySet());
      }
      for (CellSpec cell : grid) {
        out.merge(cell.file(), cell, (a, b) -> a.haystacks() >= b.haystacks() ? a : b);
      }
    }
    return List.copyOf(out.values());
  }
}
