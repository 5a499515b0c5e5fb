package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** The first table: the core arms' heads, cache, recall by length and loss. */
final class HeadlineSection {
  private final ResultsFolder folder;
  private final StudyCells cells;
  private final List<String> deciding;
  private final PooledRecall recall;

  HeadlineSection(ResultsFolder folder, List<String> deciding, Bootstrap bootstrap) {
    this.folder = folder;
    this.cells = folder.cells();
    this.deciding = deciding;
    recall = PooledRecall.common(cells, folder.roles().core(), deciding, bootstrap);
  }

  String text() {
    List<Integer> lengths = recall.lengths();
    List<Place> whole = cells.common(folder.roles().compared(), deciding, cells.lengths());
    int lossLength = lossLength();
    List<String> head = new ArrayList<>(List.of("", "seeds", "full heads", "KV cache"));
    lengths.forEach(l -> head.add("recall, " + Lengths.format(l)));
    if (!whole.isEmpty()) {
      head.add(
          "recall, "
              + Numbers.families(Place.tasks(whole).size())
              + ", "
              + Numbers.span(Place.lengths(whole), cells.lengths()));
    }
    head.add("loss, nats a token");
    MarkdownTable table = new MarkdownTable(head, 1);
    for (String arm : recall.arms()) {
      Set<Integer> seeds = recall.seeds(arm);
      boolean bold = arm.equals(folder.roles().headline());
      List<String> row = new ArrayList<>();
      row.add(bold ? "**" + folder.label(arm) + "**" : folder.label(arm));
      row.add(Numbers.list(seeds));
      row.add(fullHeads(arm));
      row.add(kvShare(folder, arm));
      for (int length : lengths) {
        row.add(cell(recall.at(arm, length), seeds));
      }
      if (!whole.isEmpty()) {
        row.add(cell(recall.over(arm, whole), seeds));
      }
      row.add(loss(arm, lossLength, seeds));
      table.row(row);
    }
    return table.isEmpty()
        ? "Nothing was measured that all rows share.\n\n"
        : table + caption(whole, lossLength);
  }

  private static String cell(Optional<Bootstrap.Estimate> e, Set<Integer> seeds) {
    return e.map(v -> Numbers.percent(v.value()) + Numbers.fewer(v.bySeed().size(), seeds.size()))
        .orElse(Numbers.NONE);
  }

  private String caption(List<Place> whole, int lossLength) {
    StringBuilder out = new StringBuilder("Recall is the share of answers found, in percent, ");
    out.append("mean over the row's training seeds and, at every length alike, over ")
        .append(Numbers.list(recall.families()))
        .append(": the largest set of deciding families that nine in ten of the rows' lengths")
        .append(" have. ");
    if (!whole.isEmpty()) {
      out.append("The column of ")
          .append(Numbers.families(Place.tasks(whole).size()))
          .append(" is the mean over all that the arms of A and B share, ")
          .append(whole.size())
          .append(" pairs of a family and a length. ");
    }
    out.append("A number in brackets: of that many seeds only. –: not measured. Native length: ")
        .append(Lengths.format(folder.nativeLength()))
        .append(". ");
    if (lossLength > 0) {
      out.append("Loss: nats a token of plain held-out text of ")
          .append(Lengths.format(lossLength))
          .append(" tokens, without generated tasks, lower is better. ");
    }
    return out.append("With intervals: [by length](#recall-by-length-every-arm).\n\n").toString();
  }

  private String fullHeads(String arm) {
    return folder
        .facts(arm)
        .map(f -> Numbers.format("%.0f", f.number("full_heads")))
        .orElse(Numbers.NONE);
  }

  /**
   * Share of the Transformer's KV cache: one number, or from the least to the most of the seeds.
   */
  static String kvShare(ResultsFolder folder, String arm) {
    List<String> shares =
        folder.arms().stream()
            .filter(f -> f.arm().equals(arm) && !Double.isNaN(f.number("kv_share")))
            .sorted(Comparator.comparingDouble(f -> f.number("kv_share")))
            .map(f -> Numbers.percent(f.number("kv_share")))
            .distinct()
            .toList();
    if (shares.isEmpty()) {
      return Numbers.NONE;
    }
    String windows =
        folder.facts(arm).filter(ReportedArm::hasWindows).map(f -> " + windows").orElse("");
    String least = shares.getFirst();
    return (shares.size() == 1 ? least + "%" : least + "–" + shares.getLast() + "%") + windows;
  }

  /** The longest length that all core arms with losses have; 0 without any. */
  private int lossLength() {
    TreeSet<Integer> common = null;
    for (String core : recall.arms()) {
      List<Integer> own = cells.perplexity(core).stream().map(c -> c.spec().length()).toList();
      if (!own.isEmpty()) {
        common = common == null ? new TreeSet<>(own) : common;
        common.retainAll(own);
      }
    }
    return common == null || common.isEmpty() ? 0 : common.last();
  }

  private String loss(String arm, int length, Set<Integer> seeds) {
    double[] own =
        cells.perplexity(arm).stream()
            .filter(c -> c.spec().length() == length)
            .mapToDouble(CellResult::mean)
            .toArray();
    return own.length == 0
        ? Numbers.NONE
        : Numbers.format("%.3f", java.util.Arrays.stream(own).average().orElseThrow())
            + Numbers.fewer(own.length, seeds.size());
  }
}
