package io.hydrahead.study;

import io.hydrahead.data.Dice;
import io.hydrahead.model.HeadPlan;
import java.util.ArrayList;
import java.util.List;

/**
 * A random plan that costs what another one does: as many full heads in as many KV groups, and at
 * least one group a layer where there are enough. The fair rival of a chosen plan.
 */
public final class EqualCache {
  private EqualCache() {}

  private record Group(int layer, int group) {}

  /**
   * @param kvHeads KV heads a layer
   * @param draw a different plan for each
   */
  public static HeadPlan draw(HeadPlan like, int kvHeads, long draw) {
    int layers = like.layers();
    int size = like.heads() / kvHeads;
    int groups = 0;
    for (int l = 0; l < layers; l++) {
      groups += like.keptKvHeads(l, kvHeads).length;
    }
    Dice dice = new Dice(0xE9CA, draw);
    List<Group> chosen = new ArrayList<>();
    List<Group> rest = new ArrayList<>();
    for (int l = 0; l < layers; l++) {
      int sure = groups >= layers ? dice.below(kvHeads) : -1;
      for (int g = 0; g < kvHeads; g++) {
        (g == sure ? chosen : rest).add(new Group(l, g));
      }
    }
    dice.shuffle(rest);
    chosen.addAll(rest.subList(0, groups - chosen.size()));
    // One head of each group, then the others from all that these groups have left.
    boolean[][] full = new boolean[layers][like.heads()];
    List<int[]> left = new ArrayList<>();
    for (Group g : chosen) {
      int first = dice.below(size);
      for (int h = 0; h < size; h++) {
        int[] cell = {g.layer, g.group * size + h};
        if (h == first) {
          full[cell[0]][cell[1]] = true;
        } else {
          left.add(cell);
        }
      }
    }
    dice.shuffle(left);
    left.subList(0, like.fullCount() - groups).forEach(c -> full[c[0]][c[1]] = true);
    return HeadPlan.of(full);
  }
}
