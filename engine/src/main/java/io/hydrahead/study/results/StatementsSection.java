package io.hydrahead.study.results;

import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.Statements;
import io.hydrahead.study.stats.Statements.Family;
import io.hydrahead.study.stats.Statements.Test;
import io.hydrahead.study.stats.Statements.Verdict;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeSet;

/** The three statements with their intervals, and the families that decide nothing. */
final class StatementsSection {
  private final ResultsFolder folder;
  private final Bootstrap bootstrap;
  private final List<Family> families;
  private final List<Test> tests;
  private final List<Test> pooled;
  private final KeptSection kept;
  private final TreeSet<Integer> seeds = new TreeSet<>();

  StatementsSection(ResultsFolder folder, Statements statements, Bootstrap bootstrap) {
    this.folder = folder;
    this.bootstrap = bootstrap;
    families = statements.families();
    tests = statements.tests();
    pooled = statements.pooledA().stream().toList();
    kept = new KeptSection(folder, statements);
    tests.forEach(t -> seeds.addAll(t.difference().bySeed().keySet()));
  }

  private String label(String arm) {
    return folder.label(arm);
  }

  private String causal() {
    return label(folder.roles().causal());
  }

  private String layer31() {
    return label(folder.roles().layer31());
  }

  /** The three answers in a few sentences each. */
  String answers() {
    return "**A. Does "
        + causal()
        + " recall as much as "
        + layer31()
        + "?** "
        + a()
        + "\n\n**B. Does it matter which heads stay full, and that they are single heads?** "
        + b()
        + "\n**C. Does "
        + label(folder.roles().headline())
        + " keep its recall beyond the native length?** "
        + kept.answer();
  }

  private String a() {
    List<Test> own = of("A");
    if (own.isEmpty()) {
      return "Not answered: no family that decides was measured on both arms.";
    }
    List<String> not = own.stream().filter(Test::refuted).map(Test::name).toList();
    List<String> open =
        own.stream().filter(t -> !t.holds() && !t.refuted()).map(Test::name).toList();
    StringBuilder out = new StringBuilder();
    String margin = Math.round(100 * Statements.MARGIN) + " points";
    if (not.isEmpty() && open.isEmpty()) {
      out.append("Yes: in none of the ")
          .append(Numbers.families(own.size()))
          .append(" that decide is it more than ")
          .append(margin)
          .append(" below.");
    } else {
      out.append(not.isEmpty() ? "Not shown in every family: " : "Not in every family: ")
          .append("it is at most ")
          .append(margin)
          .append(" below in ")
          .append(own.size() - not.size() - open.size())
          .append(" of ")
          .append(own.size())
          .append(" that decide");
      out.append(not.isEmpty() ? "" : ", further below in " + String.join(", ", not));
      out.append(open.isEmpty() ? "" : ", undecided in " + String.join(", ", open)).append('.');
    }
    List<String> single =
        own.stream()
            .filter(t -> !t.refuted())
            .filter(t -> t.difference().bySeed().values().stream().anyMatch(d -> d < t.bound()))
            .map(t -> t.name() + " (" + seeds(t.difference()) + ")")
            .toList();
    if (!single.isEmpty()) {
      out.append(" That is the mean over seeds; a single seed is further below in ")
          .append(String.join(", ", single))
          .append('.');
    }
    for (Test t : pooled) {
      out.append(" Over all of them and all lengths its recall is ")
          .append(difference(t.difference()))
          .append('.');
    }
    return out.append(" It keeps ")
        .append(HeadlineSection.kvShare(folder, folder.roles().causal()))
        .append(" of the Transformer's KV cache, ")
        .append(layer31())
        .append(' ')
        .append(HeadlineSection.kvShare(folder, folder.roles().layer31()))
        .append('.')
        .toString();
  }

  /** "5.1 points higher [4.8, 5.5] (by seed +3.4, +0.7, +11.4)"; the interval with its signs. */
  private static String difference(Estimate e) {
    String size = Numbers.format("%.1f", Math.abs(100 * e.value()));
    return size
        + " points "
        + (e.value() < 0 ? "lower" : "higher")
        + ", 95% interval "
        + Numbers.points(e.low())
        + " to "
        + Numbers.points(e.high())
        + " ("
        + seeds(e)
        + ")";
  }

  /** "seeds 0, 1: +2.4, +22.0". */
  private static String seeds(Estimate e) {
    return Numbers.seedWords(e.bySeed().keySet()) + ": " + Numbers.seeds(e);
  }

  private String b() {
    List<Test> own = of("B");
    if (own.isEmpty()) {
      return "Not answered: the arms it compares have no families in common that decide.\n";
    }
    StringBuilder out = new StringBuilder();
    boolean all = own.stream().allMatch(Test::holds);
    List<String> against =
        own.stream()
            .map(t -> below(t).isEmpty() ? "" : t.name() + " in " + Numbers.seedWords(below(t)))
            .filter(s -> !s.isEmpty())
            .toList();
    out.append(
            all
                ? "In the mean over seeds it is better than all of these"
                : "Not in every comparison")
        .append(
            against.isEmpty()
                ? ", and so it is in every seed."
                : ", but not in every seed: it is below " + String.join(", below ", against) + ".")
        .append(" Over ")
        .append(RecallSection.words(own.getFirst().places()))
        .append(":\n\n");
    for (Test t : own) {
      out.append("- ")
          .append(t.name())
          .append(": ")
          .append(t.holds() ? "better" : t.refuted() ? "worse" : "not told apart")
          .append(", ")
          .append(Numbers.points(t.difference()))
          .append(" points (")
          .append(seeds(t.difference()))
          .append(")\n");
    }
    return out + draws(own.getFirst());
  }

  /** Seeds in which the difference is below 0. */
  private static List<Integer> below(Test t) {
    return t.difference().bySeed().entrySet().stream()
        .filter(s -> s.getValue() < 0)
        .map(Map.Entry::getKey)
        .toList();
  }

  /** Each random draw on its own: a mean can hide one that failed. */
  private String draws(Test random) {
    List<String> out = new ArrayList<>();
    for (String draw : folder.roles().random()) {
      Map<Integer, List<Part>> parts =
          folder.cells().differences(folder.roles().causal(), List.of(draw), random.places());
      if (!parts.isEmpty()) {
        Estimate e = bootstrap.mean(parts);
        out.add(label(draw) + " " + Numbers.points(e.value()) + " (" + seeds(e) + ")");
      }
    }
    return out.size() < 2
        ? ""
        : "- each random draw by itself, in points: " + String.join("; ", out) + "\n";
  }

  private List<Test> of(String statement) {
    return tests.stream().filter(t -> t.statement().equals(statement)).toList();
  }

  String text() {
    StringBuilder out = new StringBuilder("## The three statements, test by test\n\n");
    out.append(
        """
        A difference is the recall of %s less that of the other arm, in points (percent of the answers), over every length that both have.
        Its 95%% interval is a bootstrap over haystacks within seeds (paired, where both arms read the same haystacks), so it speaks of
        other haystacks for these very models; how far training seeds differ is seen in the seeds' columns. p is one-sided; "p, Holm" is p
        adjusted for the %d tests of A and B together. A statement holds where that is at most %s; it "does not hold" where the interval excludes it; else it is "open".

        """
            .formatted(causal(), tests.size(), Numbers.format("%.3f", Statements.ALPHA)));
    out.append("### A: ")
        .append(causal())
        .append(" is at most ")
        .append(Math.round(100 * Statements.MARGIN))
        .append(" points below ")
        .append(layer31())
        .append(", family by family\n\n")
        .append(tests("A"));
    out.append("### B: ")
        .append(causal())
        .append(" is above random heads with equal cache, and above whole layers near 7:1\n\n")
        .append("Over all families that decide.\n\n")
        .append(tests("B"));
    out.append("### C: ")
        .append("at least ")
        .append(Math.round(100 * Statements.KEPT))
        .append("% of the native recall is kept beyond the native length\n\n")
        .append(kept.details());
    out.append("### Which families decide\n\n").append(familyTable());
    return out.toString();
  }

  private String tests(String statement) {
    List<String> head = new ArrayList<>(List.of("compared on", "lengths", "difference [95%]"));
    seeds.forEach(s -> head.add("seed " + s));
    head.addAll(List.of("haystacks", "p", "p, Holm", "answer"));
    MarkdownTable table = new MarkdownTable(head, 2);
    for (Test t : of(statement)) {
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
    return Numbers.families(new TreeSet<>(t.places().stream().map(Place::task).toList()).size());
  }

  private List<String> row(Test t, String name, String holm, String answer) {
    List<String> out =
        new ArrayList<>(
            List.of(
                name,
                Numbers.span(t.places().stream().map(Place::length).toList()),
                Numbers.points(t.difference())));
    out.addAll(Numbers.seeds(t.difference(), seeds));
    out.addAll(
        List.of(Integer.toString(t.difference().haystacks()), Numbers.p(t.p()), holm, answer));
    return out;
  }

  private String familyTable() {
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "family",
                "what it asks",
                "verdict",
                "Transformer up to its native length",
                "lowest arm compared, all lengths"),
            3);
    for (Family f : families) {
      table.row(
          List.of(
              f.task(),
              TaskWords.of(f.task()),
              f.verdict().words(),
              Numbers.percent(f.teacher()),
              Numbers.percent(f.lowest())));
    }
    long silent = families.stream().filter(f -> f.verdict() != Verdict.DECIDES).count();
    return String.format(
            Locale.ROOT,
            "A family decides where the Transformers that the hybrids are made from recall at least %.0f%% up to their native length, and not every arm that A and B compare is above %.0f%%: otherwise it says nothing about the way heads are chosen. Recall in percent. %s\n\n",
            100 * Statements.LEARNT,
            100 * Statements.CEILING,
            silent == 0
                ? "All families decide."
                : silent + " of " + families.size() + " decide nothing.")
        + table;
  }
}
