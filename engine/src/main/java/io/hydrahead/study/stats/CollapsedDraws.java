package io.hydrahead.study.stats;

import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Random draws whose training failed in a seed: a mean over draws that holds one of them says more
 * of the failure than of the choice of heads.
 */
public final class CollapsedDraws {
  /** Share of the other draws' mean recall below which a draw has collapsed. */
  public static final double SHARE = 0.5;

  private CollapsedDraws() {}

  /**
   * A draw that collapsed.
   *
   * @param recall its mean over the places, in [0, 1]
   * @param others mean of the other draws of the same seed
   */
  public record Draw(String arm, int seed, double recall, double others) {}

  /** Of {@code draws}, those below half of the mean of the same seed's other draws. */
  public static List<Draw> of(StudyCells cells, Collection<String> draws, List<Place> places) {
    List<Draw> out = new ArrayList<>();
    Map<String, Map<Integer, List<Part>>> parts = new TreeMap<>();
    TreeSet<Integer> seeds = new TreeSet<>();
    for (String draw : draws) {
      parts.put(draw, cells.parts(draw, places));
      seeds.addAll(parts.get(draw).keySet());
    }
    for (int seed : seeds) {
      for (String draw : draws) {
        OptionalDouble own = mean(parts, List.of(draw), seed);
        OptionalDouble others =
            mean(parts, draws.stream().filter(d -> !d.equals(draw)).toList(), seed);
        if (own.isPresent()
            && others.isPresent()
            && own.getAsDouble() < SHARE * others.getAsDouble()) {
          out.add(new Draw(draw, seed, own.getAsDouble(), others.getAsDouble()));
        }
      }
    }
    return out;
  }

  private static OptionalDouble mean(
      Map<String, Map<Integer, List<Part>>> parts, List<String> draws, int seed) {
    return draws.stream()
        .filter(d -> parts.get(d).containsKey(seed))
        .mapToDouble(d -> parts.get(d).get(seed).stream().mapToDouble(Part::mean).sum())
        .average();
  }

  /**
   * Differences {@code arm} − mean of {@code draws} as {@link StudyCells#differences} has them,
   * each seed without the draws that collapsed in it.
   */
  public static Map<Integer, List<Part>> differences(
      StudyCells cells,
      String arm,
      Collection<String> draws,
      List<Draw> collapsed,
      List<Place> places) {
    Map<Integer, List<Part>> out = new TreeMap<>();
    for (int seed : cells.seeds(arm)) {
      List<String> left =
          draws.stream()
              .filter(d -> collapsed.stream().noneMatch(c -> c.arm().equals(d) && c.seed() == seed))
              .toList();
      List<Part> parts = cells.differences(arm, left, places).get(seed);
      if (parts != null) {
        out.put(seed, parts);
      }
    }
    return out;
  }
}
