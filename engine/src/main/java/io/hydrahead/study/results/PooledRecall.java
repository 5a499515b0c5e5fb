package io.hydrahead.study.results;

import io.hydrahead.study.stats.Bootstrap;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Bootstrap.Part;
import io.hydrahead.study.stats.StudyCells;
import io.hydrahead.study.stats.StudyCells.Place;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Recall of arms over several task families at a length: always over the families that all of the
 * arms with results at that length have, so that the numbers of a column can be compared.
 */
final class PooledRecall {
  private final StudyCells cells;
  private final List<String> arms;
  private final List<String> tasks;
  private final Bootstrap bootstrap;
  private final Map<Integer, List<Place>> places = new HashMap<>();

  PooledRecall(StudyCells cells, List<String> arms, List<String> tasks, Bootstrap bootstrap) {
    this.cells = cells;
    this.arms = arms.stream().filter(cells.arms()::contains).toList();
    this.tasks = List.copyOf(tasks);
    this.bootstrap = bootstrap;
  }

  /** Arms that there are results of. */
  List<String> arms() {
    return arms;
  }

  /** Lengths at which the arms that have results share a family, ascending. */
  List<Integer> lengths() {
    return cells.lengths().stream().filter(l -> !places(l).isEmpty()).toList();
  }

  /** Families of a column. */
  List<Place> places(int length) {
    return places.computeIfAbsent(
        length,
        l -> {
          List<String> there =
              arms.stream()
                  .filter(a -> !cells.common(List.of(a), tasks, List.of(l)).isEmpty())
                  .toList();
          return there.isEmpty() ? List.of() : cells.common(there, tasks, List.of(l));
        });
  }

  /** Recall of an arm at a length; empty where it was not measured. */
  Optional<Estimate> at(String arm, int length) {
    return over(arm, places(length));
  }

  /** Recall of an arm over several places, each counting the same. */
  Optional<Estimate> over(String arm, List<Place> some) {
    Map<Integer, List<Part>> parts = cells.parts(arm, some);
    return parts.isEmpty() ? Optional.empty() : Optional.of(bootstrap.mean(parts));
  }
}
