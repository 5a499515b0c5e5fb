package io.hydrahead.study.stats;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * The task families over which arms are compared across lengths. A mean over whatever families a
 * length has rises where a hard family was not measured, so one set serves all lengths: the largest
 * one that a given share of the measured pairs of an arm and a length have as a whole.
 */
public final class CommonFamilies {
  /** A share for arms that were measured on grids of their own. */
  public static final double MOST = 0.9;

  private CommonFamilies() {}

  /**
   * The set that at least {@code share} of the pairs have, in the order of {@code tasks}; empty
   * where nothing was measured. Of sets of one size that serves which more pairs have; where no set
   * serves {@code share} of them, the one that most have.
   */
  public static List<String> of(
      StudyCells cells, Collection<String> arms, Collection<String> tasks, double share) {
    List<String> names = List.copyOf(tasks);
    List<Integer> pairs = measured(cells, arms, names);
    int best = 0;
    long covered = 0;
    for (int set = 1; set < 1 << names.size() && !pairs.isEmpty(); set++) {
      int wanted = set;
      long has = pairs.stream().filter(p -> (p & wanted) == wanted).count();
      if (better(set, has, best, covered, share * pairs.size())) {
        best = set;
        covered = has;
      }
    }
    List<String> out = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      if ((best >> i & 1) == 1) {
        out.add(names.get(i));
      }
    }
    return out;
  }

  private static boolean better(int set, long has, int best, long covered, double enough) {
    if (has == 0) {
      return false;
    }
    if (has >= enough != covered >= enough) {
      return has >= enough;
    }
    int size = Integer.compare(Integer.bitCount(set), Integer.bitCount(best));
    int pairs = Long.compare(has, covered);
    return has >= enough ? size > 0 || size == 0 && pairs > 0 : pairs > 0 || pairs == 0 && size > 0;
  }

  /** Of every measured pair of an arm and a length: a bit for each family that it has. */
  private static List<Integer> measured(
      StudyCells cells, Collection<String> arms, List<String> names) {
    List<Integer> out = new ArrayList<>();
    for (String arm : arms) {
      for (int length : cells.lengths()) {
        int has = 0;
        for (int i = 0; i < names.size(); i++) {
          has |= cells.lengths(arm, names.get(i)).contains(length) ? 1 << i : 0;
        }
        if (has != 0) {
          out.add(has);
        }
      }
    }
    return out;
  }
}
