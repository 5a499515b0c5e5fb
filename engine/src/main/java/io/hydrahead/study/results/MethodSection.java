package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.eval.CellResult;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import tools.jackson.databind.JsonNode;

/** How recall was measured, what was tuned on what, and what the intervals do not cover. */
final class MethodSection {
  private final ResultsFolder folder;

  MethodSection(ResultsFolder folder) {
    this.folder = folder;
  }

  String text() {
    return """
    ## How it was measured

    - A haystack is read once; its questions, with the expected answers behind them, are branches of one more pass behind
      the same caches and states. An answer counts where the model's first choice is right at every one of its tokens:
      as long as all are right, greedy decoding reads the very same tokens, so this is greedy exact match without decoding.
      Of several answers to one question those before the first mistake count, which greedy decoding gives too. So their order
      counts: in multi-value that in which the needles stand in the text, in multi-query that in which the question names the
      keys, in variable tracking that of the chain. RULER's own score looks for each answer anywhere in the output, whatever
      the order: these families are stricter here.
    - Common and frequent words have no one order: their answers are generated, and the share of words found counts.
    - Words, values and wordings of the test occur in neither training, probe nor development; the held-out text is the
      test split of the corpus.TRAINED
    - Families whose text answers several questions were asked up to QUESTIONS; single needles and word counts one.
    - Haystacks a seed, family and length: HAYSTACKS.
    - Models of one seed read the same haystacks, so arms are compared haystack by haystack; every seed reads its own.
    - Intervals cover the choice of haystacks only, not other training seeds, orders of data or plans of heads; only those
      called "seeds as the unit" take training seeds for what varies. A and B are
      corrected for the number of their tests; C is read off its intervals, one for every arm, kind and length, with no such correction.
    TUNING
    """
        .replace("TRAINED", trained())
        .replace(
            "QUESTIONS",
            Integer.toString(
                folder.cells().all().stream().mapToInt(c -> c.spec().questions()).max().orElse(1)))
        .replace("HAYSTACKS", haystacks())
        .replace("TUNING\n", tuning() + "\n");
  }

  /** Which tested families the training text holds, as far as the runs wrote it. */
  private String trained() {
    JsonNode families = folder.study().path("data").path("families");
    if (families.isEmpty()) {
      return "";
    }
    List<String> not =
        folder.cells().tasks().stream().filter(t -> !(families.path(t).asDouble(0) > 0)).toList();
    return " But the Transformers and the transfer train on generated\n  text of every tested family"
        + (not.isEmpty() ? "" : " but " + Numbers.list(not))
        + ", with other words, values and wordings: the test is of known tasks.";
  }

  /** "50 at 4K, 8K; 25 at 64K; 2 at 64K (Transformer)". */
  private String haystacks() {
    Map<Integer, Integer> most = new TreeMap<>();
    for (CellResult c : folder.cells().all()) {
      if (c.spec().isRecall()) {
        most.merge(c.spec().length(), c.scores().length, Math::max);
      }
    }
    Map<Integer, Set<Integer>> usual = new TreeMap<>();
    most.forEach((length, n) -> usual.computeIfAbsent(n, m -> new TreeSet<>()).add(length));
    Map<Integer, Set<Integer>> fewer = new TreeMap<>();
    Map<Integer, Set<String>> arms = new TreeMap<>();
    for (CellResult c : folder.cells().all()) {
      int n = c.scores().length;
      if (c.spec().isRecall() && n < most.get(c.spec().length())) {
        fewer.computeIfAbsent(n, m -> new TreeSet<>()).add(c.spec().length());
        arms.computeIfAbsent(n, m -> new LinkedHashSet<>()).add(folder.label(c.arm()));
      }
    }
    List<String> out = new ArrayList<>();
    new TreeMap<>(usual).descendingMap().forEach((n, lengths) -> out.add(at(n, lengths)));
    new TreeMap<>(fewer)
        .descendingMap()
        .forEach((n, lengths) ->
            out.add("only " + at(n, lengths) + " of " + String.join(" and ", arms.get(n))));
    return String.join("; ", out);
  }

  private static String at(int n, Set<Integer> lengths) {
    return n + " at " + Numbers.list(lengths.stream().map(Lengths::format).toList());
  }

  /** What learning rates were chosen on, and which arm was tried for which. */
  private String tuning() {
    Map<String, JsonNode> by = new LinkedHashMap<>();
    folder.study().path(StudyReport.TRIALS).forEach(t -> by.put(t.path("family").asString(""), t));
    if (by.isEmpty()) {
      return "";
    }
    JsonNode first = by.values().iterator().next();
    int seed = first.path("seed").asInt();
    boolean tested = folder.cells().all().stream().anyMatch(c -> c.seed() == seed);
    List<String> out = new ArrayList<>();
    by.forEach((family, t) -> out.add(family(family, t.path("arm").asString(""))));
    return "- Learning rates were chosen by trials with "
        + Math.round(100 * first.path("share").asDouble())
        + "% of the tokens, by the loss on rows of the training mix made of the development split, on seed "
        + seed
        + " alone"
        + (tested ? ", which is a test seed too" : "")
        + ",\n  once for a family of arms: "
        + String.join("; ", out)
        + ".\n";
  }

  /** "HydraHead 7:1 stands for `random-1`, `random-2` (×4.5 of the recipe's rates)". */
  private String family(String family, String tried) {
    Set<String> others = new LinkedHashSet<>();
    Set<String> factors = new TreeSet<>();
    for (ReportedArm a : folder.arms()) {
      if (told(a.arm(), "family").equals(family)) {
        double factor = a.number("learning_rate_factor");
        if (!Double.isNaN(factor)) {
          factors.add("×" + Numbers.format("%.1f", factor));
        }
        if (!a.arm().equals(tried)) {
          others.add("`" + a.arm() + "`");
        }
      }
    }
    return folder.label(tried)
        + (others.isEmpty() ? "" : " stands for " + Numbers.list(others))
        + (factors.isEmpty() ? "" : " (" + String.join(", ", factors) + " of the recipe's rates)");
  }

  private String told(String arm, String field) {
    return folder.study().path(StudyReport.ARMS).path(arm).path(field).asString("");
  }
}
