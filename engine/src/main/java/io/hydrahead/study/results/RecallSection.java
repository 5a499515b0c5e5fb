package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.results.ArmGroups.Group;
import io.hydrahead.study.results.ArmGroups.Row;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** Recall of all arms: by length, against the causal arm, by family. */
final class RecallSection {
  private final ResultsFolder folder;
  private final StudyCells cells;
  private final List<String> deciding;
  private final Bootstrap bootstrap;
  private final PooledRecall common;
  private final ArmGroups groups;

  RecallSection(
      ResultsFolder folder,
      List<String> deciding,
      Bootstrap bootstrap,
      PooledRecall common,
      ArmGroups groups) {
    this.folder = folder;
    this.cells = folder.cells();
    this.deciding = deciding;
    this.bootstrap = bootstrap;
    this.common = common;
    this.groups = groups;
  }

  /** Every arm by length with intervals: over the common families, then over all that decide. */
  String byLength() {
    StringBuilder out = new StringBuilder("## Recall by length, every arm\n\n");
    out.append(
        """
        Percent, with a 95% interval over haystacks. Every number of a table is the mean over the same families, so lengths can
        be compared along a row; compare rows of the same seeds only, since training seeds differ by more than many arms do. Where arms were trained on
        fewer seeds, the line before them repeats\s\
        """);
    out.append(folder.causal())
        .append(" on those seeds. A number in brackets: of that many seeds only.\n\n");
    if (common.arms().isEmpty()) {
      return out.append("Nothing was measured in a family that decides.\n\n").toString();
    }
    out.append("Over ")
        .append(named(common.families()))
        .append(", the largest set that nine in ten of all arms' lengths have:\n\n")
        .append(table(common));
    if (cells.lengths().stream().anyMatch(l -> l > common.lengths().getLast())) {
      out.append(
          "Longer texts were read by a few arms in some families only: see C and the tables by family.\n\n");
    }
    PooledRecall whole = new PooledRecall(cells, common.arms(), deciding, bootstrap);
    if (!common.families().equals(deciding) && whole.lengths().size() > 1) {
      List<String> arms =
          whole.arms().stream()
              .filter(
                  a -> whole.lengths().stream().filter(l -> whole.at(a, l).isPresent()).count() > 1)
              .toList();
      out.append("Over all ")
          .append(Numbers.families(deciding.size()))
          .append(" that decide, arms that were measured on all of them at several lengths:\n\n")
          .append(table(new PooledRecall(cells, arms, deciding, bootstrap)));
    }
    return out.toString();
  }

  private static String named(List<String> families) {
    return Numbers.families(families.size()) + " (" + Numbers.list(families) + ")";
  }

  private String table(PooledRecall recall) {
    List<Integer> lengths = recall.lengths();
    List<String> head = new ArrayList<>(List.of("arm", "seeds"));
    lengths.forEach(l -> head.add(Lengths.format(l)));
    MarkdownTable table = new MarkdownTable(head, 1);
    for (Group g : groups.of(recall.arms())) {
      table.group(g.title());
      for (Row r : g.rows()) {
        List<String> row = new ArrayList<>(List.of(r.label(), r.seedList()));
        for (int length : lengths) {
          row.add(cell(recall.at(r.arm(), length, r.seeds()), r.seeds()));
        }
        r.to(table, row);
      }
    }
    return table.toString();
  }

  private static String cell(Optional<Bootstrap.Estimate> e, Set<Integer> seeds) {
    return e.map(v -> Numbers.percent(v) + Numbers.fewer(v.bySeed().size(), seeds.size()))
        .orElse(Numbers.NONE);
  }

  /** One table a family. */
  String byFamily() {
    StringBuilder out = new StringBuilder("## Recall by family\n\n");
    out.append(
        "Percent, with a 95% interval; the seeds are those of the tables above, a number in brackets is of that many only.\n\n");
    for (String task : cells.tasks()) {
      TreeSet<Integer> lengths = new TreeSet<>();
      folder.inOrder().forEach(a -> lengths.addAll(cells.lengths(a, task)));
      List<String> head = new ArrayList<>(List.of("arm"));
      lengths.forEach(l -> head.add(Lengths.format(l)));
      MarkdownTable table = new MarkdownTable(head, 1);
      for (Group g : groups.of(cells.arms())) {
        table.group(g.title());
        for (Row r : g.rows()) {
          List<String> row = new ArrayList<>(List.of(r.label()));
          for (int length : lengths) {
            Map<Integer, List<Part>> parts = cells.parts(r.arm(), List.of(new Place(task, length)));
            parts.keySet().retainAll(r.seeds());
            row.add(
                cell(
                    parts.isEmpty() ? Optional.empty() : Optional.of(bootstrap.mean(parts)),
                    r.seeds()));
          }
          if (row.stream().skip(1).anyMatch(c -> !c.equals(Numbers.NONE))) {
            r.to(table, row);
          }
        }
      }
      out.append("<details><summary>")
          .append(task)
          .append(": ")
          .append(TaskWords.of(task))
          .append("</summary>\n\n")
          .append(table)
          .append("</details>\n\n");
    }
    return out.toString();
  }

  /** Every arm against the causal one, paired, on the same places where it has them. */
  String againstCausal() {
    String causal = folder.roles().causal();
    List<Place> shared = shared();
    List<Place> whole = cells.common(folder.roles().compared(), deciding, cells.lengths());
    TreeSet<Integer> seeds = new TreeSet<>();
    cells.arms().forEach(a -> seeds.addAll(cells.seeds(a)));
    List<String> head =
        new ArrayList<>(List.of("arm", words(shared, cells.lengths()) + ": points [95%]"));
    seeds.forEach(s -> head.add("seed " + s));
    head.addAll(
        List.of(
            "haystacks",
            words(whole, cells.lengths()) + ": points [95%]",
            "elsewhere: points [95%]"));
    MarkdownTable table = new MarkdownTable(head, 1);
    for (Group g : groups.of(cells.arms())) {
      table.group(g.title());
      for (Row r : g.rows()) {
        if (!r.arm().equals(causal)) {
          against(r.arm(), causal, shared, whole, seeds).ifPresent(table::row);
        }
      }
    }
    String name = folder.label(causal);
    return table.isEmpty()
        ? ""
        : "## Every arm against "
            + name
            + "\n\nRecall of the arm less that of "
            + name
            + " in points, paired haystack by haystack on the seeds that both have: below 0 the arm is worse. Described, not tested. First over "
            + named(common.families())
            + ", with each seed's own difference; then over all families that decide, for arms that were measured on them; \"elsewhere\" is of arms without the first column, over what they share with "
            + name
            + " on every seed of theirs. A number in brackets: of that many seeds only.\n\n"
            + table.withoutEmpty(Numbers.NONE);
  }

  /** The common families at the lengths that three quarters of all arms have. */
  private List<Place> shared() {
    List<Place> out = new ArrayList<>();
    for (int length : common.lengths()) {
      long has = common.arms().stream().filter(a -> common.at(a, length).isPresent()).count();
      if (has >= PooledRecall.MOST_ARMS * common.arms().size()) {
        out.addAll(common.places(length));
      }
    }
    return out;
  }

  private Optional<List<String>> against(
      String arm, String causal, List<Place> shared, List<Place> whole, Set<Integer> seeds) {
    Map<Integer, List<Part>> parts = cells.differences(arm, List.of(causal), shared);
    Map<Integer, List<Part>> all = cells.differences(arm, List.of(causal), whole);
    List<Place> own = ofAllSeeds(arm, causal);
    Map<Integer, List<Part>> elsewhere =
        parts.isEmpty() ? cells.differences(arm, List.of(causal), own) : Map.of();
    if (parts.isEmpty() && all.isEmpty() && elsewhere.isEmpty()) {
      return Optional.empty();
    }
    List<String> row = new ArrayList<>(List.of(folder.label(arm)));
    if (parts.isEmpty()) {
      row.addAll(Collections.nCopies(seeds.size() + 2, Numbers.NONE));
    } else {
      Bootstrap.Estimate e = bootstrap.mean(parts);
      row.add(Numbers.points(e));
      row.addAll(Numbers.seeds(e, seeds));
      row.add(Integer.toString(e.haystacks()));
    }
    row.add(all.isEmpty() ? Numbers.NONE : points(bootstrap.mean(all), arm));
    if (elsewhere.isEmpty()) {
      row.add(Numbers.NONE);
    } else {
      Bootstrap.Estimate e = bootstrap.mean(elsewhere);
      String by = Numbers.seedWords(e.bySeed().keySet()) + ": " + Numbers.seeds(e);
      row.add(Numbers.points(e) + ", " + words(own, cells.lengths()) + " (" + by + ")");
    }
    return Optional.of(row);
  }

  /** Places that both arms have on every seed of the row. */
  private List<Place> ofAllSeeds(String arm, String causal) {
    Set<Integer> seeds = groups.seeds(arm);
    return cells.common(List.of(arm, causal), deciding, cells.lengths()).stream()
        .filter(p ->
            seeds.stream()
                .allMatch(s ->
                    cells.cell(arm, s, p.task(), p.length()).isPresent()
                        && cells.cell(causal, s, p.task(), p.length()).isPresent()))
        .toList();
  }

  private String points(Bootstrap.Estimate e, String arm) {
    return Numbers.points(e) + Numbers.fewer(e.bySeed().size(), groups.seeds(arm).size());
  }

  /**
   * "9 families at 4K".
   *
   * @param all lengths that there are in the study
   */
  static String words(List<Place> places, Set<Integer> all) {
    if (places.isEmpty()) {
      return "nothing";
    }
    return Numbers.families(Place.tasks(places).size())
        + " at "
        + Numbers.span(Place.lengths(places), all)
        + (Place.even(places) ? "" : ", not each at every length");
  }
}
