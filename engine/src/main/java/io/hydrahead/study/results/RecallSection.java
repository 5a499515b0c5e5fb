package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.eval.CellResult;
import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/** Recall and loss of all arms: the headline, by length, by family, against the causal arm. */
final class RecallSection {
  private final ResultsFolder folder;
  private final StudyCells cells;
  private final List<String> deciding;
  private final Bootstrap bootstrap;

  RecallSection(ResultsFolder folder, List<String> deciding, Bootstrap bootstrap) {
    this.folder = folder;
    this.cells = folder.cells();
    this.deciding = deciding;
    this.bootstrap = bootstrap;
  }

  private PooledRecall pooled(Collection<String> arms) {
    return new PooledRecall(cells, List.copyOf(arms), deciding, bootstrap);
  }

  /** Core arms: full heads, cache, recall by length, loss. */
  String headline() {
    PooledRecall recall = pooled(folder.roles().core());
    List<Integer> lengths = recall.lengths();
    List<String> head = new ArrayList<>(List.of("", "full heads", "KV cache"));
    lengths.forEach(l -> head.add(Lengths.format(l)));
    head.add("loss");
    MarkdownTable table = new MarkdownTable(head, 1);
    for (String arm : recall.arms()) {
      List<String> row = new ArrayList<>();
      boolean bold = arm.equals(folder.roles().headline());
      row.add(bold ? "**" + folder.label(arm) + "**" : folder.label(arm));
      row.add(fullHeads(arm));
      row.add(kvShare(arm));
      for (int length : lengths) {
        row.add(recall.at(arm, length).map(e -> Numbers.percent(e.value())).orElse(Numbers.NONE));
      }
      row.add(Numbers.format("%.3f", loss(arm)));
      table.row(row);
    }
    StringBuilder out = new StringBuilder(table.toString());
    out.append(
        "Recall in percent: mean over "
            + seeds(recall)
            + " and over the families that decide and that all rows have at that length (");
    for (int i = 0; i < lengths.size(); i++) {
      out.append(i == 0 ? "" : ", ")
          .append(Lengths.format(lengths.get(i)))
          .append(": ")
          .append(recall.places(lengths.get(i)).size());
    }
    return out.append(
            "). Loss: nats a token of held-out text, at the longest length that all rows have.\n\n")
        .toString();
  }

  /** How many seeds the table's numbers are means of, and which are of fewer. */
  private String seeds(PooledRecall recall) {
    Map<String, Map<Integer, Integer>> counts = new LinkedHashMap<>();
    int most = 0;
    for (String arm : recall.arms()) {
      Map<Integer, Integer> own = new TreeMap<>();
      for (int length : recall.lengths()) {
        recall.at(arm, length).ifPresent(e -> own.put(length, e.bySeed().size()));
      }
      most = Math.max(most, own.values().stream().mapToInt(n -> n).max().orElse(0));
      counts.put(arm, own);
    }
    List<String> fewer = new ArrayList<>();
    for (Map.Entry<String, Map<Integer, Integer>> c : counts.entrySet()) {
      for (int n = 1; n < most; n++) {
        fewer(c.getKey(), c.getValue(), n).ifPresent(fewer::add);
      }
    }
    return (most == 1 ? "one seed" : most + " seeds")
        + (fewer.isEmpty() ? "" : " (" + String.join("; ", fewer) + ")");
  }

  /** Where an arm's numbers are of {@code seeds} seeds, if anywhere. */
  private Optional<String> fewer(String arm, Map<Integer, Integer> counts, int seeds) {
    List<String> lengths =
        counts.entrySet().stream()
            .filter(c -> c.getValue() == seeds)
            .map(c -> Lengths.format(c.getKey()))
            .toList();
    if (lengths.isEmpty()) {
      return Optional.empty();
    }
    String where = lengths.size() == counts.size() ? "" : " at " + String.join(", ", lengths);
    return Optional.of(folder.label(arm) + where + ": " + seeds);
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
  private String kvShare(String arm) {
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
    String least = shares.getFirst();
    return shares.size() == 1 ? least + "%" : least + "–" + shares.getLast() + "%";
  }

  /** Mean loss at the longest length that all core arms with losses have. */
  private double loss(String arm) {
    TreeSet<Integer> common = null;
    for (String core : folder.roles().core()) {
      List<Integer> own = cells.perplexity(core).stream().map(c -> c.spec().length()).toList();
      if (!own.isEmpty()) {
        if (common == null) {
          common = new TreeSet<>(own);
        }
        common.retainAll(own);
      }
    }
    if (common == null || common.isEmpty()) {
      return Double.NaN;
    }
    int length = common.last();
    return cells.perplexity(arm).stream()
        .filter(c -> c.spec().length() == length)
        .mapToDouble(CellResult::mean)
        .average()
        .orElse(Double.NaN);
  }

  /** Every arm by length with intervals. */
  String byLength() {
    StringBuilder out = new StringBuilder("## Recall by length, every arm\n\n");
    PooledRecall recall = pooled(folder.inOrder());
    List<Integer> lengths = recall.lengths();
    List<String> head = new ArrayList<>(List.of("arm", "seeds"));
    lengths.forEach(l -> head.add(Lengths.format(l) + " (" + recall.places(l).size() + ")"));
    MarkdownTable table = new MarkdownTable(head, 1);
    for (String arm : recall.arms()) {
      List<String> row =
          new ArrayList<>(List.of(folder.label(arm), Integer.toString(cells.seeds(arm).size())));
      for (int length : lengths) {
        row.add(recall.at(arm, length).map(Numbers::percent).orElse(Numbers.NONE));
      }
      table.row(row);
    }
    return out.append(
            "Mean over the families that decide and that all arms with results at a length have; their number in brackets.\n\n")
        .append(table)
        .toString();
  }

  /** One table a family. */
  String byFamily() {
    StringBuilder out = new StringBuilder("## Recall by family\n\n");
    for (String task : cells.tasks()) {
      TreeSet<Integer> lengths = new TreeSet<>();
      folder.inOrder().forEach(a -> lengths.addAll(cells.lengths(a, task)));
      List<String> head = new ArrayList<>(List.of(task));
      lengths.forEach(l -> head.add(Lengths.format(l)));
      MarkdownTable table = new MarkdownTable(head, 1);
      for (String arm : folder.inOrder()) {
        List<String> row = new ArrayList<>(List.of(folder.label(arm)));
        for (int length : lengths) {
          Map<Integer, List<Part>> parts = cells.parts(arm, List.of(new Place(task, length)));
          row.add(parts.isEmpty() ? Numbers.NONE : Numbers.percent(bootstrap.mean(parts)));
        }
        if (row.stream().skip(1).anyMatch(c -> !c.equals(Numbers.NONE))) {
          table.row(row);
        }
      }
      out.append("<details><summary>")
          .append(task)
          .append("</summary>\n\n")
          .append(table)
          .append("</details>\n\n");
    }
    return out.toString();
  }

  /** Every arm against the causal one on the places that both have, paired. */
  String againstCausal() {
    String causal = folder.roles().causal();
    MarkdownTable table =
        new MarkdownTable(
            List.of(
                "arm", "recall less " + folder.label(causal) + "'s [95%]", "by seed", "haystacks"),
            1);
    for (String arm : folder.inOrder()) {
      if (arm.equals(causal)) {
        continue;
      }
      List<Place> places = cells.common(List.of(arm, causal), deciding, cells.lengths());
      Map<Integer, List<Part>> parts = cells.differencesEach(arm, causal, places);
      if (!parts.isEmpty()) {
        Bootstrap.Estimate e = bootstrap.mean(parts);
        table.row(
            List.of(
                folder.label(arm),
                Numbers.points(e),
                Numbers.seeds(e),
                Integer.toString(e.haystacks())));
      }
    }
    return table.isEmpty()
        ? ""
        : "## Every arm against causal 7:1\n\nIn points, paired, over the families that decide and all lengths that both have, of each seed those that it has; described, not tested.\n\n"
            + table;
  }

  /** Loss by position. */
  String losses() {
    StringBuilder out = new StringBuilder();
    TreeSet<Integer> lengths = new TreeSet<>();
    folder.inOrder().forEach(a -> cells.perplexity(a).forEach(c -> lengths.add(c.spec().length())));
    for (int length : lengths) {
      out.append(losses(length));
    }
    return out.isEmpty()
        ? ""
        : "## Loss on held-out text by position\n\nNats a token, mean over texts and seeds.\n\n"
            + out;
  }

  private String losses(int length) {
    List<CellResult> all =
        cells.all().stream()
            .filter(c -> !c.spec().isRecall() && c.spec().length() == length)
            .toList();
    List<CellResult.Bucket> buckets = all.getFirst().buckets();
    List<String> head = new ArrayList<>(List.of(Lengths.format(length) + " tokens"));
    buckets.forEach(b -> head.add("–" + Lengths.format(b.to() + (b.to() == length - 1 ? 1 : 0))));
    head.add("all");
    MarkdownTable table = new MarkdownTable(head, 1);
    for (String arm : folder.inOrder()) {
      List<CellResult> own =
          all.stream()
              .filter(c -> c.arm().equals(arm) && c.buckets().size() == buckets.size())
              .toList();
      if (own.isEmpty()) {
        continue;
      }
      List<String> row = new ArrayList<>(List.of(folder.label(arm)));
      for (int b = 0; b < buckets.size(); b++) {
        row.add(Numbers.format("%.3f", loss(own, b)));
      }
      row.add(
          Numbers.format(
              "%.3f", own.stream().mapToDouble(CellResult::mean).average().orElseThrow()));
      table.row(row);
    }
    return table.toString();
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
