package io.hydrahead.study.results;

import io.hydrahead.study.eval.CellResult;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The order in which tables show arms: by what they are there for. Training seeds differ more than
 * many arms do, so before arms of fewer seeds than the causal one comes the causal one again, on
 * their seeds alone.
 */
final class ArmGroups {
  private static final String CORE = "Core: what A compares";
  private static final String OTHER = "Other arms";

  /** Titles by what the runs wrote in {@code arm.json}. */
  private static final Map<String, String> TITLES = new LinkedHashMap<>();

  static {
    TITLES.put("control", "Controls");
    TITLES.put("layer", "Neighbours and baselines: whole layers");
    TITLES.put("head", "Neighbours and baselines: single heads");
    TITLES.put("final", "Finalists: trained longer");
    TITLES.put("ablation", "Ablations: HydraHead 7:1 with one thing changed");
  }

  /**
   * A line of a table.
   *
   * @param label that readers see
   * @param seeds that its numbers are means over
   * @param again whether it is the causal arm for comparison
   */
  record Row(String arm, String label, Set<Integer> seeds, boolean again) {
    /** "0, 1, 2". */
    String seedList() {
      return Numbers.list(seeds);
    }

    /** Adds the line's cells to a table. */
    void to(MarkdownTable table, List<String> cells) {
      if (again) {
        table.lead(cells);
      } else {
        table.row(cells);
      }
    }
  }

  /** Lines under one title. */
  record Group(String title, List<Row> rows) {}

  private final ResultsFolder folder;
  private final Map<String, Set<Integer>> seeds = new TreeMap<>();

  /**
   * @param recall whose seeds count: a seed with a few stray cells is none
   */
  ArmGroups(ResultsFolder folder, PooledRecall recall) {
    this.folder = folder;
    for (String arm : folder.cells().arms()) {
      Set<Integer> own = recall.seeds(arm);
      seeds.put(arm, own.isEmpty() ? folder.cells().seeds(arm) : own);
    }
  }

  /** Of arms on the seeds of these cells, such as those of the loss at one length. */
  ArmGroups(ResultsFolder folder, Collection<CellResult> cells) {
    this.folder = folder;
    for (CellResult c : cells) {
      seeds.computeIfAbsent(c.arm(), a -> new TreeSet<>()).add(c.seed());
    }
  }

  /** Seeds of an arm's numbers. */
  Set<Integer> seeds(String arm) {
    return seeds.getOrDefault(arm, Set.of());
  }

  /** The groups of those of {@code arms} that there are results of. */
  List<Group> of(Collection<String> arms) {
    Map<String, List<String>> by = new LinkedHashMap<>();
    by.put(CORE, new ArrayList<>());
    TITLES.values().forEach(t -> by.put(t, new ArrayList<>()));
    by.put(OTHER, new ArrayList<>());
    for (String arm : folder.inOrder()) {
      if (arms.contains(arm)) {
        by.get(title(arm)).add(arm);
      }
    }
    List<Group> out = new ArrayList<>();
    by.forEach((title, own) -> {
      if (!own.isEmpty()) {
        out.add(new Group(title, rows(own)));
      }
    });
    return out;
  }

  /** All arms, in the groups' order. */
  List<String> inOrder() {
    return of(folder.cells().arms()).stream()
        .flatMap(g -> g.rows().stream())
        .filter(r -> !r.again())
        .map(Row::arm)
        .toList();
  }

  private String title(String arm) {
    var roles = folder.roles();
    if (List.of(roles.vanilla(), roles.layer31(), roles.causal()).contains(arm)) {
      return CORE;
    }
    String group = folder.facts(arm).map(f -> f.text("group")).orElse("").toLowerCase(Locale.ROOT);
    return TITLES.getOrDefault(group, OTHER);
  }

  private List<Row> rows(List<String> arms) {
    String causal = folder.roles().causal();
    Map<Set<Integer>, List<String>> by = new LinkedHashMap<>();
    arms.stream()
        .sorted(Comparator.comparingInt(a -> -seeds(a).size()))
        .forEach(a -> by.computeIfAbsent(seeds(a), s -> new ArrayList<>()).add(a));
    List<Row> out = new ArrayList<>();
    by.forEach((own, some) -> {
      boolean fewer = own.size() < seeds(causal).size() && seeds(causal).containsAll(own);
      if (fewer && !some.contains(causal)) {
        String label = folder.label(causal) + ", " + Numbers.seedWords(own);
        out.add(new Row(causal, "*for comparison: " + label + "*", new TreeSet<>(own), true));
      }
      some.forEach(a -> out.add(new Row(a, folder.label(a), own, false)));
    });
    return out;
  }
}
