package io.hydrahead.study.results;

import io.hydrahead.eval.Lengths;
import io.hydrahead.report.SvgFigure;
import io.hydrahead.report.SvgFigure.Point;
import io.hydrahead.study.stats.Bootstrap.Estimate;
import io.hydrahead.study.stats.Statements;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Recall by length, over the same families at every length. A line joins points of the same seeds,
 * a dashed one where they are not those of most arms; points of still other seeds, or of too few
 * haystacks, stand apart. All that is not of the chart's seeds has hollow markers.
 */
final class LengthsFigure {
  private static final String OTHER_SEEDS = "of other seeds";

  private final ResultsFolder folder;
  private final Looks looks;

  LengthsFigure(ResultsFolder folder, Looks looks) {
    this.folder = folder;
    this.looks = looks;
  }

  /** Empty where there are not two lengths. */
  Optional<String> svg(String title, PooledRecall recall) {
    List<Integer> lengths = recall.lengths();
    if (lengths.size() < 2) {
      return Optional.empty();
    }
    SvgFigure figure = SvgFigure.sharesOverLengths(title, lengths, "context, tokens");
    figure.guideAt(folder.nativeLength(), "native length");
    Set<Integer> all = recall.seeds(folder.roles().causal());
    Set<String> apart = new LinkedHashSet<>();
    for (String arm : recall.arms()) {
      Map<Integer, Estimate> own = new LinkedHashMap<>();
      lengths.forEach(l -> recall.at(arm, l).ifPresent(e -> own.put(l, e)));
      Set<Integer> seeds = seedsOfMost(own);
      own.replaceAll((l, e) -> recall.at(arm, l, seeds).filter(s -> has(s, seeds)).orElse(e));
      List<Point> joined = new ArrayList<>();
      List<Point> others = new ArrayList<>();
      own.forEach((length, e) -> {
        String label = folder.label(arm) + ", " + Lengths.format(length);
        boolean same = has(e, seeds);
        if (!same) {
          apart.add(OTHER_SEEDS);
        }
        if (few(e)) {
          apart.add("of fewer than " + Statements.FEW + " haystacks");
        }
        (same && !few(e) ? joined : others).add(Figures.point(length, e, label));
      });
      String name = folder.label(arm);
      String who = seeds.equals(all) ? name : name + ", " + Numbers.seedWords(seeds);
      if (seeds.equals(all) || all.isEmpty()) {
        figure.add(looks.of(arm), who, joined);
      } else {
        figure.addDashed(looks.of(arm), who, joined);
        apart.add(OTHER_SEEDS);
      }
      if (!others.isEmpty()) {
        figure.addApart(looks.of(arm), others);
      }
    }
    figure.note("Mean over " + Numbers.list(recall.families()) + ", the same at every length.");
    if (!all.isEmpty()) {
      figure.note(
          "Mean over "
              + Numbers.seedWords(all)
              + " unless said; bars: 95% intervals over haystacks, where they reach beyond a marker.");
    }
    figure.note(
        "Markers of one length stand side by side, so that none hides another: each is of the length nearest to it.");
    if (!apart.isEmpty()) {
      figure.note(
          "Hollow: " + String.join(" or ", apart) + ", so not to be compared with the full lines.");
    }
    return Optional.of(figure.svg());
  }

  private static boolean few(Estimate e) {
    return e.haystacks() < Statements.FEW;
  }

  private static boolean has(Estimate e, Set<Integer> seeds) {
    return e.bySeed().keySet().equals(seeds);
  }

  /**
   * The seeds that the most of an arm's points have, those of few haystacks left aside; of equally
   * many, the larger set.
   */
  private static Set<Integer> seedsOfMost(Map<Integer, Estimate> points) {
    Map<Set<Integer>, Integer> counts = new LinkedHashMap<>();
    points.values().stream()
        .filter(e -> !few(e) || points.values().stream().allMatch(LengthsFigure::few))
        .forEach(e -> counts.merge(e.bySeed().keySet(), 1, Integer::sum));
    Set<Integer> best = Set.of();
    for (Map.Entry<Set<Integer>, Integer> c : counts.entrySet()) {
      int most = counts.getOrDefault(best, 0);
      boolean larger = c.getValue() == most && c.getKey().size() > best.size();
      best = c.getValue() > most || larger ? c.getKey() : best;
    }
    return best;
  }
}
