package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.CollapsedDraws;
import io.hydrahead.study.stats.Roles;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Where the causal arm's lead comes from: its differences from what A and B compare, by family. */
final class LeadSection {
  /** Points from which a family counts as one in which it is behind. */
  private static final double BEHIND = 0.01;

  private final StudyCells cells;
  private final String causal;

  /** By what is compared: the differences at some places, by seed. */
  private final Map<String, Function<List<Place>, Map<Integer, List<Part>>>> others =
      new LinkedHashMap<>();

  private final List<String> families;
  private final List<Place> places;
  private final String name;

  /**
   * @param collapsed random draws that collapsed in a seed
   */
  LeadSection(ResultsFolder folder, List<String> deciding, List<CollapsedDraws.Draw> collapsed) {
    cells = folder.cells();
    Roles roles = folder.roles();
    causal = roles.causal();
    name = folder.label(causal);
    for (String arm : List.of(roles.layer31(), roles.layer51(), roles.layer111())) {
      others.put(folder.label(arm), at -> cells.differences(causal, List.of(arm), at));
    }
    others.put("random draws' mean", at -> cells.differences(causal, roles.random(), at));
    if (!collapsed.isEmpty()) {
      others.put(
          "random draws' mean without what collapsed",
          at -> CollapsedDraws.differences(cells, causal, roles.random(), collapsed, at));
    }
    List<Place> all = cells.common(roles.compared(), deciding, cells.lengths());
    places = cells.onMostSeeds(roles.compared(), all);
    families = deciding.stream().filter(t -> !of(t).isEmpty()).toList();
  }

  private List<Place> of(String family) {
    return places.stream().filter(p -> p.task().equals(family)).toList();
  }

  private int longest() {
    return places.stream().mapToInt(Place::length).max().orElse(0);
  }

  /** Mean over seeds of the difference at {@code where}; NaN where there is none. */
  private static double difference(
      Function<List<Place>, Map<Integer, List<Part>>> from, List<Place> where) {
    return from.apply(where).values().stream()
        .mapToDouble(parts -> parts.stream().mapToDouble(Part::mean).sum())
        .average()
        .orElse(Double.NaN);
  }

  /** Empty where the arms share nothing that decides. */
  String text() {
    if (families.isEmpty()) {
      return "";
    }
    String far = Lengths.format(longest());
    List<String> head = new ArrayList<>(List.of("difference by family, points"));
    others.keySet().forEach(o -> head.addAll(List.of("less " + o, "at " + far)));
    MarkdownTable table = new MarkdownTable(head, 1);
    families.forEach(f -> table.row(row(f, of(f))));
    table.row(row("**all**", places));
    return "Where the lead comes from: recall of "
        + name
        + " less that of the others, mean over seeds, at "
        + Numbers.span(Place.lengths(places), cells.lengths())
        + " together and at "
        + far
        + " alone. "
        + carried()
        + behind()
        + "\n\n"
        + table;
  }

  private List<String> row(String title, List<Place> where) {
    List<Place> far = where.stream().filter(p -> p.length() == longest()).toList();
    List<String> row = new ArrayList<>(List.of(title));
    for (var from : others.values()) {
      row.add(Numbers.points(difference(from, where)));
      row.add(Numbers.points(difference(from, far)));
    }
    return row;
  }

  /** "More than half of the lead is made in: niah_multivalue (layer-wise 3:1)". */
  private String carried() {
    List<String> out = new ArrayList<>();
    others.forEach((label, from) -> {
      if (difference(from, places) > 0) {
        out.add(label + ": " + String.join(", ", half(byFamily(from))));
      }
    });
    return out.isEmpty()
        ? ""
        : "The fewest families that make at least half of the lead over "
            + String.join("; over ", out)
            + ".";
  }

  private Map<String, Double> byFamily(Function<List<Place>, Map<Integer, List<Part>>> from) {
    Map<String, Double> out = new LinkedHashMap<>();
    families.forEach(f -> out.put(f, difference(from, of(f)) * of(f).size()));
    return out;
  }

  /** The fewest names whose parts make at least half of the sum of all. */
  static List<String> half(Map<String, Double> parts) {
    double whole = parts.values().stream().mapToDouble(v -> v).sum();
    List<String> out = new ArrayList<>();
    double sum = 0;
    for (String f :
        parts.keySet().stream()
            .sorted(Comparator.comparingDouble((String f) -> -parts.get(f)))
            .toList()) {
      if (sum >= whole / 2) {
        break;
      }
      out.add(f);
      sum += parts.get(f);
    }
    return out;
  }

  private String behind() {
    List<Place> far = places.stream().filter(p -> p.length() == longest()).toList();
    String all = behind(places);
    String out =
        all.isEmpty()
            ? " Over all lengths it is in no family a point or more behind"
            : " Over all lengths it is a point or more behind in " + all;
    String there = behind(far);
    return out
        + "; at "
        + Lengths.format(longest())
        + (there.isEmpty() ? " in none." : " in " + there + ".");
  }

  /** "mqar (layer-wise 5:1 -8.1, layer-wise 11:1 -14.9)". */
  private String behind(List<Place> where) {
    List<String> out = new ArrayList<>();
    for (String f : families) {
      List<Place> own = where.stream().filter(p -> p.task().equals(f)).toList();
      List<String> by = new ArrayList<>();
      others.forEach((label, from) -> {
        double d = difference(from, own);
        if (d <= -BEHIND) {
          by.add(label + " " + Numbers.points(d));
        }
      });
      if (!by.isEmpty()) {
        out.add(f + " (" + String.join(", ", by) + ")");
      }
    }
    return String.join(", ", out);
  }
}
