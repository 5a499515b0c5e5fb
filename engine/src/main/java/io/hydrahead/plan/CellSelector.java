package io.hydrahead.plan;

import io.hydrahead.plan.PlanChoices.Align;
import io.hydrahead.plan.PlanChoices.Floor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Spends a budget of full heads: first the floor of each layer, then candidate by candidate, the
 * best first. A candidate is one head, or the heads of a whole new KV group, worth their mean
 * score; ties go by mean |IE|, then to groups already kept, then by index.
 */
final class CellSelector {
  private final HeadShape shape;
  private final double[][] scores;
  private final double[][] effect;
  private final PlanChoices choices;
  private final boolean[][] full;

  /** Heads that are taken together. */
  private record Candidate(int layer, int[] heads, double score, double effect, boolean kept) {
    static final Comparator<Candidate> BEST_FIRST =
        Comparator.comparingDouble((Candidate c) -> -c.score)
            .thenComparingDouble(c -> -c.effect)
            .thenComparing(c -> !c.kept)
            .thenComparingInt(Candidate::layer)
            .thenComparingInt(c -> c.heads[0]);
  }

  CellSelector(HeadShape shape, double[][] scores, double[][] effect, PlanChoices choices) {
    this.shape = shape;
    this.scores = scores;
    this.effect = effect;
    this.choices = choices;
    full = new boolean[shape.layers()][shape.heads()];
  }

  boolean[][] full() {
    return full;
  }

  /** Makes {@code budget} more heads full in layers {@code from} … {@code to − 1}. */
  void select(int from, int to, int budget) {
    int rest = budget;
    for (int l = from; l < to && choices.floor() != Floor.NONE; l++) {
      rest -= take(best(floorCandidates(l)));
    }
    while (rest > 0) {
      rest -= take(best(candidates(from, to, rest)));
    }
  }

  private List<Candidate> candidates(int from, int to, int rest) {
    List<Candidate> out = new ArrayList<>();
    for (int l = from; l < to; l++) {
      if (choices.align() == Align.QUERY) {
        singles(l, out);
      } else {
        groups(l, rest, out);
      }
    }
    boolean noGroupFits = choices.align() == Align.GROUP && rest < shape.group();
    if (noGroupFits && out.stream().anyMatch(Candidate::kept)) {
      out.removeIf(c -> !c.kept); // partners cost no cache, part of a new group does
    }
    return out;
  }

  private static Candidate best(List<Candidate> candidates) {
    return candidates.stream().min(Candidate.BEST_FIRST).orElseThrow();
  }

  private int take(Candidate c) {
    for (int h : c.heads) {
      full[c.layer][h] = true;
    }
    return c.heads.length;
  }

  private List<Candidate> floorCandidates(int layer) {
    List<Candidate> out = new ArrayList<>();
    if (choices.floor() == Floor.HEAD) {
      singles(layer, out);
    } else {
      groups(layer, shape.group(), out);
    }
    return out;
  }

  private void singles(int layer, List<Candidate> out) {
    for (int h = 0; h < shape.heads(); h++) {
      if (!full[layer][h]) {
        out.add(candidate(layer, new int[] {h}, kept(layer, h / shape.group()) > 0));
      }
    }
  }

  /** Partners of kept groups one by one; of new groups the best {@code rest} heads, up to all. */
  private void groups(int layer, int rest, List<Candidate> out) {
    for (int group = 0; group < shape.kvHeads(); group++) {
      boolean kept = kept(layer, group) > 0;
      int[] open =
          IntStream.range(group * shape.group(), (group + 1) * shape.group())
              .filter(h -> !full[layer][h])
              .toArray();
      if (kept) {
        for (int h : open) {
          out.add(candidate(layer, new int[] {h}, true));
        }
      } else {
        out.add(candidate(layer, bestHeads(layer, open, rest), false));
      }
    }
  }

  private int[] bestHeads(int layer, int[] heads, int most) {
    return IntStream.of(heads)
        .mapToObj(h -> candidate(layer, new int[] {h}, false))
        .sorted(Candidate.BEST_FIRST)
        .limit(most)
        .mapToInt(c -> c.heads[0])
        .sorted()
        .toArray();
  }

  private int kept(int layer, int group) {
    int n = 0;
    for (int h = group * shape.group(); h < (group + 1) * shape.group(); h++) {
      n += full[layer][h] ? 1 : 0;
    }
    return n;
  }

  private Candidate candidate(int layer, int[] heads, boolean kept) {
    double score = 0;
    double raw = 0;
    for (int h : heads) {
      score += scores[layer][h];
      raw += effect[layer][h];
    }
    return new Candidate(layer, heads, score / heads.length, raw / heads.length, kept);
  }
}
