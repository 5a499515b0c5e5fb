package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.stats.Statements;
import io.hydrahead.study.stats.Statements.Family;
import io.hydrahead.study.stats.Statements.Kept;
import io.hydrahead.study.stats.Statements.Test;
import io.hydrahead.study.stats.Statements.Verdict;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** The three statements with their intervals, and the families that decide nothing. */
final class StatementsSection {
  private final ResultsFolder folder;
  private final List<Family> families;
  private final List<Test> tests;
  private final List<Test> pooled;

  /** Native recall below which what is kept of it says nothing. */
  private static final double ABLE = 0.2;

  private final List<Kept> kept;

  StatementsSection(ResultsFolder folder, Statements statements) {
    this.folder = folder;
    families = statements.families();
    tests = statements.tests();
    pooled = statements.pooledA().stream().toList();
    List<Kept> all = statements.kept();
    kept = all.stream().filter(k -> able(all, k.arm(), k.group())).toList();
  }

  private String label(String arm) {
    return folder.label(arm);
  }

  /** The three answers in a sentence each. */
  String answers() {
    return "- **A.** " + a() + "\n- **B.** " + b() + "\n- **C.** " + c() + "\n\n";
  }

  private String a() {
    List<Test> own = of("A");
    if (own.isEmpty()) {
      return "Not answered: no family that decides was measured on both arms.";
    }
    long holds = own.stream().filter(Test::holds).count();
    long not = own.stream().filter(Test::refuted).count();
    String all =
        pooled.stream()
            .map(t ->
                " Over all of them together the difference is "
                    + Numbers.points(t.difference())
                    + " points.")
            .findFirst()
            .orElse("");
    return String.format(
        Locale.ROOT,
        "%s against %s, margin %.0f points: not worse by more than that in %d of %d families that decide, worse by more in %d, open in %d; below in %d of them beyond its interval.%s",
        label(folder.roles().causal()),
        label(folder.roles().layer31()),
        100 * Statements.MARGIN,
        holds,
        own.size(),
        not,
        own.size() - holds - not,
        own.stream().filter(t -> t.difference().high() < 0).count(),
        all);
  }

  private String b() {
    List<Test> own = of("B");
    if (own.isEmpty()) {
      return "Not answered: the arms it compares have no families in common that decide.";
    }
    StringBuilder out = new StringBuilder(label(folder.roles().causal()) + " against ");
    for (int i = 0; i < own.size(); i++) {
      Test t = own.get(i);
      out.append(i == 0 ? "" : "; ")
          .append(t.name())
          .append(": ")
          .append(Numbers.points(t.difference()))
          .append(" points, ")
          .append(verdict(t));
    }
    return out.append('.').toString();
  }

  private static String verdict(Test t) {
    return t.holds() ? "better" : t.refuted() ? "not better" : "open";
  }

  private String c() {
    String arm = folder.roles().headline();
    List<String> groups =
        kept.stream().filter(k -> k.arm().equals(arm)).map(Kept::group).distinct().toList();
    if (groups.isEmpty()) {
      return "Not answered: " + label(arm) + " was not measured beyond its native length.";
    }
    StringBuilder out = new StringBuilder(label(arm) + " keeps 95% of its native recall: ");
    for (String group : groups) {
      List<Kept> own = of(arm, group);
      out.append(group.equals(groups.getFirst()) ? "" : "; ")
          .append(group)
          .append(own.stream().anyMatch(k -> k.answer().equals("holds")) ? "" : " at no length")
          .append(lengths(own, "holds", " at "))
          .append(lengths(own, "open", ", open at "))
          .append(lengths(own, "does not hold", ", not at "));
    }
    out.append(". Kept at the longest length measured: ");
    for (String other : folder.roles().followed()) {
      for (String group : groups) {
        List<Kept> own = of(other, group);
        if (!own.isEmpty()) {
          out.append(label(other))
              .append(' ')
              .append(group)
              .append(' ')
              .append(Numbers.percent(own.getLast().kept().value()))
              .append("% at ")
              .append(Lengths.format(own.getLast().length()))
              .append(", ");
        }
      }
    }
    return out.replace(out.length() - 2, out.length(), ".").toString();
  }

  private List<Kept> of(String arm, String group) {
    return kept.stream().filter(k -> k.arm().equals(arm) && k.group().equals(group)).toList();
  }

  private static String lengths(List<Kept> own, String answer, String before) {
    String list =
        own.stream()
            .filter(k -> k.answer().equals(answer))
            .map(k -> Lengths.format(k.length()))
            .collect(Collectors.joining(", "));
    return list.isEmpty() ? "" : before + list;
  }

  private List<Test> of(String statement) {
    return tests.stream().filter(t -> t.statement().equals(statement)).toList();
  }

  String text() {
    StringBuilder out = new StringBuilder("## The three statements\n\n");
    out.append(
        """
        Differences are in points of recall, with a 95% bootstrap interval over haystacks within seeds (paired where both
        arms read the same haystacks) and each seed's own difference. p is one-sided; "Holm" is p adjusted over all
        tests of A and B together, and a statement holds where it is at most 0.025. An interval that excludes the statement makes it
        "does not hold", everything else is "open". Intervals speak of other haystacks for these models; how far training
        seeds differ is seen in the seeds' columns.

        """);
    out.append("### A: causal 7:1 ≥ layer-wise 3:1 − 3 points, by task family\n\n")
        .append(tests("A"));
    out.append("### B: causal 7:1 above random heads with equal cache, and above 5:1 and 11:1\n\n")
        .append(tests("B"));
    out.append("### C: what is kept of the native recall beyond the native length\n\n")
        .append(
            "Left out: arms that find less than a fifth of the needles at the native length.\n\n")
        .append(keptTable());
    out.append("### Families that decide nothing\n\n").append(familyTable());
    return out.toString();
  }

  private String tests(String statement) {
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "compared on", "difference [95%]", "by seed", "haystacks", "p", "Holm", "answer"),
            1);
    for (Test t : of(statement)) {
      table.row(row(t, Numbers.p(t.adjusted()), t.answer()));
    }
    if (table.isEmpty()) {
      return "Nothing to test: no family that decides was measured on all arms that it compares.\n\n";
    }
    if (statement.equals("A")) {
      pooled.forEach(t -> table.row(row(t, Numbers.NONE, "beside the tests")));
    }
    return table.toString();
  }

  private static List<String> row(Test t, String holm, String answer) {
    return List.of(
        t.name(),
        Numbers.points(t.difference()),
        Numbers.seeds(t.difference()),
        Integer.toString(t.difference().haystacks()),
        Numbers.p(t.p()),
        holm,
        answer);
  }

  /** Whether an arm finds needles at the native length at all: of nothing, nothing is kept. */
  private static boolean able(List<Kept> all, String arm, String group) {
    return all.stream()
        .filter(k -> k.arm().equals(arm) && k.group().equals(group) && k.kept().value() > 0)
        .anyMatch(k -> k.recall().value() / k.kept().value() >= ABLE);
  }

  private String keptTable() {
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "arm",
                "needles",
                "length",
                "recall [95%]",
                "kept of native [95%]",
                "haystacks",
                "≥ 95% kept"),
            2);
    for (Kept k : kept) {
      table.row(
          List.of(
              label(k.arm()),
              k.group(),
              Lengths.format(k.length()),
              Numbers.percent(k.recall()),
              Numbers.percent(k.kept()),
              Integer.toString(k.recall().haystacks()),
              k.answer()));
    }
    return table.isEmpty()
        ? "Nothing was measured beyond the native length.\n\n"
        : table.toString();
  }

  private String familyTable() {
    MarkdownTable table =
        new MarkdownTable(
            List.of("family", "verdict", "teacher ≤ native", "lowest arm compared"), 2);
    for (Family f : families) {
      table.row(
          List.of(
              f.task(),
              f.verdict().words(),
              Numbers.percent(f.teacher()),
              Numbers.percent(f.lowest())));
    }
    long silent = families.stream().filter(f -> f.verdict() != Verdict.DECIDES).count();
    return (silent == 0 ? "None: all families decide.\n\n" : "") + table;
  }
}
