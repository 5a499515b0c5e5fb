package io.hydrahead.study.results;

import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.CommonFamilies;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Recall of arms over several task families: at every length over the same ones, so that an arm's
 * lengths can be compared with each other, and a length's arms.
 */
final class PooledRecall {
  /** Share of the arms that have a length at which arms are compared one by one. */
  static final double MOST_ARMS = 0.75;

  private final StudyCells cells;
  private final List<String> arms;
  private final List<String> families;
  private final Bootstrap bootstrap;

  /**
   * @param families that every number is a mean over
   */
  PooledRecall(
      StudyCells cells, Collection<String> arms, Collection<String> families, Bootstrap bootstrap) {
    this.cells = cells;
    this.families = List.copyOf(families);
    this.bootstrap = bootstrap;
    this.arms =
        arms.stream()
            .filter(a -> cells.lengths().stream().anyMatch(l -> !parts(a, l).isEmpty()))
            .toList();
  }

  /** Over those of {@code tasks} that nine in ten of the arms' lengths have. */
  static PooledRecall common(
      StudyCells cells, Collection<String> arms, Collection<String> tasks, Bootstrap bootstrap) {
    List<String> families = CommonFamilies.of(cells, arms, tasks, CommonFamilies.MOST);
    return new PooledRecall(cells, arms, families, bootstrap);
  }

  /** Arms that have all the families at some length. */
  List<String> arms() {
    return arms;
  }

  /** Families that every number is a mean over. */
  List<String> families() {
    return families;
  }

  /** Lengths at which some arm has all the families, ascending. */
  List<Integer> lengths() {
    return cells.lengths().stream()
        .filter(l -> arms.stream().anyMatch(a -> !parts(a, l).isEmpty()))
        .toList();
  }

  /** The families at a length. */
  List<Place> places(int length) {
    return families.stream().map(t -> new Place(t, length)).toList();
  }

  /** Seeds that have all the families at some length. */
  Set<Integer> seeds(String arm) {
    Set<Integer> out = new TreeSet<>();
    cells.lengths().forEach(l -> out.addAll(parts(arm, l).keySet()));
    return out;
  }

  private Map<Integer, List<Part>> parts(String arm, int length) {
    return cells.parts(arm, places(length));
  }

  /** Recall at a length, mean over the seeds that have it; empty where none does. */
  Optional<Estimate> at(String arm, int length) {
    return over(arm, places(length));
  }

  /** The same, of these seeds alone. */
  Optional<Estimate> at(String arm, int length, Set<Integer> seeds) {
    return over(arm, places(length), seeds);
  }

  /** Recall over several places, each counting the same. */
  Optional<Estimate> over(String arm, List<Place> some) {
    return over(arm, some, cells.seeds(arm));
  }

  /** The same, of these seeds alone. */
  Optional<Estimate> over(String arm, List<Place> some, Set<Integer> seeds) {
    Map<Integer, List<Part>> parts = cells.parts(arm, some);
    parts.keySet().retainAll(seeds);
    return parts.isEmpty() ? Optional.empty() : Optional.of(bootstrap.mean(parts));
  }
}
