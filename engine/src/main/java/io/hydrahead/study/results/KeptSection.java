package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.stats.Statements;
import io.hydrahead.study.stats.Statements.Group;
import io.hydrahead.study.stats.Statements.Kept;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/** Statement C: the share of the native recall that is kept beyond the native length. */
final class KeptSection {
  /** Native recall below which what is kept of it says nothing. */
  private static final double ABLE = 0.2;

  private static final String HOLDS = "holds";

  private final ResultsFolder folder;
  private final List<Group> groups;
  private final List<Kept> kept;

  KeptSection(ResultsFolder folder, Statements statements) {
    this.folder = folder;
    groups = statements.groups();
    kept = statements.kept();
  }

  private List<Kept> of(String arm, Group group) {
    return kept.stream().filter(k -> k.arm().equals(arm) && k.group().equals(group)).toList();
  }

  /** One group of each kind: that which was measured far out. */
  private List<Group> far() {
    Set<String> seen = new TreeSet<>();
    return groups.stream().filter(g -> seen.add(g.name())).toList();
  }

  /** The last length up to which all measured ones hold. */
  private static Optional<Kept> upTo(List<Kept> own) {
    Kept last = null;
    for (Kept k : own) {
      if (!k.answer().equals(HOLDS)) {
        break;
      }
      last = k;
    }
    return Optional.ofNullable(last);
  }

  /** At the longest length with enough haystacks, if there is one. */
  private static Kept longest(List<Kept> own) {
    return own.reversed().stream().filter(k -> !k.few()).findFirst().orElse(own.getLast());
  }

  /** " (seed 0 alone)" where fewer seeds than the arm's went so far. */
  private String alone(Kept k) {
    Set<Integer> there = k.recall().bySeed().keySet();
    return there.size() < seeds(k.arm()).size() ? " (" + Numbers.seedWords(there) + " alone)" : "";
  }

  private static boolean able(List<Kept> own) {
    return !own.isEmpty() && own.getFirst().near() >= ABLE;
  }

  /** Statement C as a question, and its answer. */
  String question() {
    return "**C. Does "
        + folder.label(folder.roles().headline())
        + " keep its recall beyond the native length?** "
        + answer();
  }

  /** In a few sentences, the first finalist with its own, and a table of all arms followed. */
  private String answer() {
    String arm = folder.roles().headline();
    Optional<String> own = keeps(arm);
    if (own.isEmpty()) {
      return "Not answered: "
          + folder.label(arm)
          + " was not measured beyond its native length.\n\n";
    }
    StringBuilder out = new StringBuilder(own.get());
    folder.roles().more().stream()
        .findFirst()
        .flatMap(this::keeps)
        .ifPresent(text -> out.append(' ').append(text));
    List<String> others =
        Stream.of(folder.roles().allFull(), folder.roles().vanilla(), folder.roles().yarn())
            .distinct()
            .map(this::others)
            .filter(s -> !s.isEmpty())
            .toList();
    if (!others.isEmpty()) {
      out.append(" At their own longest lengths: ").append(String.join(". ", others)).append(".");
    }
    return out.append("\n\n").append(summary()).toString();
  }

  /** A sentence on how far an arm keeps its recall; empty where it was not measured so far out. */
  private Optional<String> keeps(String arm) {
    List<String> how = new ArrayList<>();
    for (Group g : far()) {
      List<Kept> own = of(arm, g);
      if (able(own)) {
        how.add(needles(g) + " " + reach(own));
      }
    }
    return how.isEmpty()
        ? Optional.empty()
        : Optional.of(
            folder.label(arm)
                + " keeps at least "
                + Math.round(100 * Statements.KEPT)
                + "% of its recall at "
                + Lengths.format(folder.nativeLength())
                + ": "
                + String.join("; ", how)
                + ".");
  }

  /** "multi-key needles (niah_multikey_1 and niah_multikey_2)". */
  private static String needles(Group g) {
    return g.hardest()
        ? g.tasks().getFirst() + " alone, where every line is a needle,"
        : g.name() + " needles (" + Numbers.words(g.tasks()) + ")";
  }

  /** "multi-key needles", the heading of a group's chart. */
  static String title(Group g) {
    return g.hardest() ? g.name() : g.name() + " needles";
  }

  /** In a list behind others. */
  private static String adjective(Group g) {
    return g.hardest() ? "of " + g.tasks().getFirst() + " alone" : g.name();
  }

  /** "up to 32K (8 times the native length); at 128K 75.5% [73.6, 77.4]". */
  private String reach(List<Kept> own) {
    Kept last = longest(own);
    Optional<Kept> held = upTo(own);
    String far =
        held.map(k ->
                "up to "
                    + Lengths.format(k.length())
                    + " ("
                    + k.length() / folder.nativeLength()
                    + " times the native length"
                    + skipped(own, k.length())
                    + ")")
            .orElse("at no length beyond");
    boolean all = held.isPresent() && held.get() == last;
    return far
        + (all ? ", the longest measured, where it keeps " : ", and at ")
        + (all ? "" : Lengths.format(last.length()) + ", the longest measured, ")
        + Numbers.percent(last.kept().value())
        + "% ["
        + Numbers.percent(last.kept().low())
        + ", "
        + Numbers.percent(last.kept().high())
        + "]"
        + alone(last);
  }

  /** "; 64K, 128K not measured": lengths of the study up to {@code last} that the arm lacks. */
  private String skipped(List<Kept> own, int last) {
    Set<Integer> there = new TreeSet<>(own.stream().map(Kept::length).toList());
    List<String> lacking =
        folder.cells().lengths().stream()
            .filter(l -> l > folder.nativeLength() && l < last && !there.contains(l))
            .map(Lengths::format)
            .toList();
    return lacking.isEmpty() ? "" : "; " + Numbers.list(lacking) + " not measured";
  }

  private String others(String arm) {
    List<String> keeps = new ArrayList<>();
    List<String> lacks = new ArrayList<>();
    for (Group g : far()) {
      List<Kept> own = of(arm, g);
      if (able(own)) {
        Kept last = longest(own);
        keeps.add(
            Numbers.percent(last.kept().value())
                + "% "
                + adjective(g)
                + " at "
                + Lengths.format(last.length())
                + alone(last));
      } else if (!own.isEmpty() && !g.hardest()) {
        lacks.add(Numbers.percent(own.getFirst().near()) + "% of " + g.name());
      }
    }
    List<String> out = new ArrayList<>();
    if (!keeps.isEmpty()) {
      out.add("keeps " + Numbers.words(keeps));
    }
    if (!lacks.isEmpty()) {
      out.add(
          "finds only "
              + Numbers.words(lacks)
              + " needles at the native length itself, so that there is nothing to keep");
    }
    return out.isEmpty() ? "" : folder.label(arm) + " " + String.join("; it ", out);
  }

  private String summary() {
    List<Group> far = far();
    List<String> head = new ArrayList<>(List.of("", "seeds"));
    for (Group g : far) {
      head.add(g.name() + ": recall at " + Lengths.format(folder.nativeLength()));
      head.add("≥ " + Math.round(100 * Statements.KEPT) + "% kept up to");
      head.add("kept at the longest length [95%]");
    }
    MarkdownTable table = new MarkdownTable(head, 1);
    for (String arm : arms()) {
      int seeds = seeds(arm).size();
      boolean bold = arm.equals(folder.roles().headline());
      List<String> row = new ArrayList<>();
      row.add(bold ? "**" + folder.label(arm) + "**" : folder.label(arm));
      row.add(Numbers.list(seeds(arm)));
      for (Group g : far) {
        row.addAll(cells(of(arm, g), seeds));
      }
      table.row(row);
    }
    return table + caption(far);
  }

  /** Arms with anything beyond the native length, in the order of the statements. */
  private List<String> arms() {
    return kept.stream().map(Kept::arm).distinct().toList();
  }

  private Set<Integer> seeds(String arm) {
    Set<Integer> out = new TreeSet<>();
    kept.stream()
        .filter(k -> k.arm().equals(arm))
        .forEach(k -> out.addAll(k.recall().bySeed().keySet()));
    return out;
  }

  private static List<String> cells(List<Kept> own, int seeds) {
    if (own.isEmpty()) {
      return List.of(Numbers.NONE, Numbers.NONE, Numbers.NONE);
    }
    Kept last = longest(own);
    String near = Numbers.percent(own.getFirst().near());
    if (!able(own)) {
      return List.of(near, Numbers.NONE, "too little to keep");
    }
    String open =
        String.join(
            ", ",
            own.stream()
                .filter(k -> k.length() > upTo(own).map(Kept::length).orElse(0))
                .takeWhile(k -> k.answer().equals("open"))
                .map(k -> Lengths.format(k.length()))
                .toList());
    return List.of(
        near,
        upTo(own).map(k -> Lengths.format(k.length())).orElse("none")
            + (open.isEmpty() ? "" : "; open at " + open),
        Numbers.percent(last.kept())
            + " at "
            + Lengths.format(last.length())
            + (last.few() ? ", of " + last.recall().haystacks() + " haystacks" : "")
            + Numbers.fewer(last.recall().bySeed().size(), seeds));
  }

  private String caption(List<Group> far) {
    StringBuilder out = new StringBuilder("Recall and what is kept of it in percent; ");
    for (Group g : far) {
      out.append(g.equals(far.getFirst()) ? "" : "; ")
          .append(g.name())
          .append(g.hardest() ? ": " : " needles: ")
          .append(Numbers.words(g.tasks()));
    }
    return out.append(
            ", the same at every length. \"Kept up to\": at this and every shorter length measured the whole interval is at or above ")
        .append(Math.round(100 * Statements.KEPT))
        .append(
            "%; \"open\": the interval holds that value, or fewer than "
                + Statements.FEW
                + " haystacks were read. A number in brackets: of that many seeds only.\n\n")
        .toString();
  }

  /** Every length with its interval, a table a group. */
  String details() {
    if (kept.isEmpty()) {
      return "Nothing was measured beyond the native length.\n\n";
    }
    StringBuilder out = new StringBuilder();
    out.append("Percent of the recall at ")
        .append(Lengths.format(folder.nativeLength()))
        .append(
            ", with a 95% interval. ✓: the whole interval is at or above 95, the statement holds there; ✗: it is below; ?: open. Arms that find less than a fifth of the needles at the native length are left out: of nothing, nothing is kept. A number in brackets: of that many seeds only. First over families that were measured far out, then over more of their kind.\n\n");
    for (Group g : groups) {
      out.append(details(g));
    }
    return out.toString();
  }

  private String details(Group g) {
    Set<Integer> lengths = new TreeSet<>();
    kept.stream().filter(k -> k.group().equals(g)).forEach(k -> lengths.add(k.length()));
    List<String> head = new ArrayList<>(List.of("arm", "recall at native"));
    lengths.forEach(l -> head.add(Lengths.format(l)));
    MarkdownTable table = new MarkdownTable(head, 1);
    for (String arm : arms()) {
      List<Kept> own = of(arm, g);
      if (able(own)) {
        List<String> row = new ArrayList<>();
        row.add(folder.label(arm));
        row.add(Numbers.percent(own.getFirst().near()));
        for (int length : lengths) {
          row.add(
              own.stream()
                  .filter(k -> k.length() == length)
                  .findFirst()
                  .map(k -> cell(k, seeds(arm).size()))
                  .orElse(Numbers.NONE));
        }
        table.row(row);
      }
    }
    return table.isEmpty()
        ? ""
        : "**"
            + g.name()
            + (far().contains(g) ? "" : ", more families, up to where they were measured")
            + "**: "
            + String.join(", ", g.tasks())
            + "\n\n"
            + table;
  }

  private static String cell(Kept k, int seeds) {
    String mark =
        switch (k.answer()) {
          case HOLDS -> " ✓";
          case "open" -> " ?";
          default -> " ✗";
        };
    return Numbers.percent(k.kept()) + mark + Numbers.fewer(k.recall().bySeed().size(), seeds);
  }
}
