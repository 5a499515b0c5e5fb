package io.hydrahead.study.results;

import io.hydrahead.study.stats.AcrossSeeds;
import io.hydrahead.study.stats.Statements;
import io.hydrahead.study.stats.Statements.Family;
import io.hydrahead.study.stats.Statements.Test;
import io.hydrahead.study.stats.Statements.Verdict;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** The three statements test by test with their intervals, and the families that decide nothing. */
final class StatementsSection {
  private final ResultsFolder folder;
  private final List<Family> families;
  private final Statements statements;
  private final List<Test> pooled;
  private final KeptSection kept;
  private final TreeSet<Integer> seeds = new TreeSet<>();

  StatementsSection(ResultsFolder folder, Statements statements, KeptSection kept) {
    this.folder = folder;
    this.kept = kept;
    families = statements.families();
    this.statements = statements;
    pooled = statements.pooledA().stream().toList();
    statements.tests().forEach(t -> seeds.addAll(t.difference().bySeed().keySet()));
  }

  String text() {
    StringBuilder out = new StringBuilder("## The three statements, test by test\n\n");
    out.append(
        """
        A difference is the recall of %s less that of the other arm, in points (percent of the answers), over every length that both have.
        Its 95%% interval is a bootstrap over haystacks within seeds (paired, where both arms read the same haystacks), so it speaks of
        other haystacks for these very models; the seeds' own columns have intervals over the seed's own haystacks. "Seeds as the unit" speaks of other training seeds:
        each seed's difference is one observation, and the interval is their mean ± t(0.975, n − 1) · sd / √n over the n seeds%s. It is wide because seeds are few, and stands beside the tests, whose p are over haystacks. p is one-sided; "p, Holm" is p
        adjusted for the %d tests of A and B together. A statement holds where that is at most %s; it "does not hold" where the interval excludes it; else it is "open".

        """
            .formatted(
                folder.causal(),
                quantile(),
                statements.tests().size(),
                Numbers.format("%.3f", Statements.ALPHA)));
    out.append("### A: ")
        .append(folder.causal())
        .append(" is at most ")
        .append(Math.round(100 * Statements.MARGIN))
        .append(" points below ")
        .append(folder.layer31())
        .append(", family by family\n\n")
        .append(weights())
        .append(tests("A"));
    out.append("### B: ")
        .append(folder.causal())
        .append(" is above random heads with equal cache, and above whole layers near 7:1\n\n")
        .append(
            "Over all families that decide; every pair of a family and a length counts the same.\n\n")
        .append(tests("B"));
    out.append("### C: ")
        .append("at least ")
        .append(Math.round(100 * Statements.KEPT))
        .append("% of the native recall is kept beyond the native length\n\n")
        .append(kept.details());
    out.append("### Which families decide\n\n").append(familyTable());
    return out.toString();
  }

  /** How the last line of A's table is made of the pairs of a family and a length. */
  private String weights() {
    return pooled.stream()
        .map(t -> "The last line, beside the tests, is the mean over " + pairs(t) + ".\n\n")
        .collect(Collectors.joining());
  }

  /** "50 pairs of a family and a length, each counting the same, so that …". */
  static String pairs(Test t) {
    return t.places().size()
        + " pairs of a family and a length, each counting the same"
        + (Place.even(t.places()) ? "" : ", so that families measured farther out weigh more");
  }

  /** " (n = 3: t = 4.303)", or nothing where there are not two seeds. */
  private String quantile() {
    int n = seeds.size();
    return n < 2
        ? ""
        : " (n = " + n + ": t = " + Numbers.format("%.3f", AcrossSeeds.quantile(n - 1)) + ")";
  }

  private String tests(String statement) {
    List<String> head =
        new ArrayList<>(
            List.of("compared on", "lengths", "difference [95%]", "seeds as the unit [95%]"));
    seeds.forEach(s -> head.add("seed " + s + " [95%]"));
    head.addAll(List.of("haystacks", "p", "p, Holm", "answer"));
    MarkdownTable table = new MarkdownTable(head, 2);
    for (Test t : statements.tests(statement)) {
      table.row(row(t, t.name(), Numbers.p(t.adjusted()), t.answer()));
    }
    if (table.isEmpty()) {
      return "Nothing to test: no family that decides was measured on all arms that it compares.\n\n";
    }
    if (statement.equals("A")) {
      pooled.forEach(t ->
          table.row(row(t, "all " + families(t) + " together", Numbers.NONE, "beside the tests")));
    }
    return table.toString();
  }

  private static String families(Test t) {
    return Numbers.families(Place.tasks(t.places()).size());
  }

  private List<String> row(Test t, String name, String holm, String answer) {
    List<String> out =
        new ArrayList<>(
            List.of(
                name,
                Numbers.span(Place.lengths(t.places()), folder.cells().lengths()),
                Numbers.points(t.difference()),
                t.acrossSeeds().map(Numbers::points).orElse(Numbers.NONE)));
    seeds.forEach(
        s -> out.add(t.seeds().containsKey(s) ? Numbers.points(t.seeds().get(s)) : Numbers.NONE));
    out.addAll(
        List.of(Integer.toString(t.difference().haystacks()), Numbers.p(t.p()), holm, answer));
    return out;
  }

  private static String bySeed(Family f) {
    List<String> out = f.bySeed().values().stream().map(Numbers::percent).toList();
    return out.isEmpty() ? Numbers.NONE : String.join(", ", out);
  }

  private String familyTable() {
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "family",
                "what it asks",
                "verdict",
                "Transformer up to its native length",
                "by seed",
                "lowest arm compared, all lengths"),
            3);
    for (Family f : families) {
      table.row(
          List.of(
              f.task(),
              TaskWords.of(f.task()),
              f.only()
                  .map(a -> "decides only through " + folder.label(a))
                  .orElse(f.verdict().words()),
              Numbers.percent(f.teacher()),
              bySeed(f),
              Numbers.percent(f.lowest())));
    }
    long silent = families.stream().filter(f -> f.verdict() != Verdict.DECIDES).count();
    return String.format(
            Locale.ROOT,
            "A family decides where the Transformers that the hybrids are made from recall at least %.0f%% up to their native length, and not every arm that A and B compare is above %.0f%%: otherwise it says nothing about the way heads are chosen. A family in which all arms but one are above that decides only through this one: nearly nothing. Recall in percent. %s\n\n",
            100 * Statements.LEARNT,
            100 * Statements.CEILING,
            silent == 0
                ? "All families decide."
                : silent + " of " + families.size() + " decide nothing.")
        + table;
  }
}
