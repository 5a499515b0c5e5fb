package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.results.ArmGroups.Group;
import io.hydrahead.study.results.ArmGroups.Row;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Next-token loss on held-out text by position, every arm. */
final class LossSection {
  private final ResultsFolder folder;

  LossSection(ResultsFolder folder) {
    this.folder = folder;
  }

  String text() {
    StringBuilder out = new StringBuilder();
    TreeSet<Integer> lengths = new TreeSet<>();
    folder
        .inOrder()
        .forEach(a -> folder.cells().perplexity(a).forEach(c -> lengths.add(c.spec().length())));
    for (int length : lengths) {
      out.append(table(length));
    }
    return out.isEmpty()
        ? ""
        : "## Loss on held-out text by position\n\nNats a token, lower is better: mean over the tokens up to the position that heads the column, from the column before it on, over texts, and over the seeds that the row names. Seeds read different texts, so compare rows of the same seeds.\n\n"
            + out;
  }

  private String table(int length) {
    List<CellResult> all =
        folder.cells().all().stream()
            .filter(c -> !c.spec().isRecall() && c.spec().length() == length)
            .toList();
    List<CellResult.Bucket> buckets = all.getFirst().buckets();
    List<String> head =
        new ArrayList<>(List.of("texts of " + Lengths.format(length) + " tokens", "seeds"));
    buckets.forEach(b -> head.add("to " + Lengths.format(b.to() + (b.to() == length - 1 ? 1 : 0))));
    head.add("all");
    MarkdownTable table = new MarkdownTable(head, 1);
    Set<String> arms = new TreeSet<>(all.stream().map(CellResult::arm).toList());
    for (Group g : new ArmGroups(folder, all).of(arms)) {
      table.group(g.title());
      for (Row r : g.rows()) {
        List<CellResult> own =
            all.stream()
                .filter(c -> c.arm().equals(r.arm()) && r.seeds().contains(c.seed()))
                .filter(c -> c.buckets().size() == buckets.size())
                .toList();
        if (!own.isEmpty()) {
          r.to(table, row(r, own, buckets.size()));
        }
      }
    }
    return table.toString();
  }

  private static List<String> row(Row r, List<CellResult> own, int buckets) {
    TreeSet<Integer> seeds = new TreeSet<>(own.stream().map(CellResult::seed).toList());
    List<String> row = new ArrayList<>(List.of(r.label(), Numbers.list(seeds)));
    for (int b = 0; b < buckets; b++) {
      row.add(Numbers.format("%.3f", loss(own, b)));
    }
    row.add(
        Numbers.format("%.3f", own.stream().mapToDouble(CellResult::mean).average().orElseThrow()));
    return row;
  }

  /** Mean loss of bucket {@code b} over cells of several seeds. */
  static double loss(List<CellResult> seeds, int b) {
    return seeds.stream()
        .mapToDouble(
            c -> java.util.Arrays.stream(c.buckets().get(b).losses()).average().orElseThrow())
        .average()
        .orElseThrow();
  }
}
